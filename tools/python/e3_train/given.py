"""The folders that a training is given: pictures of the classes, those to test with, unknown ones. `fit` and `check` judge them."""

import contextlib
import shlex
import sys
from pathlib import Path

from .decoder import Decoder
from .faults import Fault, shown
from .folder import Examination, Folder, chosen, entries, is_folder, listed, look_at, many, opened, parted, pictures_in, without_litter

# Pictures of an unknown folder that are divided: one half chooses what decides, the other measures it.
LEAST_UNKNOWN = 8


class Unknown:
  """Pictures of none of the classes, as `e3-eval` takes them: a folder of pictures or of folders of them, or a file."""

  def __init__(self, path):
    self.path = Path(path)
    self.is_file = not is_folder(self.path)
    # Pictures by their names in the folder; what is wrong with it, a line each.
    self.files, self.faults = [], []
    if self.is_file:
      opened(self.path).close()
      return
    inner, files, unreachable = parted(self.path, entries(self.path))
    self.faults += map(str, unreachable)
    beside, others = chosen(files)
    folders = without_litter(inner)
    if folders and beside:
      self.fault(path, f"holds pictures beside folders ({listed(beside)}): move each into a folder")
    if others:
      self.fault(path, f"holds other than JPEG, PNG and PNM pictures ({listed(others)}): convert them, for instance with ImageMagick or Pillow")
    if not folders:
      self.files = beside
      if not beside and not others and not unreachable:
        self.fault(path, "no pictures")
    for name in folders:
      found, faults = pictures_in(self.path / name, "a folder within others that holds folders", "move their pictures up")
      self.faults += faults
      if not found and not faults:
        self.fault(self.path / name, "no pictures")
      self.files += [f"{name}/{entry}" for entry in found]

  def fault(self, where, problem):
    self.faults.append(str(Fault(where, problem)))

  def __len__(self):
    return len(self.files)

  def examine(self, threads, progress, decoder=None):
    self.seen = look_at(self.path, self.files, threads, progress, decoder)


class Given:
  """What a training is given. Making it reads no picture; `examine` reads all."""

  def __init__(self, pictures, test=None, unknown=(), commands=None):
    self.folder = Folder(pictures)
    self.test = Folder(test) if test is not None else None
    self.unknown = [Unknown(path) for path in unknown]
    options = [part for path in unknown for part in ("--unknown", path)] + (["--test", test] if test is not None else [])
    options += ["--commands", commands] if commands else []
    # The command that lists all that is wrong.
    self.check = shlex.join(["e3-train", "check", str(pictures), *map(str, options)])

  @property
  def test_count(self):
    return 0 if self.test is None else len(self.test)

  def __len__(self):
    return len(self.folder) + self.test_count + sum(map(len, self.unknown))

  def folder_faults(self):
    """What is wrong with the folders themselves, a line each."""
    lines = list(self.folder.faults)
    if self.test is not None:
      lines += self.test.faults
      if self.test.classes != self.folder.classes and self.folder.is_whole and self.test.is_whole:
        lines.append(str(Fault(self.test.path, f"its classes are not those of {self.folder.path}")))
    return lines + sum((unknown.faults for unknown in self.unknown), [])

  def examine(self, threads, progress=lambda done: None, commands=None):
    """Reads every picture once, and as the runtime does where `commands` can be found."""
    with contextlib.ExitStack() as stack:
      decoder = stack.enter_context(Decoder(commands)) if commands and commands.has("e3-run", "e3-convert") else None
      if not decoder:
        print("e3-train: note: e3-run and e3-convert are not found (--commands), so the runtime's decoder, which refuses damage that "
              "others pass over, does not read the pictures", file=sys.stderr)
      self.look(threads, progress, decoder)

  def look(self, threads, progress, decoder):
    before = len(self.folder)
    self.examination = self.folder.examine(threads, progress, decoder)
    if self.test is not None:
      self.tested = self.test.examine(threads, lambda done: progress(before + done), decoder)
      before += len(self.test)
    for unknown in self.unknown:
      unknown.examine(threads, lambda done: progress(before + done), decoder)
      before += len(unknown)

  def faults(self):
    """What training refuses, a line each."""
    lines = self.examination.faults()
    lines += [line for line in self.folder_faults() if line not in lines]
    if self.test is not None:
      lines += self.tested.broken
      lines += [str(Fault(self.test.path / name, "no pictures")) for name in self.test.empty]
    return lines + [found[3] for unknown in self.unknown for found in unknown.seen if found[3]]

  def notes(self):
    """What deserves a look, a line each."""
    lines, seen = self.examination.notes(), self.examination.seen
    known = {found[2]: index for index, found in enumerate(seen) if not found[3]}
    if self.test is not None and (same := sum(found[2] in known for found in self.tested.seen)):
      lines.append(shown(f"{same} of the test pictures are in {self.folder.path} too: what is measured on them is too good"))
    for unknown in self.unknown:
      if unknown.is_file:
        lines.append(shown(f"{unknown.path}: a file, which e3-eval reads after the training, and which does not help to choose what "
                           "decides; pictures of a folder are looked at before, and help"))
      elif 0 < len(unknown) < LEAST_UNKNOWN:
        lines.append(shown(f"{unknown.path}: {many(len(unknown), 'unknown picture')}, too few to help to choose what decides, which takes "
                           f"{LEAST_UNKNOWN}: all of them measure it"))
      same = [(name, known[found[2]]) for name, found in zip(unknown.files, unknown.seen) if found[2] in known]
      if same:
        name, index = same[0]
        lines.append(shown(f"{len(same)} of the unknown pictures of {unknown.path} are in {self.folder.path} too ({unknown.path / name} is "
                           f"{self.folder.file(index)}): remove them, they are not unknown"))
    return lines

  def divide(self, shares, batch, seed):
    """Indices of the pictures to train on, to calibrate with, to test with."""
    if self.test is not None:
      shares = [shares[0] + shares[2], shares[1], 0]
    parts = self.examination.split(shares, seed)
    if len(parts[0]) < batch:
      raise Fault(self.folder.path, f"{many(len(parts[0]), 'picture')} to train on, of {len(self.folder)}, make no batch of {batch}: "
                  "give more pictures, or a recipe with a smaller batch")
    return parts
