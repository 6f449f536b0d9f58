"""The second training of a model of machine parts, beside companions: kinds that it learns to tell apart and never answers.

A model that learned twelve kinds keeps what these differ in, and a stranger looks to it like one of them. With 24 more
kinds to tell apart, its representation and the features by which classes are taught keep more.
"""

import torch
import torch.nn.functional as F

from ..checkpoint import load_safetensors
from ..fashion import train as fashion
from ..model import VisionTransformer
from . import data, recipes

# A direction for each kind and member, [M, H, kinds], which serves training alone.
KINDS = "kinds/kernel"


class Beside(VisionTransformer):
  """The network with a row of the head for every kind: in training it answers all, otherwise those of the model."""

  def __init__(self, config, channels):
    kinds = recipes.CLASSES + recipes.COMPANIONS
    super().__init__(config | {"num_classes": kinds}, channels)
    self.parameter[KINDS] = torch.randn(self.members, self.hidden, kinds)
    self.last_norm = f"Encoder/encoderblock_{self.blocks - 1}/LayerNorm_0"

  def begin(self, tensors):
    """Takes {name: array} of a model without companions, whose rows stay what they are."""
    for name, value in self.parameter.items():
      if name != KINDS:
        found = torch.from_numpy(tensors[name].copy())
        if name.startswith("head/"):
          value.data[..., : recipes.CLASSES] = found
        else:
          value.data.copy_(found)

  def head(self, x):
    logits = super().head(x)
    return logits if self.training else logits[..., : recipes.CLASSES]

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
  data, recipes, network = data, recipes, Beside

  def __init__(self, options):
    super().__init__(options, recipes.BESIDE, f"{options.model}-companions-s{options.seed}")

  def to_train_on(self):
    images, labels = data.load("train", self.options.data)
    more, kinds = data.load("companions", self.options.data)
    return torch.cat([images, more]), torch.cat([labels, recipes.CLASSES + kinds - recipes.FIRST_COMPANION])

  def prepare(self):
    try:
      self.model.begin(load_safetensors(self.options.begin))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
      raise SystemExit(f"e3-train: {self.options.begin}: {error}")

  def other_loss(self, images, labels):
    return self.recipe["likeness"] * self.model.likeness(labels, self.recipe["likeness_scale"])

  def validates(self, epoch):
    return epoch % self.options.validate == 0 or epoch >= self.options.epochs

  def tensors(self):
    return self.model.answering()
