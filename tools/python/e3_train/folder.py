"""A folder with one folder of pictures for each class: what is in it, what is wrong with it, and its split."""

import errno
import hashlib
import os
import random
import stat
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import pictures
from .decoder import MANY
from .faults import Fault, is_printable, shown

# Fewer pictures of a class than this cannot be divided in three parts.
LEAST = 5
FEW = 20
# Pictures that are there more than once are named up to so many.
NAMED = 20
# Folders that operating systems and network drives leave among others; none is a class.
LITTER = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")


class Folder:
  """Classes and pictures in the order of `e3-eval`; classes whose folders are all numbers, in the order of those."""

  def __init__(self, path):
    self.path = Path(path)
    if not is_folder(self.path):
      raise Fault(path, "no folder")
    folders, others, unreachable = parted(self.path, entries(self.path))
    self.litter = [name for name in folders if name in LITTER]
    beside = sum(chosen(others), [])
    folders = without_litter(folders)
    if not folders:
      raise unreachable[0] if unreachable else Fault(path, "holds no folders; expected one for each class, with its pictures")
    if all(name.isascii() and name.isdigit() for name in folders):
      folders.sort(key=int)
    # What is wrong with the folders themselves, a line each.
    self.faults = list(map(str, unreachable))
    # Otherwise a class may be missing.
    self.is_whole = not unreachable
    if beside:
      self.fault(path, f"holds pictures beside folders ({listed(beside)}): move each into the folder of its class")
    # What the model file has no room for as a label is told now, not after hours of training.
    alike = {}
    for name in folders:
      if not all(map(is_printable, name)):
        self.fault(self.path / name, "a control character in the name of a class: rename the folder")
      other = alike.setdefault(unicodedata.normalize("NFC", name.removeprefix("\ufeff")), name)
      if other != name:
        self.fault(self.path / name, f"reads the same as {ascii(other)}, another class: rename one of the two")
    self.classes = folders
    self.files, self.labels = [], []
    # Classes without a picture of which no fault says why.
    self.empty = []
    for index, name in enumerate(folders):
      inside, faults = pictures_in(self.path / name, "a class that holds folders",
                                   "move their pictures up, or name the folder whose folders are the classes")
      self.faults += faults
      if not inside and not faults:
        self.empty.append(name)
      self.files += [f"{name}/{entry}" for entry in inside]
      self.labels += [index] * len(inside)

  def fault(self, where, problem):
    self.faults.append(str(Fault(where, problem)))

  def without_endings(self, name):
    """What lies in a class without pictures, where that is files whose names do not say their form."""
    others = [entry for entry in entries(self.path / name) if "." not in entry]
    return f": the names of {many(len(others), 'file')} ({listed(others)}) end in no .jpg, .png or the like" if others else ""

  def counts(self):
    counts = [0] * len(self.classes)
    for label in self.labels:
      counts[label] += 1
    return counts

  def __len__(self):
    return len(self.files)

  def file(self, index):
    return self.path / self.files[index]

  def examine(self, threads, progress=lambda done: None, decoder=None):
    """Reads every picture once."""
    return Examination(self, look_at(self.path, self.files, threads, progress, decoder))


class Examination:
  """What a look at every picture found."""

  def __init__(self, folder, seen):
    self.folder, self.seen = folder, seen
    self.broken = [found[3] for found in seen if found[3]]
    first, self.twins, self.contradictions = {}, [], []
    for index, (_, _, digest, problem) in enumerate(seen):
      if problem:
        continue
      other = first.setdefault(digest, index)
      if other != index:
        self.twins.append((other, index))
        if folder.labels[other] != folder.labels[index]:
          self.contradictions.append((other, index))

  def faults(self):
    """What training refuses, a line each."""
    folder = self.folder
    lines = list(folder.faults)
    if len(folder.classes) < 2:
      lines.append(f"{folder.path}: one class, {folder.classes[0]}; expected two or more")
    for name, count in zip(folder.classes, folder.counts()):
      if name in folder.empty:
        lines.append(shown(f"{folder.path / name}: no pictures{folder.without_endings(name)}"))
      elif 0 < count < LEAST:
        lines.append(f"{folder.path / name}: {many(count, 'picture')}, expected {LEAST} or more")
    lines += self.broken
    lines += [shown(f"{folder.file(b)}: the same picture as {folder.file(a)}, of another class") for a, b in self.contradictions]
    return lines

  def notes(self):
    """What deserves a look, a line each."""
    folder = self.folder
    lines = [shown(f"{folder.path / name}: an operating system's folder, not a class: left out") for name in folder.litter]
    counts = folder.counts()
    few = [f"{name} ({count})" for name, count in zip(folder.classes, counts) if LEAST <= count < FEW]
    if few:
      lines.append(shown(f"few pictures of {listed(few)}: {FEW} or more of each class are better"))
    if min(counts) and max(counts) > 10 * min(counts):
      lines.append(f"{max(counts)} pictures of one class and {min(counts)} of another: training sees them as often as they are")
    same = [f"{folder.files[b]} is {folder.files[a]}" for a, b in self.twins if folder.labels[a] == folder.labels[b]]
    if same:
      lines.append(shown(f"{many(len(same), 'picture is', 'pictures are')} there more than once: {listed(same, NAMED)}"))
    alike = {}
    for name in folder.classes:
      other = alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
      if other != name:
        lines.append(shown(f"{name} and {other} are two classes: their names differ in capitals alone"))
    return lines

  def sizes(self):
    """Smallest, middle and largest of the shorter sides; zeros without a picture."""
    sides = sorted(min(height, width) for height, width, _, problem in self.seen if not problem)
    return (sides[0], sides[len(sides) // 2], sides[-1]) if sides else (0, 0, 0)

  def suggested_size(self):
    """Image size for training from scratch: what most pictures have, in whole patches, 32 to 224."""
    middle = self.sizes()[1]
    return max(32, min(224, middle // 16 * 16))

  def split(self, shares, seed):
    """Three lists of indices, class by class: to train on, to calibrate with, to test with. The same picture twice is in
    one part. Each part has at least one picture of every class, but one whose share is 0."""
    parts = ([], [], [])
    groups = {}
    for index, (_, _, digest, _) in enumerate(self.seen):
      groups.setdefault((self.folder.labels[index], digest), []).append(index)
    by_class = [[] for _ in self.folder.classes]
    for (label, _), group in groups.items():
      by_class[label].append(group)
    for label, found in enumerate(by_class):
      random.Random(f"{seed} {label}").shuffle(found)
      if len(found) < 1 + sum(share > 0 for share in shares[1:]):
        raise Fault(self.folder.path / self.folder.classes[label], f"{len(found)} different pictures, too few to divide")
      ends = [0, 0, 0]
      ends[2] = max(1, round(shares[2] * len(found))) if shares[2] > 0 else 0
      ends[1] = max(1, round(shares[1] * len(found))) if shares[1] > 0 else 0
      held = found[: ends[1] + ends[2]]
      for place, group in enumerate(held):
        parts[1 if place < ends[1] else 2].extend(group)
      for group in found[len(held) :]:
        parts[0].extend(group)
    return tuple(sorted(part) for part in parts)


def opened(path):
  """A regular file, open. A pipe would be waited for, and a device has no end."""
  try:
    # No pipe is waited for, should one come between the look and the opening.
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
  except OSError as error:
    raise Fault(path, "no regular file" if error.errno == errno.ENXIO else error.strerror)  # ENXIO: a socket
  if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
    file.close()
    raise Fault(path, "no regular file")
  return file


def digest_of(path):
  """The hash of a regular file."""
  with opened(path) as file:
    digest = hashlib.blake2b(digest_size=16)
    while part := file.read(1 << 20):
      digest.update(part)
    return digest.digest()


def entries(path):
  """Names in a folder that are not hidden, in the order of their bytes."""
  try:
    os.stat(os.path.join(path, "."))  # a folder whose names may be read, and nothing else of it
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    return sorted(names, key=lambda name: name.encode())
  except OSError as error:
    raise Fault(path, error.strerror)
  except UnicodeEncodeError:
    raise Fault(path, "holds a name that is not UTF-8")


def is_folder(path):
  """Whether a path is a folder. A Fault where that cannot be told: what is left out then could be a class."""
  try:
    return stat.S_ISDIR(os.stat(path).st_mode)
  except OSError as error:
    problem = "not there" if error.errno == errno.ENOENT else error.strerror
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and os.path.islink(path):
      problem = f"a link to {os.readlink(path)}, which is not there: mount or copy it, or remove the link"
    raise Fault(path, problem)


def parted(folder, names):
  """Those of `names` that are folders, the others, and a Fault for each of which that cannot be told."""
  folders, others, faults = [], [], []
  for name in names:
    try:
      (folders if is_folder(folder / name) else others).append(name)
    except Fault as fault:
      faults.append(fault)
  return folders, others, faults


def chosen(names):
  """Those of `names` that are pictures as they are read here, and those that are pictures of other forms."""
  return tuple([name for name in names if name.lower().endswith(endings)] for endings in (pictures.ENDINGS, pictures.OTHERS))


def without_litter(names):
  return [name for name in names if name not in LITTER]


def pictures_in(path, what, instead):
  """The names of the pictures in a folder, and its faults. What lies beside them is a fault: a data set without it would be
  another one. `what` is a folder with folders in it, `instead` what to do about them."""
  try:
    folders, files, unreachable = parted(path, entries(path))
  except Fault as fault:
    return [], [str(fault)]
  faults = list(map(str, unreachable))
  if inner := without_litter(folders):
    faults.append(str(Fault(path, f"{what} ({listed(inner)}): {instead}")))
  found, others = chosen(files)
  if others:
    faults.append(str(Fault(path, f"holds other than JPEG, PNG and PNM pictures ({listed(others)}): convert them, for instance with ImageMagick or Pillow")))
  return found, faults


def look_at(folder, files, threads, progress, decoder=None):
  """Reads every picture once, and once more as the runtime does where `decoder` is there: (height, width, hash of the file,
  problem or None) of each."""

  def look(name):
    path, digest = folder / name, b""
    try:
      digest = digest_of(path)
      image = pictures.read(path, 3)
      if not pictures.ends(path):
        raise Fault(path, "not a whole picture: the file ends early")
      return image.height, image.width, digest, None
    except Fault as fault:
      return 0, 0, digest, str(fault)
    except OSError as error:
      return 0, 0, b"", shown(f"{path}: {error.strerror}")

  def judge(start):
    """Those of a part of `seen` that the runtime refuses get their problem."""
    part = [index for index in range(start, min(start + MANY, len(seen))) if not seen[index][3]]
    refused = decoder.refused([folder / files[index] for index in part]) if part else {}
    for index in part:
      path = folder / files[index]
      if problem := refused.get(os.path.abspath(path)):
        seen[index] = (0, 0, seen[index][2], str(Fault(path, f"not a whole picture: {problem}")))

  seen = []
  with ThreadPoolExecutor(threads) as pool:
    # In parts, so that a million futures are never there at the same time.
    for start in range(0, len(files), 4096):
      for found in pool.map(look, files[start : start + 4096]):
        seen.append(found)
        if len(seen) % 64 == 0:
          progress(len(seen))
      if decoder:
        for _ in pool.map(judge, range(start, len(seen), MANY)):
          progress(len(seen))
  progress(len(seen))
  return seen


def many(count, one, more=None):
  """`1 picture`, `2 pictures`."""
  return f"{count} {one if count == 1 else more or one + 's'}"


def listed(names, limit=8):
  return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
