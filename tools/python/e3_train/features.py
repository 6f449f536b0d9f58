"""The features that a frozen trunk gives for every view of every picture, computed once and kept on disk."""

import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from . import pictures
from .checkpoint import write_atomically


class Views:
  """The views of the pictures to train on: view 0 is the picture as a board sees it."""

  def __init__(self, folder, indices, recipe, numbers, seed):
    self.folder, self.indices, self.recipe, self.numbers, self.seed = folder, indices, recipe, numbers, seed

  def __len__(self):
    return len(self.indices)

  def view(self, place, number):
    """Bytes [h, w, channels] of a view; the same for the same numbers, whatever ran before."""
    index = self.indices[place]
    image = pictures.read(self.folder.file(index), self.recipe.channels)
    if number == 0:
      return self.recipe.whole(image)
    return self.recipe.view(image, self.numbers, np.random.default_rng((self.seed, index, number)))


class Features:
  """bfloat16 [N, V, T, H] in one file. Resumes where it was stopped; made for other weights or views, it begins anew."""

  BATCH = 8

  def __init__(self, path, model, stop, views, count, key):
    self.path, self.model, self.stop, self.views, self.count = path, model, stop, views, count
    self.shape = (len(views), count, model.tokens, model.hidden)
    self.key = hashlib.blake2b(json.dumps([key, self.shape, stop]).encode(), digest_size=16).hexdigest()

  @property
  def size(self):
    return int(np.prod([float(side) for side in self.shape]) * 2)

  @property
  def is_there(self):
    """Whether the file is there and has its size."""
    return self.path.exists() and self.path.stat().st_size == self.size

  def allocate(self):
    """Takes the room on the disk, by one process of a machine: a write into a mapped file that finds none ends the process
    without a word. The file has its size only when all of the room is taken."""
    if self.is_there:
      return
    is_new = not self.path.exists()
    for word in self.path.parent.glob(f"{self.path.stem}.*of*.json"):  # of what was in a file that is gone
      word.unlink()
    try:
      # Where the file system cannot take room, glibc writes into every block, for which it has to read and not to append.
      descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
      try:
        if os.fstat(descriptor).st_size > self.size:
          os.ftruncate(descriptor, self.size)
        take_room(descriptor, self.size)
        os.ftruncate(descriptor, self.size)
      finally:
        os.close(descriptor)
    except OSError as error:
      if is_new:
        self.path.unlink(missing_ok=True)
      raise OSError(error.errno, f"{error.strerror}: the features take {self.size / 1e9:.2g} GB", str(self.path))

  def compute(self, threads, progress, rank=0, world=1):
    """Fills the file; with several processes on a machine, of which one has called `allocate`, each its share."""
    if not self.is_there:
      self.allocate()
    done_path = self.path.with_suffix(f".{rank}of{world}.json")
    done = 0
    try:
      kept = json.loads(done_path.read_text())
      if kept["key"] == self.key:
        done = kept["done"]
    except (OSError, ValueError, KeyError, TypeError):
      pass
    if not done:
      # Before a value is written over: a process that is killed must leave no word of what was there before.
      write_atomically(done_path, lambda file: file.write(b"{}"))
    self.array = np.memmap(self.path, np.int16, "r+", shape=self.shape)
    places = list(range(rank, len(self.views), world))
    jobs = [(place, number) for place in places for number in range(self.count)]
    with ThreadPoolExecutor(threads) as pool:

      def load(start):
        return [pool.submit(self.views.view, *job) for job in jobs[start : start + self.BATCH]]

      waiting = load(done)
      for start in range(done, len(jobs), self.BATCH):
        pixels = np.stack([future.result() for future in waiting])
        waiting = load(start + self.BATCH)
        with torch.no_grad():
          found = self.model.trunk(torch.from_numpy(self.views.recipe.values(pixels)), self.stop)
        for (place, number), value in zip(jobs[start:], found.bfloat16().view(torch.int16).numpy()):
          self.array[place, number] = value
        if start // self.BATCH % 32 == 31:
          self.keep(done_path, start + self.BATCH)
        if not progress(min(start + self.BATCH, len(jobs)), len(jobs)):
          self.keep(done_path, min(start + self.BATCH, len(jobs)))
          return False
    self.keep(done_path, len(jobs))
    return True

  def keep(self, path, done):
    self.array.flush()
    text = json.dumps({"key": self.key, "done": done}).encode()
    write_atomically(path, lambda file: file.write(text))

  def take(self, places, numbers):
    """Features [..., T, H] of some views, `places` and `numbers` having one shape."""
    found = self.array[places, numbers]
    return torch.from_numpy(found).view(torch.bfloat16)


def take_room(descriptor, size):
  """Takes the room of a file on the disk, where it can be taken before it is written to."""
  if hasattr(os, "posix_fallocate"):
    try:
      os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
      if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
        raise
