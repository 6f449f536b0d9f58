"""Folders of drawn pictures for the tests of training."""

import numpy as np
from PIL import Image


def draw(kind, seed, size=40):
  """A bright bar on a noisy ground: `kind` says where it lies."""
  generator = np.random.default_rng((kind, seed))
  pixels = generator.integers(0, 90, (size, size, 3), np.uint8)
  start = generator.integers(size // 8, size // 4)
  place = (slice(start, start + size // 2), slice(None))
  if kind % 2:
    place = place[::-1]
  pixels[place] = (230, 230, 60) if kind < 2 else (60, 90, 230)
  return Image.fromarray(pixels)


def folder(root, classes=("across", "down"), count=30, first=0):
  """A folder with `count` pictures of each class."""
  for kind, name in enumerate(classes):
    (root / name).mkdir(parents=True)
    for index in range(count):
      draw(kind, first + index).save(root / name / f"{index:03}.png")
  return root
