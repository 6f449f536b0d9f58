"""Trains a model of machine parts: e3-train parts --model parts-e3 --seed 1

Writes what `e3-train fashion` writes, and goes on in the same way after it was stopped.
"""

import json

import torch.nn.functional as F

from ..fashion import train as fashion
from ..model import VisionTransformer
from . import companions, data, recipes
from .teacher import guide, trained


class Guided(VisionTransformer):
  """The network, which keeps the tokens of its last block for the comparison with a teacher's features."""

  def pooled(self, x):
    self.last_tokens = x.view(-1, self.tokens, self.hidden)
    return super().pooled(x)


class Run(fashion.Run):
  data, recipes, network = data, recipes, Guided

  def prepare(self):
    data.start(self.model, self.images, self.recipe)
    if not self.options.teacher.exists():
      trained(self.options.data, self.options.teacher, lambda line: print(json.dumps(line), flush=True))
    self.guide = guide(self.options.teacher, self.images)

  def other_loss(self, images, labels):
    # From `guidance` to zero, as the learning rates go.
    weight = self.recipe["guidance"] * self.optimizer.share
    return weight * F.mse_loss(self.model.last_tokens.float(), self.guide(images.flatten(0, 1)))

  def validates(self, epoch):
    return epoch % self.options.validate == 0 or epoch >= self.options.epochs


def run(options):
  options.epochs = options.epochs or recipes.EPOCHS[bool(options.begin)]
  return fashion.run(options, companions.Run if options.begin else Run)
