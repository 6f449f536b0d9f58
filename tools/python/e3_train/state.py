"""The state of a training on disk: tensors, and all else as JSON. Nothing of the file is run when it is read."""

import json

import torch

from .checkpoint import write_atomically


def save(path, tensors, rest):
  """`tensors`: dictionaries in dictionaries of tensors; `rest`: what JSON holds."""
  # Numbers as text: PyTorch 1.13 reads no float outside of tensors safely.
  write_atomically(path, lambda file: torch.save({"tensors": tensors, "rest": json.dumps(rest)}, file))


def load(path, device="cpu"):
  """(tensors, rest) of the file; ValueError where it is no state."""
  try:
    state = torch.load(path, map_location=device, weights_only=True)
    return state["tensors"], json.loads(state["rest"])
  except Exception as error:  # a damaged file shows in many ways
    raise ValueError(f"no state of a training; remove it to begin anew ({str(error).splitlines()[0][:80]})")
