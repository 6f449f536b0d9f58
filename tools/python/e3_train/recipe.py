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
      given = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
      raise Fault(path, getattr(error, "strerror", None) or f"not JSON: {error}")
    merge(recipe, given, path, "")
  check(recipe, path or DEFAULT)
  return recipe


def merge(recipe, given, path, where):
  if not isinstance(given, dict):
    raise Fault(path, f"{where or 'the recipe'} is no object")
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


COUNTS = ("epochs", "batch", "views", "experts_per_member", "selected_experts", "expert_blocks")


def check(recipe, path):
  """Numbers that no training can have."""
  for part, numbers in (("", recipe), ("scratch.", recipe["scratch"])):
    for name in COUNTS:
      if isinstance(numbers.get(name), int) and not 1 <= numbers[name] <= 1_000_000:
        raise Fault(path, f"{part}{name} is {numbers[name]}, expected 1 or more")
  split = recipe["split"]
  if len(split) != 3 or min(split) < 0 or split[0] <= 0 or split[1] <= 0 or abs(sum(split) - 1) > 1e-6:
    raise Fault(path, f"split is {split}, expected three shares whose sum is 1: to train on, to calibrate, to test")
  for name, share in recipe["calibration"].items():
    if not 0 < share < 1:
      raise Fault(path, f"calibration.{name} is {share}, expected a share between 0 and 1")
  view = recipe["view"]
  if len(view["area"]) != 2 or not 0 < view["area"][0] <= view["area"][1] <= 1:
    raise Fault(path, f"view.area is {view['area']}, expected two shares of the picture")
  if view["aspect"] < 1:
    raise Fault(path, f"view.aspect is {view['aspect']}, expected 1 or more")
