"""The numbers of a training: `recipes/fit.json`, or what `--recipe` puts in their place."""

import json
from pathlib import Path

from .faults import Fault

DEFAULT = Path(__file__).with_name("recipes") / "fit.json"


def load(path=None):
  """The recipe with the numbers of the file at `path`; one that is not known is refused."""
  recipe = json.loads(DEFAULT.read_text())
  if path:
    try:
      given = json.loads(Path(path).read_text("utf-8-sig"))
    except RecursionError:
      raise Fault(path, "nested too deeply: it is no recipe; e3-train recipe prints one")
    except (OSError, ValueError) as error:
      raise Fault(path, getattr(error, "strerror", None) or f"not JSON: {error}")
    merge(recipe, given, path, "")
    # A number that is given for every training holds for one from scratch too, unless `scratch` has its own.
    own = given.get("scratch", {})
    recipe["scratch"] |= {name: given[name] for name in recipe["scratch"] if name in SHARED and name in given and name not in own}
  check(recipe, path or DEFAULT)
  return recipe


# Numbers of which a training from scratch has others.
SHARED = ("epochs", "batch", "learning_rate", "mixup")


def merge(recipe, given, path, where):
  if not isinstance(given, dict):
    raise Fault(path, f"{where.rstrip('.') or 'the recipe'} is no object")
  for name, value in given.items():
    if name.startswith("_"):
      continue
    if name not in recipe:
      raise Fault(path, f"{where}{name} is no number of a recipe; there are {', '.join(n for n in recipe if n != '_')}")
    own = recipe[name]
    if isinstance(own, dict):
      merge(own, value, path, f"{where}{name}.")
    elif not same_kind(own, value):
      raise Fault(path, f"{where}{name} is {json.dumps(value)}, expected something like {json.dumps(own)}")
    else:
      recipe[name] = value


def same_kind(own, value):
  if isinstance(own, bool) or isinstance(value, bool):
    return isinstance(own, bool) and isinstance(value, bool)
  if isinstance(own, list):
    return isinstance(value, list) and all(same_kind(0.0, entry) for entry in value) and len(value) > 0
  # A count stays one; the rest are numbers.
  return isinstance(value, int) if isinstance(own, int) else isinstance(value, (int, float))


# Least and most of each number, in `scratch` as well; what is above would be a mistake of the hand.
RANGES = {
  "epochs": (1, 1_000_000), "batch": (1, 1_000_000), "views": (1, 1_000_000), "features_gigabytes": (0, 1e6),
  "aspect": (1, 100), "flip": (0, 1), "rotation": (0, 360), "contrast": (0, 1), "brightness": (0, 1), "tint": (0, 1),
  "noise": (0, 1), "erased": (0, 1), "learning_rate": (0, 1000), "head_learning_rate": (0, 1000),
  "router_learning_rate": (0, 1000), "muon_learning_rate": (0, 1000), "muon_momentum": (0, 1), "weight_decay": (0, 1000),
  "betas": (0, 0.999999), "clip": (1e-9, 1e9), "warm_up": (0, 1), "rounded_share": (0, 1), "label_smoothing": (0, 1), "mixup": (0, 1000), "probe_weight_decay": (0, 1e6),
  "probe_pictures": (1, 1_000_000_000), "expert_blocks": (0, 4095), "experts_per_member": (1, 4096),
  "selected_experts": (1, 4096), "expert_noise": (0, 1000), "expert_dropout": (0, 0.999999), "router_start": (0, 1000),
  "router_noise": (0, 1000), "router_loss": (0, 1000), "hidden_size": (1, 65536), "num_layers": (1, 4096),
  "num_heads": (1, 4096), "mlp_dim": (1, 262_144), "patches": (1, 4096),
}


def check(recipe, path):
  """Numbers that no training can have."""
  for part, numbers in (("", recipe), ("view.", recipe["view"]), ("scratch.", recipe["scratch"])):
    for name, value in numbers.items():
      if limits := RANGES.get(name):
        # No comparison with a NaN is true.
        if not all(limits[0] <= number <= limits[1] for number in (value if isinstance(value, list) else [value])):
          raise Fault(path, f"{part}{name} is {json.dumps(value)}, expected {limits[0]:g} to {limits[1]:g}")
  split = recipe["split"]
  if len(split) != 3 or not min(split) >= 0 or split[0] <= 0 or split[1] <= 0 or not abs(sum(split) - 1) <= 1e-6:
    raise Fault(path, f"split is {split}, expected three shares whose sum is 1: to train on, to calibrate, to test")
  for name, share in recipe["calibration"].items():
    if not 0 < share < 1:
      raise Fault(path, f"calibration.{name} is {share}, expected a share between 0 and 1")
  view = recipe["view"]
  if len(view["area"]) != 2 or not 0 < view["area"][0] <= view["area"][1] <= 1:
    raise Fault(path, f"view.area is {view['area']}, expected two shares of the picture")
  if recipe["expert_blocks"] < 1:
    raise Fault(path, "expert_blocks is 0, expected 1 or more")
  if len(recipe["betas"]) != 2:
    raise Fault(path, f"betas is {recipe['betas']}, expected two numbers")
  scratch = recipe["scratch"]
  if not all(isinstance(block, int) and block < scratch["num_layers"] for block in scratch["expert_blocks"]):
    raise Fault(path, f"scratch.expert_blocks is {scratch['expert_blocks']}, expected blocks below {scratch['num_layers']}")
  if scratch["hidden_size"] % scratch["num_heads"]:
    raise Fault(path, f"scratch.hidden_size is {scratch['hidden_size']}, which {scratch['num_heads']} heads do not divide")
  for part, experts in (("", recipe["experts_per_member"]), ("scratch.", scratch["experts_per_member"])):
    if recipe["selected_experts"] > experts:
      raise Fault(path, f"selected_experts is {recipe['selected_experts']}, more than {part}experts_per_member, {experts}")
