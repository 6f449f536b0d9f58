"""The options of `e3-train fashion`; nothing here needs PyTorch."""

import argparse
from pathlib import Path

from . import recipes

DATA = Path("/usr/share/datasets/fashion-mnist")


def positive(text):
  """A whole number of 1 or more."""
  if not text.isdigit() or int(text) < 1:
    raise argparse.ArgumentTypeError(f"{text!r}: expected 1 or more")
  return int(text)


def add_arguments(parser):
  parser.add_argument("--model", required=True, choices=recipes.MODELS)
  parser.add_argument("--seed", type=int, default=1)
  parser.add_argument("--epochs", type=positive, default=32, help="length of the schedule, 32; may change on resuming")
  parser.add_argument("--output", type=Path, default=Path("build/train"), help="directory for results and state")
  parser.add_argument("--data", type=Path, default=DATA, help="directory with the four IDX files")
  parser.add_argument("--pictures", choices=recipes.PICTURES, help="what members see in a step, instead of the recipe's")
  parser.add_argument("--upcycle", type=Path, help="safetensors of a dense model to start from")
  parser.add_argument("--threads", type=positive, default=1)
  parser.add_argument("--device", help="cpu, cuda, ...; a GPU where there is one")
  parser.add_argument("--float32", action="store_true", help="matrix products in float32, not bfloat16")
