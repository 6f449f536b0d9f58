"""Fashion-MNIST from Debian's `dataset-fashion-mnist`, its splits, and the augmentation."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .options import DATA

DIRECTORY = DATA
LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
HELD_OUT = 5000
CHANNELS = 1


def read_idx(path):
  """An IDX file of bytes (gzip) as an array; ends the program with one line where it cannot be read."""
  try:
    data = gzip.open(path).read()
    if data[:3] != b"\0\0\x08":
      raise ValueError("not an IDX file of unsigned bytes")
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)
  except FileNotFoundError:
    raise SystemExit(f"{path}: not there; --data names its folder (Debian: apt-get install dataset-fashion-mnist)")
  except (OSError, EOFError, ValueError, zlib.error) as error:
    raise SystemExit(f"{path}: {error}")


def load(split, directory=DIRECTORY):
  """Images [N, 28, 28] (bytes) and labels [N] of a split.

  `train` is the training file but its last 5,000, which are `validation`; `test` is the test file.
  """
  prefix = Path(directory) / ("t10k" if split == "test" else "train")
  images, labels = read_idx(f"{prefix}-images-idx3-ubyte.gz"), read_idx(f"{prefix}-labels-idx1-ubyte.gz")
  part = {"train": slice(0, -HELD_OUT), "validation": slice(-HELD_OUT, None), "test": slice(None)}[split]
  return torch.from_numpy(images[part].copy()), torch.from_numpy(labels[part].astype(np.int64))


def value_range(images):
  """Bytes [N, h, w] to the model's input [N, h, w, 1] in [-1, 1]."""
  return (images.float() / 255 * 2 - 1).unsqueeze(-1)


def erase(x, recipe, uniform):
  """Covers a rectangle of some images [N, 1, h, w] with one grey (random erasing, Zhong et al. 2020)."""

  def covered(length):
    size = uniform(*recipe["erased_size"]) * length
    start = uniform(0, 1) * (length - size)
    place = torch.arange(length) + 0.5
    return (place >= start.unsqueeze(1)) & (place < (start + size).unsqueeze(1))

  erased = uniform(0, 1) < recipe["erased"]
  mask = covered(x.shape[2]).unsqueeze(2) & covered(x.shape[3]).unsqueeze(1) & erased.view(-1, 1, 1)
  return torch.where(mask.unsqueeze(1), uniform(0, 1).view(-1, 1, 1, 1), x)


def augment(images, recipe, generator):
  """Bytes [N, h, w] to varied inputs [N, h, w, 1] in [-1, 1]: a flip, a small affine map, a covered part, light, and noise.

  Light is a contrast and an offset on [0, 1], clipped as a camera clips; a share `low_contrast` of the images gets a
  contrast down to 0.1 about a random grey: flat light is what breaks a network that has only seen studio pictures.
  """
  count = len(images)

  def uniform(low, high):
    return low + (high - low) * torch.rand(count, generator=generator)

  angle = torch.deg2rad(uniform(-recipe["rotation"], recipe["rotation"]))
  zoom = uniform(1 - recipe["zoom"], 1 + recipe["zoom"])
  flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
  shift = 2 * recipe["shift"] / images.shape[-1]
  cosine, sine = angle.cos() * zoom, angle.sin() * zoom
  rows = torch.stack([cosine * flip, -sine, uniform(-shift, shift), sine * flip, cosine, uniform(-shift, shift)], 1)
  grid = F.affine_grid(rows.view(count, 2, 3), (count, 1, *images.shape[1:]), align_corners=False)
  x = F.grid_sample(images.unsqueeze(1).float() / 255, grid, align_corners=False)
  x = erase(x, recipe, uniform)
  contrast, offset = uniform(1 - recipe["contrast"], 1 + recipe["contrast"]), uniform(-1, 1) * recipe["brightness"]
  flat = torch.rand(count, generator=generator) < recipe["low_contrast"]
  contrast = torch.where(flat, uniform(0.1, 0.5), contrast)
  offset = torch.where(flat, uniform(0, 1) * (1 - contrast), offset)
  still = torch.rand(count, generator=generator) < recipe["plain_light"]
  contrast, offset = contrast.masked_fill(still, 1), offset.masked_fill(still, 0)
  x = x * contrast.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
  deviation = uniform(0, recipe["noise"]) * (torch.rand(count, generator=generator) < recipe["noisy"])
  x = x + deviation.view(-1, 1, 1, 1) * torch.randn(x.shape, generator=generator)
  x = x.clamp(0, 1)
  return (2 * x - 1).permute(0, 2, 3, 1)
