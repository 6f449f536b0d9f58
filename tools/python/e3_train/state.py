"""The state of a training on disk: tensors, and all else as JSON. Nothing of the file is run when it is read."""

import json
import sys

import torch

from .checkpoint import write_atomically


def save(path, tensors, rest):
  """`tensors`: dictionaries in dictionaries of tensors; `rest`: what JSON holds."""
  # Numbers as text: PyTorch 1.13 reads no float outside of tensors safely.
  write_tensors(path, {"tensors": tensors, "rest": json.dumps(rest)})


def write_tensors(path, value):
  """What `torch.save` writes, whole or not at all."""

  def write(file):
    held = Remembering(file)
    try:
      torch.save(value, held)
    except RuntimeError:
      raise held.error or sys.exc_info()[1]

  write_atomically(path, write)


class Remembering:
  """A file that keeps the error of a write, such as that of a full disk: PyTorch makes a RuntimeError of many lines of it."""

  def __init__(self, file):
    self.file, self.flush, self.error = file, file.flush, None

  def write(self, data):
    try:
      return self.file.write(data)
    except OSError as error:
      self.error = error
      raise


def load(path, device="cpu"):
  """(tensors, rest) of the file; ValueError where it is no state."""
  try:
    state = torch.load(path, map_location=device, weights_only=True)
    return state["tensors"], json.loads(state["rest"])
  except Exception as error:  # a damaged file shows in many ways
    raise ValueError(f"no state of a training; remove it to begin anew ({str(error).splitlines()[0][:80]})")
