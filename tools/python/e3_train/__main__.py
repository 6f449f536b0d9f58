"""The command `e3-train`."""

import argparse
import difflib
import json
import os
import re
import signal
import sys
from pathlib import Path

from .faults import Fault, UsageFault, shown
from .fashion import options as fashion
from .parts import options as parts

EPILOG = "docs/TRAINING.md answers what is left open."


def version():
  from importlib.metadata import PackageNotFoundError
  from importlib.metadata import version as installed

  try:
    return installed("e3-train")
  except PackageNotFoundError:  # run from the sources
    return (Path(__file__).resolve().parents[3] / "VERSION").read_text().strip().replace("-dev", ".dev0")


def size(text):
  """HxW, or one number for a square."""
  match = re.fullmatch(r"([0-9]+)(?:x([0-9]+))?", text)
  if not match or not all(1 <= int(side) <= 4096 for side in match.groups(match[1])):
    raise argparse.ArgumentTypeError(f"{text!r}: expected HxW")
  return int(match[1]), int(match[2] or match[1])


def count(text):
  if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= 256:
    raise argparse.ArgumentTypeError(f"{text!r}: expected 1 to 256")
  return int(text)


def seed(text):
  if not re.fullmatch("[0-9]+", text) or len(text) > 10 or int(text) >= 1 << 32:
    raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to {(1 << 32) - 1}")
  return int(text)


def trained(text):
  if text != "all" and not re.fullmatch(r"last:[1-9][0-9]{0,3}", text):
    raise argparse.ArgumentTypeError(f"{text!r}: expected last:N or all")
  return text


def weights(text):
  """{part: bits} of the words of `e3-convert pack --weights`."""
  bits = {"experts": 8, "mlp": 8}
  words = [part.split("=") for part in text.split(",")]
  known = {"experts": ("4", "8"), "mlp": ("4", "8"), "attention": ("8",)}
  if len({word[0] for word in words}) < len(words) or not all(len(word) == 2 and word[1] in known.get(word[0], ()) for word in words):
    hint = f": experts={text},mlp={text}" if text in ("4", "8") else ""
    raise argparse.ArgumentTypeError(
      f"{text!r}: expected experts=B, mlp=B and attention=8 with B 4 or 8, separated by commas{hint}")
  return bits | {part: int(number) for part, number in words if part in bits}


class Parser(argparse.ArgumentParser):
  """Takes options by their whole names, and says which one an unknown one nearly is."""

  def __init__(self, *positional, **named):
    super().__init__(*positional, allow_abbrev=False, **named)

  def names(self, words):
    """Options of this command and of the one among the words."""
    found = [name for name in self._option_string_actions if name.startswith("--")]
    for action in self._actions:
      if isinstance(action, argparse._SubParsersAction):
        found += [name for word in words if word in action.choices for name in action.choices[word].names(())]
    return found

  def error(self, message):
    unknown = re.match(r"unrecognized arguments: (?:.* )?(-[^ =]+)", message)
    if unknown:
      typed, names = "--" + unknown[1].lstrip("-"), self.names(sys.argv[1:])
      near = [name for name in names if name.startswith(typed)] or difflib.get_close_matches(typed, names, 1)
      if near and typed not in names:
        message += f" (did you mean {near[0]}?)"
    super().error(shown(message))


def not_empty(words):
  """Refuses an empty argument, as of a variable of the shell that is not set; nothing takes one."""
  for before, word in zip([""] + words, words):
    if not word or re.fullmatch(r"--[^=]+=", word):
      raise UsageFault("an argument is empty" + (f" after {word or before!r}" if word or before else ""), "e3-train --help explains")


def arguments():
  not_empty(sys.argv[1:])
  parser = Parser(
    prog="e3-train", description="From a folder of pictures to a calibrated model file of the E3 runtime.", epilog=EPILOG)
  parser.add_argument("--version", action="version", version=version())
  commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

  fit = commands.add_parser(
    "fit", help="train, pack, calibrate, verify and test: one command", epilog=EPILOG,
    description="Trains on a folder that has one folder of pictures for each class. Stopped at any time, the same command "
    "goes on. Under torchrun, several processes train one model.")
  fit.add_argument("pictures", metavar="PICTURES", help="folder with one folder of pictures for each class")
  fit.add_argument("-o", "--output", metavar="MINE.e3", required=True, help="model file to write")
  fit.add_argument("--from", dest="from_", metavar="CHECKPOINT", help="start from a checkpoint that e3-convert reads")
  fit.add_argument("--config", metavar="FILE", help="its configuration, as for e3-convert pack")
  fit.add_argument("--ignore", metavar="PATTERN", action="append", default=[], help="its tensors to leave out, as for e3-convert pack")
  add_others(fit)
  fit.add_argument("--members", type=count, metavar="M", help="members of the ensemble, 2; 1 for a dense model")
  fit.add_argument("--head", choices=("new", "keep"), help="new: a head for other classes than the checkpoint's")
  fit.add_argument("--train", type=trained, metavar="last:N|all",
                   help="blocks that learn: the last N, or all; last:2 with --from, else all")
  fit.add_argument("--image-size", type=size, metavar="HxW", help="the checkpoint's, or one that fits the pictures")
  fit.add_argument("--grey", action="store_true", help="a model for grey pictures")
  fit.add_argument("--resize", metavar="METHOD", help="how pictures are brought to the image size, as for e3-convert pack")
  fit.add_argument("--value-norm", metavar="MEAN,STD", help="values of pixels, as for e3-convert pack")
  add_weights(fit)
  add_recipe(fit)
  fit.add_argument("--seed", type=seed, default=1, metavar="N", help="of the split, the weights and the order of pictures, 1")
  fit.add_argument("--threads", type=count, metavar="N", help="one for each processor")
  fit.add_argument("--float32", action="store_true", help="matrix products in float32, also where bfloat16 is faster")
  fit.add_argument("--commands", metavar="FOLDER", help="where e3-convert, e3-eval and e3-run are, if not on the PATH")

  check = commands.add_parser(
    "check", help="say what a folder of pictures holds, and what is wrong with it", epilog=EPILOG,
    description="Ends with status 0 where fit, with the same folders and the same recipe, would begin to train.")
  check.add_argument("pictures", metavar="PICTURES", help="folder with one folder of pictures for each class")
  add_others(check)
  add_weights(check)
  add_recipe(check)
  check.add_argument("--json", action="store_true", help="print one JSON object")
  check.add_argument("--threads", type=count, metavar="N", help="one for each processor")
  check.add_argument("--commands", metavar="FOLDER", help="where e3-run and e3-convert are, if not on the PATH")

  commands.add_parser("recipe", help="print the numbers of the training, to change them", epilog=EPILOG)

  fashion.add_arguments(commands.add_parser(
    "fashion", help="train a model of models/ on Fashion-MNIST", epilog="tools/python/fashion/README.md says more.",
    description="Writes NAME-sSEED.safetensors, .json and .log to --output. Stopped at any time, the same command goes on."))
  parts.add_arguments(commands.add_parser(
    "parts", help="train a model of models/ on pictures of machine parts", epilog="tools/parts/README.md says more.",
    description="Writes NAME-sSEED.safetensors, .json and .log to --output. Stopped at any time, the same command goes on."))
  return parser.parse_args(join_negative(sys.argv[1:]))


def add_others(command):
  command.add_argument("--unknown", metavar="FOLDER", action="append", default=[],
                       help="pictures of none of the classes: of 8 or more half help to choose what decides, half test; may be given several times")
  command.add_argument("--test", metavar="FOLDER", help="pictures of the classes to test with, instead of some of PICTURES")


def add_weights(command):
  command.add_argument("--weights", type=weights, default="experts=8", metavar="experts=B,mlp=B",
                       help="bits of the weights of experts and of the other MLPs, 4 or 8, as for e3-convert pack")


def add_recipe(command):
  command.add_argument("--recipe", metavar="FILE", help="JSON with other numbers than those that e3-train recipe prints")


def join_negative(words):
  """--value-norm -1,1 as --value-norm=-1,1: its value may begin with a minus sign."""
  joined = []
  for word in words:
    if joined and joined[-1] == "--value-norm":
      joined[-1] += f"={word}"
    else:
      joined.append(word)
  return joined


def run_check(options):
  from . import recipe as recipes
  from .commands import Commands
  from .folder import many
  from .given import Given
  from .progress import Meter, usable_processors

  recipe = recipes.load(options.recipe)
  given = Given(options.pictures, options.test, options.unknown)
  meter = Meter(f"reading {len(given)} pictures")
  given.examine(options.threads or usable_processors(), lambda done: meter.update(done, len(given)), Commands(options.commands))
  folder, found, faults, notes = given.folder, given.examination, given.faults(), given.notes()
  if not faults:
    try:
      given.divide(recipe["split"], min(recipe["batch"], recipe["scratch"]["batch"]), 1)
    except Fault as fault:
      faults = [str(fault)]
  counts, unknown = folder.counts(), [(shown(unknown.path), len(unknown)) for unknown in given.unknown if not unknown.is_file]
  smallest, middle, largest = found.sizes()
  if options.json:
    print(json.dumps({
      "classes": dict(zip(folder.classes, counts)), "pictures": len(folder), "test_pictures": given.test_count,
      "unknown_pictures": dict(unknown), "shorter_side": [smallest, middle, largest],
      "suggested_image_size": found.suggested_size(), "faults": faults, "notes": notes}))
  else:
    if sys.stderr.isatty():
      print("\r\033[K", end="", file=sys.stderr)
    names = list(map(shown, folder.classes))
    width = max(map(len, names))
    for name, number in zip(names, counts):
      print(f"{name:{width}}  {number}")
    sides = f"{smallest} to {largest} pixels, mostly {middle}" if smallest < largest else f"{largest} pixels"
    print(f"{many(len(folder), 'picture')} of {many(len(folder.classes), 'class', 'classes')}" + (f"; shorter sides of {sides}" if largest else ""))
    if given.test is not None:
      print(f"{many(given.test_count, 'picture')} to test with in {shown(options.test)}")
    for path, number in unknown:
      print(f"{many(number, 'unknown picture')} in {path}")
    if largest:
      print(f"from scratch, --image-size {found.suggested_size()} fits them")
    for line in notes:
      print(f"note: {line}")
    for line in faults:
      print(f"fault: {line}")
  return 1 if faults else 0


def end_at_once(*_):
  """For an interruption of what nothing is kept of."""
  os.write(2, b"e3-train: stopped\n")
  os._exit(130)


def require_torch():
  # C++ of PyTorch that imports NumPy makes a RuntimeError of a KeyboardInterrupt. One that is ignored, as of a program in
  # the background of a shell, stays so.
  ends = signal.getsignal(signal.SIGINT) is signal.default_int_handler
  if ends:
    signal.signal(signal.SIGINT, end_at_once)
  try:
    import torch  # noqa: F401
  except ImportError:
    raise Fault("PyTorch", "not installed: pip install torch (docs/TRAINING.md names the small one for CPUs)")
  finally:
    if ends:
      signal.signal(signal.SIGINT, signal.default_int_handler)


def run_fit(options):
  if options.output.startswith("-"):  # e3-convert would take it for an option
    raise UsageFault("--output", f"{options.output!r} begins with a minus sign")
  require_torch()
  from . import pictures
  from .commands import Commands
  from .fit import ENDINGS, Fit, Stopped

  if options.train is None:
    options.train = "last:2" if options.from_ else "all"
  if options.train != "all" and not options.from_:
    raise UsageFault("--train", f"{options.train} needs --from: without it there is no trunk to keep")
  if not options.output.endswith(".e3"):
    raise UsageFault("--output", f"{options.output!r}: the name of a model file ends in .e3")
  for name in ("config", "ignore", "head"):
    if getattr(options, name) and not options.from_:
      raise UsageFault(f"--{name}", "belongs to --from")
  for option, text, kind in (("--resize", options.resize, pictures.Resize), ("--value-norm", options.value_norm, pictures.ValueNorm)):
    if text is not None:
      pictures.understood(kind, text, option)
  base = options.output[: -len(".e3")]
  written = {os.path.realpath(f"{base}{ending}"): f"{base}{ending}" for ending in ENDINGS}
  for path in (options.recipe, options.from_, options.config):
    if path and (name := written.get(os.path.realpath(path))):
      raise UsageFault("--output", f"{name} would be written over, which is read")
  fit = None
  try:
    fit = Fit(options, Commands(options.commands))
    fit.run()
  except Stopped as stopped:
    print(shown(f"e3-train: {stopped}"), file=sys.stderr)
    return 130
  finally:
    if fit:
      fit.group.close()
  return 0


def main():
  try:
    options = arguments()
    if options.command == "check":
      status = run_check(options)
    elif options.command == "fit":
      status = run_fit(options)
    elif options.command == "recipe":
      from .recipe import DEFAULT

      print(DEFAULT.read_text(), end="")
      status = 0
    else:
      require_torch()
      if options.command == "parts":
        from .parts import train
      else:
        from .fashion import train

      status = train.run(options)
    sys.stdout.flush()
  except UsageFault as fault:
    print(f"e3-train: {fault}", file=sys.stderr)
    status = 2
  except Fault as fault:
    print(f"e3-train: {fault}", file=sys.stderr)
    status = 1
  except KeyboardInterrupt:
    print("e3-train: stopped", file=sys.stderr)
    status = 130
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status = 1
  except OSError as error:
    where = [os.fsdecode(error.filename)] if isinstance(error.filename, (str, bytes)) and error.filename else []
    print(shown(": ".join(["e3-train", *where, error.strerror or str(error)])), file=sys.stderr)
    status = 1
  return status


if __name__ == "__main__":
  sys.exit(main())
