"""The models of machine parts, and the recipe that they share. Pictures are in colour and seen from above, so from any
side."""

import copy

from ..fashion import recipes as fashion

CLASSES = 12  # kinds that a model answers
COMPANIONS = 24  # kinds that the second training tells from these and from each other
FIRST_COMPANION = 16  # its number in tools/parts/render
EPOCHS = (40, 8)  # of the first training and of the second
PICTURES = fashion.PICTURES

TRAINING = fashion.TRAINING | {
  "batch": 64,
  "muon_learning_rate": 0.02,
  "learning_rate": 1.5e-3,
  "guidance": 4.0,  # weight of a teacher's features at first
  "augmentation": {
    "zoom": 0.12,
    "shift": 6,  # pixels of the picture with its margin
    "covered": 0.3,  # share of pictures with a strip across them
    "strip_start": (0.3, 0.9),  # from the middle, as a share of half the side
    "strip_width": (0.05, 0.6),
    "recoloured": 0.3,  # share of pictures whose channels change places
    "saturation": (0.3, 1.4),
    "contrast": 0.3,
    "brightness": 0.12,
    "blurred": 0.5,
    "noise": 0.05,  # at most, standard deviation on [0, 1]
    "noisy": 0.6,
  },
}


# The second training, from what the first one gave.
BESIDE = TRAINING | {
  "muon_learning_rate": 0.008,
  "learning_rate": 6e-4,
  "likeness": 1.0,  # weight of the loss of the features by which classes are taught
  "likeness_scale": 12.0,  # of their cosines with the kinds' directions, as logits
}


def transformer(**options):
  """The small transformer of the garments (`fashion/recipes.py`) for 12 kinds of parts in 64 patches of 12 x 12."""
  config = fashion.vision_transformer(**options)
  config |= {"image_size": [96, 96], "patch_size": [12, 12], "num_classes": CLASSES}
  if moe := config["encoder"].get("moe"):
    moe["group_size"] = 64 * moe.get("ensemble_size", 1)
  return config


MODELS = {
  "parts-vit": transformer(),
  "parts-vmoe": transformer(layers=(3, 5)),
  "parts-e3": transformer(layers=(3, 5), members=2),
}


def model(name):
  """The configuration of a named model."""
  return copy.deepcopy(MODELS[name])


def pictures(name):
  """What the members of a named model see in a step, of PICTURES."""
  return "own" if name == "parts-e3" else "same"
