"""Trains a model of machine parts: e3-train parts --model parts-e3 --seed 1

Writes what `e3-train fashion` writes, and goes on in the same way after it was stopped.
"""

import json

import torch
import torch.nn.functional as F

from ..fashion import train as fashion
from ..model import VisionTransformer
from . import data, recipes
from .teacher import guide, trained

# A direction for each kind and member, [M, H, kinds], which serves training alone.
KINDS = "kinds/kernel"


class Guided(VisionTransformer):
  """The network as it is trained: it tells companions apart, too, and keeps the tokens that are compared with others.

  In training its logits are those of all kinds, otherwise those of the kinds that the model answers."""

  def __init__(self, config, channels):
    kinds = recipes.CLASSES + recipes.COMPANIONS
    super().__init__(config | {"num_classes": kinds}, channels)
    self.parameter[KINDS] = torch.randn(self.members, self.hidden, kinds)
    self.last_norm = f"Encoder/encoderblock_{self.blocks - 1}/LayerNorm_0"

  def head(self, x):
    logits = super().head(x)
    return logits if self.training else logits[..., : recipes.CLASSES]

  def pooled(self, x):
    self.last_tokens = x.view(-1, self.tokens, self.hidden)
    return super().pooled(x)

  def add_norm(self, x, y, name):
    total, normal = super().add_norm(x, y, name)
    if name == self.last_norm:
      self.entering = total
    return total, normal

  def features(self):
    """What learned classes compare (Sources/E3Format/CLASSES.md, with a grid of 1), [N, M, H] of length 1, of the last
    pictures."""
    mean = self.entering.float().view(-1, self.members, self.tokens, self.hidden).mean(2)
    scale, bias = (self.parameter[f"{self.last_norm}/{part}"] for part in ("scale", "bias"))
    return F.normalize(F.layer_norm(mean, (self.hidden,), scale, bias, self.epsilon), dim=-1)

  def likeness(self, labels, scale):
    """How far the features of the last pictures are from telling kinds apart by their angles: the cross-entropy of
    scaled cosines with a direction for each kind (Wang et al. 2017, "NormFace"). labels: [N, 1] or [N, M]."""
    cosines = torch.einsum("nmh,mhk->nmk", self.features(), F.normalize(self.parameter[KINDS], dim=1))
    return F.cross_entropy(scale * cosines.flatten(0, 1), labels.expand(cosines.shape[:2]).flatten())

  def answering(self):
    """{name: array} of the model that answers: without the rows of the companions."""
    tensors = {name: value.detach().numpy() for name, value in self.parameter.items() if name != KINDS}
    return tensors | {name: tensors[name][..., : recipes.CLASSES] for name in ("head/kernel", "head/bias")}


class Run(fashion.Run):
  data, recipes, network = data, recipes, Guided

  def to_train_on(self):
    return data.to_train_on(self.options.data)

  def prepare(self):
    data.start(self.model, self.images, self.recipe)
    if not self.options.teacher.exists():
      trained(self.options.data, self.options.teacher, lambda line: print(json.dumps(line), flush=True))
    self.guide = guide(self.options.teacher, self.images)

  def other_loss(self, images, labels):
    # From `guidance` to zero, as the learning rates go.
    weight = self.recipe["guidance"] * self.optimizer.share
    loss = weight * F.mse_loss(self.model.last_tokens.float(), self.guide(images.flatten(0, 1)))
    return loss + self.recipe["likeness"] * self.model.likeness(labels, self.recipe["likeness_scale"])

  def validates(self, epoch):
    return epoch % self.options.validate == 0 or epoch >= self.options.epochs

  def tensors(self):
    return self.model.answering()


def run(options):
  return fashion.run(options, Run)
