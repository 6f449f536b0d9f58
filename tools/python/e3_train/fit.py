"""`e3-train fit`: from a folder of pictures to a calibrated model file."""

import contextlib
import fcntl
import hashlib
import html
import json
import math
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from . import card, pictures, recipe as recipes, start
from .checkpoint import put, save_safetensors, write_atomically, write_fault
from .faults import Fault, UsageFault, shown
from .features import Features, Views
from .given import LEAST_UNKNOWN, Given
from .int4 import kernels
from .model import VisionTransformer
from .optimizers import Optimizer
from .parallel import Group
from .progress import Meter, usable_processors
from .state import load as load_state
from .training import AdamW, Training, probe, step_counts

# From scratch a transformer needs many pictures; below this it is told.
SCRATCH = 5000
# Of the files that are written, the model's first.
ENDINGS = (".e3", ".safetensors", ".json", ".fit.json", ".md", ".html")
# Takings of the lock of a folder that others take away meanwhile.
LOCK_TRIALS = 100


class Fit:
  """One `fit`, in the order in which things happen."""

  def __init__(self, options, commands):
    self.options, self.commands, self.group = options, commands, Group()
    self.threads = options.threads or max(1, usable_processors() // self.group.local_world)
    torch.set_num_threads(self.threads)
    # While `keeps`, a signal is noticed between two batches, when what was done is kept; else at once.
    self.keeps = self.stopped = False
    self.recipe = recipes.load(options.recipe)
    self.output = Path(options.output)
    self.base = self.output.with_suffix("")
    self.work = self.output.with_name(self.output.name + ".work")
    self.notes, self.seconds = [], {}

  def say(self, line):
    if self.group.is_first:
      print(shown(line), file=sys.stderr, flush=True)

  def note(self, line):
    self.notes.append(shown(line))
    self.say(f"e3-train: note: {line}")

  def meter(self, stage):
    return Meter(stage, quiet=not self.group.is_first)

  def stop(self, *_):
    if self.stopped or not self.keeps:
      raise self.end()
    self.stopped = True

  def end(self):
    return Stopped(f"stopped; the same command goes on where it was ({self.work})")

  @contextlib.contextmanager
  def keeping(self):
    """Around what looks at `stopped` after each batch and keeps what was done. Ends here when any process was stopped."""
    self.keeps = True
    yield
    self.keeps = False
    if self.group.any(self.stopped):
      raise self.end()

  def run(self):
    if self.group.is_first:
      self.commands.find("e3-convert"), self.commands.find("e3-eval")
      if not self.output.parent.is_dir():
        raise Fault(self.output, "its folder is not there")
      self.refuse_unwritable()
      self.lock()
    self.group.wait()
    signal.signal(signal.SIGTERM, self.stop)
    signal.signal(signal.SIGINT, self.stop)
    began = time.monotonic()
    try:
      # A checkpoint that does not fit is told before every picture is read; without one the pictures give the model's size.
      self.find()
      for step in (self.begin, self.look) if self.options.from_ else (self.look, self.begin):
        step()
      if self.recipe["batch"] % self.group.world:
        raise Fault("torchrun", f"a batch of {self.recipe['batch']} cannot be divided among {self.group.world} processes")
    except (Fault, OSError):
      self.leave()
      raise
    self.announce()
    self.key = self.fingerprint()
    self.train()
    if self.group.is_first:
      self.finish(began)
    self.group.wait()

  def refuse_unwritable(self):
    """What cannot be written is told before the training. What is written replaces what a link points at, or makes it, as
    `e3-convert pack` does."""
    for ending in ENDINGS:
      path = f"{self.base}{ending}"
      if fault := write_fault(path):
        raise Fault(path, fault)

  def lock(self):
    """Two trainings that write into one folder would take each other's features. The lock goes with the process."""
    path = self.work / "lock"
    for _ in range(LOCK_TRIALS):
      # Another that is refused may take the folder away between any two steps.
      with contextlib.suppress(FileNotFoundError):
        self.is_new = not self.work.exists()
        try:
          self.work.mkdir(exist_ok=True)
        except FileExistsError:
          if os.path.lexists(self.work):
            raise Fault(self.work, "is no folder: remove it, or name another --output")
          continue
        self.before = {entry.name for entry in self.work.iterdir()}
        if path.is_symlink():
          raise Fault(path, "is a link: remove it")
        self.held = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "wb")
        try:
          fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
          raise Fault(self.work, "another e3-train works in it")
        if os.path.samestat(os.fstat(self.held.fileno()), os.stat(path)):
          return
    raise Fault(self.work, "is taken away again and again: try once more, or name another --output")

  def leave(self):
    """After a refusal before the training: nothing stays of it."""
    if not self.group.is_first:
      return
    for name in {"lock", "arithmetic"} - self.before:
      (self.work / name).unlink(missing_ok=True)
    if self.is_new:
      with contextlib.suppress(OSError):  # another process's files
        self.work.rmdir()

  # Pictures

  def find(self):
    """Finds the pictures and refuses folders that cannot work; reads none."""
    self.given = Given(self.options.pictures, self.options.test, self.options.unknown, self.options.commands)
    self.folder, self.test_folder = self.given.folder, self.given.test
    self.refuse(self.given.folder_faults())

  def refuse(self, faults, is_all=False):
    """Refuses with the first fault. How many more there are is known where every picture was looked at."""
    if faults:
      more = f"and {len(faults) - 1} more: {self.given.check}" if is_all else f"{self.given.check} lists all that is wrong"
      where, problem = faults[0].split(": ", 1)
      raise Fault(where, problem if is_all and len(faults) == 1 else f"{problem} ({more})")

  def look(self):
    """Reads every picture, refuses what cannot work, and divides the folder."""
    meter = self.meter(f"reading {len(self.given)} pictures")
    self.given.examine(self.threads, lambda done: meter.update(done, len(self.given)), self.commands)
    meter.end()
    self.refuse(self.given.faults(), is_all=True)
    for line in self.given.notes():
      self.note(line)
    self.examination = self.given.examination
    batch = (self.recipe if self.options.from_ else self.recipe["scratch"])["batch"]
    self.parts = self.given.divide(self.recipe["split"], batch, self.options.seed)

  # Model

  def begin(self):
    """The model that training starts with."""
    options = self.options
    self.channels = 1 if options.grey else 3
    torch.manual_seed(options.seed)
    if options.from_:
      self.from_checkpoint()
    else:
      self.from_scratch()
    if options.value_norm:
      self.note(f"--value-norm is taken as of pixels in 0...{self.picture_recipe.largest}")
    # Which blocks learn, and up to where the features are computed once.
    blocks, count = self.model.blocks, self.learning()
    if count is None:
      self.start = None
    else:
      if not 1 <= count <= blocks:
        raise UsageFault("--train", f"last:{count}, but the model has {blocks} blocks")
      self.start = blocks - count
      first = min(self.model.moe_blocks, default=blocks)
      if first < self.start:
        raise UsageFault("--train", f"last:{count} is too few: every block with experts must learn, which takes last:{blocks - first} or more")
    for name, value in self.model.parameter.items():
      value.requires_grad_(self.start is None or self.learns(name))
    self.weigh()
    self.model.compute_dtype = self.arithmetic()

  def weigh(self):
    """The bits of the file's weights, and which kernels that learn are rounded to 4 bits at the end of the training."""
    self.bits, model = dict(self.options.weights), self.model
    for part, what in (("experts", "there are no experts"), ("mlp", "all MLPs are experts")):
      if self.bits[part] == 4 and not kernels(model, {part: 4}):
        self.note(f"--weights {part}=4 changes nothing: {what}")
        self.bits[part] = 8
    in_loop = self.recipe["rounded_share"] > 0
    self.rounded = [name for name in kernels(model, self.bits) if in_loop and model.parameter[name].requires_grad]

  def arithmetic(self):
    """The type of matrix products. What a measurement chose is kept: it may come out otherwise the next time, and the
    numbers with it."""
    if self.options.float32:
      return torch.float32
    path, name = self.work / "arithmetic", None
    if self.group.is_first:
      name = path.read_text().strip() if path.exists() else None
      if name not in ("float32", "bfloat16"):
        name = "bfloat16" if fast_bfloat16() else "float32"
        write_atomically(path, lambda file: file.write(name.encode() + b"\n"))
    return getattr(torch, self.group.first_says(name))

  def announce(self):
    """Says what will be trained."""
    kept = [sum(v.numel() for v in self.model.parameter.values() if v.requires_grad == learns) for learns in (True, False)]
    self.say(f"{len(self.folder.classes)} classes, {len(self.parts[0])} pictures to train on, {len(self.parts[1])} to calibrate with, "
             f"{len(self.test_folder or self.parts[2])} to test with; {kept[0] / 1e6:.1f} of {sum(kept) / 1e6:.1f} million "
             f"weights learn, {self.model.members} member{'s' * (self.model.members > 1)}; matrix products in "
             f"{str(self.model.compute_dtype).removeprefix('torch.')}")
    self.say_rounded()

  def say_rounded(self):
    """Says how many steps compute with rounded weights."""
    steps, self.rounded_steps = step_counts(len(self.parts[0]), self.recipe, self.rounded)
    if self.rounded_steps:
      count = sum(self.model.parameter[name].numel() for name in self.rounded)
      self.say(f"the last {self.rounded_steps} of {steps} steps compute with {count / 1e6:.1f} million weights as 4 bits round them")
    elif self.rounded:
      share = self.recipe["rounded_share"]
      self.note(f"rounded_share {share:g} of {steps} steps is less than one: no step computes with weights as 4 bits round them")
      self.rounded = []

  def learning(self):
    """How many of the last blocks learn; None for all."""
    return None if self.options.train == "all" else int(self.options.train.removeprefix("last:"))

  def learns(self, name):
    if name.startswith("Encoder/encoderblock_"):
      return int(name.split("/")[1].rsplit("_", 1)[1]) >= self.start
    return name.startswith(("Encoder/encoder_norm", "MapHead", "pre_logits", "head"))

  def from_checkpoint(self):
    options, recipe, classes = self.options, self.recipe, self.folder.classes
    image_size = options.image_size
    # The first process exports; the others wait for its files.
    if self.group.is_first:
      meter = self.meter(f"reading {options.from_}")
      source = self.exported(image_size)
      meter.end()
    self.group.wait()
    if not self.group.is_first:
      source = self.exported(image_size, f"-{self.group.rank}")
    known = source.labels
    own_head = source.config["num_classes"] > 0 and options.head != "new"
    if options.head == "keep" and not own_head:
      raise Fault(options.from_, "has no head to keep: --head new makes one")
    if own_head and known is None and options.head != "keep":
      raise Fault(options.from_, "nothing tells its labels: --head new, or --head keep where they are those of the folders")
    if own_head and (source.config["num_classes"] != len(classes) or known is not None and known != classes):
      raise Fault(options.from_, f"its {source.config['num_classes']} classes are not those of {options.pictures}: --head new")
    members = source.members if source.moe else options.members if options.members else 2
    if source.moe and options.members and source.members != options.members:
      raise UsageFault("--members", f"{options.members}, but {options.from_} has {source.members}")
    config = start.target_config(source, len(classes), self.channels, recipe, members, self.learning())
    generator = torch.Generator().manual_seed(options.seed)
    self.model = start.initial_model(source, config, recipe, generator, own_head)
    self.has_head = own_head
    size = config["image_size"]
    resize = options.resize or (None if image_size else source.resize) or f"bicubic:{size[0]}x{size[1]}"
    value_norm = options.value_norm or source.value_norm
    origins = [None if given else source.recipe_file for given in (options.resize, options.value_norm)]
    if value_norm is None:
      value_norm = start.PLAIN_NORM
      self.note(f"{options.from_}: nothing tells the values of its pixels: -1...1 are taken; --value-norm says otherwise")
    elif not options.value_norm and source.is_librarys:
      source.require_shares()
    self.picture_recipe = pictures.Recipe(resize, value_norm, size, self.channels, *origins)
    self.scratch = False

  def exported(self, image_size, suffix=""):
    options = self.options
    work = self.work / f"export{suffix}"
    work.mkdir(exist_ok=True)
    # Members of a V-MoE checkpoint are asked for; a dense one has no experts to divide, and an E3 has its own.
    try:
      source = start.Source(options.from_, work, self.commands, image_size, None, options.config, options.ignore)
      if source.moe and source.members == 1 and (options.members or 2) > 1:
        source = start.Source(options.from_, work, self.commands, image_size, options.members or 2, options.config, options.ignore)
    finally:
      shutil.rmtree(work, ignore_errors=True)
    return source

  def from_scratch(self):
    options, classes = self.options, self.folder.classes
    if len(self.folder) < SCRATCH:
      self.note(f"{len(self.folder)} pictures are few to train from scratch: start from a pretrained checkpoint with --from")
    numbers = self.recipe["scratch"]
    self.recipe |= {name: numbers[name] for name in recipes.SHARED}
    size = options.image_size or (self.examination.suggested_size(),) * 2
    patch = [max(1, side // numbers["patches"]) for side in size]
    size = [patch[i] * (size[i] // patch[i]) for i in range(2)]
    members = options.members or 2
    config = {
      "name": "VisionTransformerMoeEnsemble" if members > 1 else "VisionTransformer", "image_size": size,
      "channels": self.channels, "num_classes": len(classes), "patch_size": patch, "hidden_size": numbers["hidden_size"],
      "classifier": "gap", "representation_size": None,
      "encoder": {name: numbers[name] for name in ("num_layers", "num_heads", "mlp_dim")},
    }
    if members > 1:
      config["encoder"]["moe"] = {
        "layers": numbers["expert_blocks"], "num_experts": numbers["experts_per_member"] * members,
        "ensemble_size": members, "dropout_rate": self.recipe["expert_dropout"],
        "router": {
          "num_selected_experts": self.recipe["selected_experts"], "noise_std": self.recipe["router_noise"],
          "importance_loss_weight": self.recipe["router_loss"], "load_loss_weight": self.recipe["router_loss"],
        },
      }
    self.model = VisionTransformer(config, self.channels)
    self.has_head = True
    resize = options.resize or f"bicubic:{size[0]}x{size[1]}"
    self.picture_recipe = pictures.Recipe(resize, options.value_norm or start.PLAIN_NORM, size, self.channels)
    self.scratch = True

  def fingerprint(self):
    """Of all that the numbers of the training come from: a state of something else is not gone on with."""
    numbers = [self.recipe, self.rounded, self.model.config, self.parts[0], self.group.world]
    return self.digest(numbers, self.model.parameter.values())

  def trunk_fingerprint(self):
    """Of all that the features of the frozen trunk come from: neither head, members nor the recipe's other numbers."""
    names = [name for name, value in self.model.parameter.items() if not value.requires_grad]
    return self.digest([self.recipe["view"], self.parts[0], names], [self.model.parameter[name] for name in names])

  def digest(self, numbers, tensors):
    digest = hashlib.blake2b(digest_size=16)
    picture = self.picture_recipe
    digest.update(json.dumps([
      *numbers, self.options.seed, self.options.train, str(self.model.compute_dtype), self.folder.files, picture.resize,
      picture.value_norm]).encode())
    for height, width, found, _ in self.examination.seen:
      digest.update(found)
    for value in tensors:
      digest.update(value.detach().numpy().tobytes())
    return digest.hexdigest()

  # Training

  def train(self):
    options, recipe = self.options, self.recipe
    places = self.parts[0]
    labels = torch.tensor([self.folder.labels[index] for index in places])
    views = Views(self.folder, places, self.picture_recipe, recipe["view"], options.seed)
    state = self.work / "training.state"
    if self.group.is_first and is_of_another(state, self.key):
      state.unlink()
    self.group.wait()
    features = None
    if self.start is not None:
      # Processes of another number share the pictures in another way, and keep no word of it in each other's files.
      path = self.work / f"features-{self.group.node}-{self.group.local_world}.bin"
      features = Features(path, self.model, self.start, views, recipe["views"], self.trunk_fingerprint())
      if features.size > recipe["features_gigabytes"] * 1e9:
        self.note(f"the features of {len(places)} pictures would take {features.size / 1e9:.0f} GB: they are computed anew at every step")
        features = None
    if features:
      meter = self.meter(f"features of {len(places)} pictures, {recipe['views']} views of each")
      self.model.eval()
      if self.group.local_rank == 0:
        try:
          features.allocate()
        except OSError:
          self.leave()
          raise
      self.group.wait()
      with self.keeping():
        features.compute(
          self.threads, lambda *done: meter.update(*done) or not self.stopped, self.group.local_rank, self.group.local_world)
      self.group.wait()
      meter.end(f" ({features.size / 1e6:.0f} MB in {features.path})")
    pool = ThreadPoolExecutor(self.threads)

    def images(places, numbers):
      jobs = [(int(place), int(number)) for place, number in zip(places.flat, numbers.flat)]
      pixels = np.stack(list(pool.map(lambda job: views.view(*job), jobs)))
      return torch.from_numpy(self.picture_recipe.values(pixels)).unflatten(0, places.shape)

    def inputs(places, numbers):
      if features:
        return features.take(places, numbers)
      found = images(places, numbers)
      if self.start is None:
        return found
      with torch.no_grad():
        return self.model.trunk(found.flatten(0, 1), self.start).unflatten(0, places.shape)

    training_views = recipe["views"] if features else None
    if not self.has_head and not state.exists():
      self.start_head(inputs, labels, training_views)
    optimizer = Optimizer(self.model, recipe | recipe["scratch"]) if self.scratch else AdamW(self.model, recipe)
    training = Training(self.model, optimizer, self.start, inputs, labels, training_views, recipe, options.seed, state,
                        self.group, self.key, self.rounded)
    meter = self.meter(f"training, {training.steps} steps of {training.batch} pictures")
    recent = []

    def progress(step, steps, loss):
      recent.append(loss)
      del recent[:-20]
      meter.update(step, steps, f", loss {sum(recent) / len(recent):.3f}")
      return not self.stopped

    with self.keeping():
      training.run(progress)
    pool.shutdown()
    meter.end(f", loss {sum(training.history[-20:]) / max(1, len(training.history[-20:])):.3f}")
    self.history = training.history

  def start_head(self, inputs, labels, views):
    """The head begins as a logistic regression on what the trunk gives (as in Kumar et al. 2022)."""
    recipe, count = self.recipe, len(labels)
    total = max(1, min(recipe["probe_pictures"], count * (views or 1)))
    generator = np.random.default_rng(self.options.seed)
    order = generator.permutation(count * (views or 1))[:total]
    places, numbers = order % count, order // count
    meter, found = self.meter("starting the head"), []
    self.model.eval()
    with torch.no_grad():
      for first in range(0, total, 16):
        part = inputs(places[first : first + 16, None], numbers[first : first + 16, None]).squeeze(1)
        values, _ = self.model.represented(part, self.start)
        found.append(values.float().mean(1))
        meter.update(first, total)
    probe(self.model, torch.cat(found), labels[torch.from_numpy(places)], recipe["probe_weight_decay"])
    meter.end()

  # Packing

  def finish(self, began):
    """Writes the checkpoint, packs, calibrates, verifies, measures; the model file gets its name at the end."""
    output, picture, convert = self.output, self.picture_recipe, "e3-convert"
    base = self.base
    weights, labels = Path(f"{base}.safetensors"), self.work / "labels.txt"
    tensors = {name: value.detach().numpy() for name, value in self.model.parameter.items()}
    beside = {"labels": self.folder.classes, "resize": picture.resize, "value_norm": picture.value_norm}
    for path, text in ((Path(f"{base}.json"), json.dumps(self.model.config, indent=2)), (Path(f"{base}.fit.json"), json.dumps(beside)),
                       (labels, "\n".join(self.folder.classes))):
      write_atomically(path, lambda file: file.write(text.encode() + b"\n"))
    save_safetensors(weights, tensors, {"made by": "e3-train fit"})
    # Named as the user's, which is what the page of e3-eval shows.
    model = self.work / output.name
    # Weights are rounded against the pictures that were trained on, and class statistics come from them: those held out
    # give the thresholds.
    learnt = self.linked("train", self.folder, self.parts[0])
    self.commands.run(convert, "pack", weights, "--labels", labels, "--resize", picture.resize,
                      "--value-norm", picture.value_norm, "--quantize-with", learnt,
                      "--weights", ",".join(f"{part}={bits}" for part, bits in self.bits.items()), "-o", model, notes=False)
    held = self.linked("calibration", self.folder, self.parts[1])
    test = self.linked("test", self.test_folder or self.folder, None if self.test_folder else self.parts[2])
    meter = self.meter(f"calibrating on {len(self.parts[1])} pictures")
    choosing, measuring = self.unknown()
    fit = self.commands.run(convert, "calibrate", model, held, *self.coverages(), "--statistics", learnt,
                            *[part for path in choosing for part in ("--unknown", path)], meter=meter)
    fit = fit.replace(str(model), output.name)
    self.commands.run(convert, "verify", model, meter=meter)
    meter.end()
    few = card.few_statistics(fit)
    for line in few:
      self.say(f"e3-train: warning: {line}")
    self.warnings = self.commands.warnings + few
    meter = self.meter("testing")
    unknown = [part for path in measuring for part in ("--ood", path)]
    page = Path(f"{base}.html")
    # What 4 bits cost shows beside the checkpoint in float; int8 costs next to nothing (docs/TRAINING.md).
    beside = ["--reference", weights] if 4 in self.bits.values() else []
    report = json.loads(self.commands.run("e3-eval", model, test, *unknown, *beside, "--json", "--report", page, meter=meter))
    # The user's names, not those of links that are removed.
    own = {str(model): str(output), str(test): str((self.test_folder or self.folder).path), **measuring}
    text = page.read_text()
    for name, instead in own.items():
      text = text.replace(html.escape(name), html.escape(instead))
    write_atomically(page, lambda file: file.write(text.encode()))
    for found in report.get("ood", []) + report.get("ood_decisions", []):
      found["dataset"] = measuring.get(found["dataset"], found["dataset"])
    meter.end()
    tested = [(self.test_folder or self.folder).labels[index] for index in self.tested()]
    doubts = card.doubts(report, tested, len(self.parts[1]))
    for line in doubts:
      self.say(f"e3-train: warning: {line}")
    self.warnings += doubts
    put(model, output)
    self.seconds = time.monotonic() - began
    write_atomically(Path(f"{base}.md"), lambda file: file.write(card.text(self, report, fit).encode()))
    labels.unlink()
    for path in (learnt, held, test, self.work / "unknown"):
      shutil.rmtree(path, ignore_errors=True)
    print(card.summary(self, report))
    print(shown(f"{output}: packed, calibrated and verified; {base}.md is its card, {page} its page, {weights} its checkpoint"))

  def tested(self):
    """The indices of the test pictures in their folder."""
    return range(len(self.test_folder)) if self.test_folder else self.parts[2]

  def coverages(self):
    """The coverage that so many pictures allow: a threshold of coverage c needs c / (1 - c) of them."""
    count, options = len(self.parts[1]), []
    for name, wanted in self.recipe["calibration"].items():
      # Of those that are accepted only the known ones count.
      usable = math.floor(count * self.known_share()) if name == "accept_coverage" else count
      possible = math.floor(100 * usable / (usable + 1)) / 100
      share = min(wanted, possible)
      if share < wanted:
        self.note(f"{count} pictures allow {name.replace('_', ' ')} {share:.2f}, not {wanted}")
      options += [f"--{name.replace('_', '-')}", f"{share:g}"]
    return options

  def known_share(self):
    count = len(self.parts[1])
    return min(self.recipe["calibration"]["known_coverage"], count / (count + 1))

  def unknown(self):
    """Folders of unknown pictures to choose with what decides, and {folder: the user's name} of those to measure with: every
    other picture each. Too few to divide are all measured."""
    choosing, measuring = [], {}
    shutil.rmtree(self.work / "unknown", ignore_errors=True)
    for number, given in enumerate(self.given.unknown):
      folder, files = given.path, given.files
      if len(files) < LEAST_UNKNOWN:
        measuring[str(folder)] = str(folder)
        continue
      halves = [self.work / "unknown" / str(number) / part / folder.resolve().name for part in ("choosing", "measuring")]
      for index, name in enumerate(files):
        link = halves[index % 2] / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((folder / name).resolve())
      self.commands.own |= {str(half): str(folder) for half in halves}
      choosing.append(str(halves[0]))
      measuring[str(halves[1])] = str(folder)
    return choosing, measuring

  def linked(self, name, folder, indices):
    """A folder of links to some pictures: what the other commands take."""
    root = self.work / name
    shutil.rmtree(root, ignore_errors=True)
    for index in range(len(folder)) if indices is None else indices:
      path = root / folder.files[index]
      path.parent.mkdir(parents=True, exist_ok=True)
      path.symlink_to(folder.file(index).resolve())
    self.commands.own[str(root)] = str(folder.path)
    return root


def is_of_another(state, key):
  """Whether the state at a path is of another training: then nothing is gone on with, and the head starts anew."""
  try:
    return state.exists() and load_state(state)[1]["key"] != key
  except ValueError as error:
    raise Fault(state, error)


class Stopped(KeyboardInterrupt):
  """Stopped by the user: status 130. No handler of other errors takes it for one of them."""


def fast_bfloat16():
  """Whether products of matrices are faster in bfloat16 here."""
  one, other = torch.rand(512, 512), torch.rand(512, 512)
  seconds = []
  for kind in (torch.float32, torch.bfloat16):
    a, b = one.to(kind), other.to(kind)
    a @ b
    best = math.inf
    for _ in range(5):
      began = time.perf_counter()
      a @ b
      best = min(best, time.perf_counter() - began)
    seconds.append(best)
  return seconds[1] < 0.8 * seconds[0]
