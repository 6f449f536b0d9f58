"""The options of `e3-train parts`; nothing here needs PyTorch."""

from pathlib import Path

from ..fashion.options import positive
from . import recipes


def add_arguments(parser):
  parser.add_argument("--model", required=True, choices=recipes.MODELS)
  parser.add_argument("--seed", type=int, default=1)
  parser.add_argument("--epochs", type=positive, help="length of the schedule, 40, or 8 with --begin; may change on resuming")
  parser.add_argument("--output", type=Path, default=Path("build/train"), help="directory for results and state")
  parser.add_argument("--data", type=Path, default=Path("build/parts"), help="directory that tools/parts/render wrote")
  parser.add_argument("--pictures", choices=recipes.PICTURES, help="what members see in a step, instead of the recipe's")
  parser.add_argument("--teacher", type=Path, metavar="FILE", default=Path("build/train/parts-teacher.pt"),
                      help="the network that guides; trained first where it is not there")
  parser.add_argument("--begin", type=Path, metavar="FILE",
                      help="the second training: go on from this safetensors of the first, beside the companions")
  parser.add_argument("--validate", type=positive, default=4, help="validate every so many epochs, 4, and after the last")
  parser.add_argument("--threads", type=positive, default=1)
  parser.add_argument("--float32", action="store_true", help="matrix products in float32, not bfloat16")
  parser.set_defaults(device="cpu", upcycle=None)
