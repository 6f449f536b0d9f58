"""The models that ship, and the one recipe that trains them all."""

import copy

CLASSES = 10

TRAINING = {
  "batch": 256,
  "muon_learning_rate": 0.01,  # of the matrices inside the blocks
  "muon_momentum": 0.95,
  "learning_rate": 2e-3,  # of all else, by AdamW
  "betas": (0.9, 0.95),
  "weight_decay": 0.05,  # on kernels
  "clip": 1.0,
  "warm_up": 0.02,  # share of all steps, linear; a cosine to zero after it
  "augmentation": {
    "rotation": 10,  # degrees, at most
    "zoom": 0.08,
    "shift": 1.5,  # pixels of 28
    "contrast": 0.3,
    "brightness": 0.15,
    "low_contrast": 0.1,  # share of images in very flat light
    "plain_light": 0.5,  # share of images whose light stays as it is
    "noise": 0.1,  # at most, standard deviation on [0, 1]
    "noisy": 0.25,  # share of images with noise
    "erased": 0.5,  # share of images with a rectangle of one grey in them, as if something stood before it
    "erased_size": (0.15, 0.5),  # its height and width, as a share of the image's
  },
}


def vision_transformer(layers=(), experts=8, members=1, selected=1, expert_dropout=0.0):
  """A `config.json` (V-MoE field names) of the small transformer: dense, or with experts in the blocks `layers`."""
  config = {
    "name": "VisionTransformerMoeEnsemble" if members > 1 else "VisionTransformerMoe",
    "image_size": [28, 28],
    "num_classes": CLASSES,
    "patch_size": [7, 7],
    "hidden_size": 96,
    "classifier": "gap",
    "representation_size": None,
    "head_bias_init": 0.0,
    "encoder": {
      "num_layers": 6,
      "num_heads": 3,
      "mlp_dim": 256,
      "dropout_rate": 0.0,
      "attention_dropout_rate": 0.0,
    },
  }
  if layers:
    config["encoder"]["moe"] = {
      "num_experts": experts,
      "group_size": 16 * members,
      "layers": list(layers),
      "dropout_rate": expert_dropout,
      "split_rngs": True,
      "router": {
        "num_selected_experts": selected,
        "noise_std": 1.0,
        "importance_loss_weight": 0.005,
        "load_loss_weight": 0.005,
        "dispatcher": {"name": "einsum", "bfloat16": False, "capacity_factor": float(experts), "batch_priority": False},
      },
    }
    if members > 1:
      config["encoder"]["moe"]["ensemble_size"] = members
  return config


MODELS = {
  "fashion-vit": vision_transformer(),
  "fashion-vmoe": vision_transformer(layers=(1, 3, 5)),
  "fashion-e3": vision_transformer(layers=(1, 3, 5), members=2),
  "fashion-e3-late": vision_transformer(layers=(3, 5), members=2, expert_dropout=0.1),
  # Tried beside them; models/fashion-e3.md says with what result.
  "fashion-e3-repeat": vision_transformer(layers=(1, 2, 3, 4, 5), experts=4, members=2),
  "fashion-e3-late-no-dropout": vision_transformer(layers=(3, 5), members=2),
  "fashion-e3-m4": vision_transformer(layers=(1, 3, 5), members=4),
  "fashion-e3-k2": vision_transformer(layers=(1, 3, 5), members=2, selected=2),
}

# What the members see in a step: "same", one picture for all as in the reference; "own", each member goes through the
# pictures in an order of its own, as the networks of a deep ensemble do.
PICTURES = ("same", "own")
OWN_PICTURES = {"fashion-e3", "fashion-e3-late", "fashion-e3-late-no-dropout", "fashion-e3-m4", "fashion-e3-k2"}


def model(name):
  """The configuration of a named model."""
  if name not in MODELS:
    raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")
  return copy.deepcopy(MODELS[name])


def pictures(name):
  """What the members of a named model see in a step, of PICTURES."""
  return "own" if name in OWN_PICTURES else "same"
