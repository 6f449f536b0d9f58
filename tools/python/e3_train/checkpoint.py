"""Safetensors files and atomic writes."""

import json
import os
from pathlib import Path

import numpy as np


def write_atomically(path, write):
  """Calls `write(file)` on a temporary file beside `path`, makes it durable and renames it to `path`."""
  path = Path(path)
  temporary = path.with_name(f".{path.name}.{os.getpid()}")
  try:
    with open(temporary, "wb") as file:
      write(file)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def bfloat16_bits(array):
  """Float32 rounded to bfloat16, to nearest and ties to even, as 16-bit integers."""
  bits = array.view("<u4")
  return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def save_safetensors(path, tensors, metadata, bfloat16=False):
  """Writes {name: float32 array} in name order, with string metadata (https://github.com/huggingface/safetensors)."""
  header, offset = {"__metadata__": {key: str(value) for key, value in metadata.items()}}, 0
  arrays = [(name, np.ascontiguousarray(tensors[name], dtype="<f4")) for name in sorted(tensors)]
  kind = "BF16" if bfloat16 else "F32"
  arrays = [(name, bfloat16_bits(array) if bfloat16 else array) for name, array in arrays]
  for name, array in arrays:
    header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
    offset += array.nbytes
  text = json.dumps(header, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)

  def write(file):
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in arrays:
      file.write(array.tobytes())

  write_atomically(path, write)


def load_safetensors(path):
  """Reads the tensors of a safetensors file, float32 or bfloat16, as float32: {name: array}."""
  data = Path(path).read_bytes()
  length = int.from_bytes(data[:8], "little")
  header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
  tensors = {}
  for name, entry in header.items():
    if name == "__metadata__":
      continue
    start, end = entry["data_offsets"]
    if entry["dtype"] == "F32":
      values = np.frombuffer(body[start:end], "<f4")
    elif entry["dtype"] == "BF16":
      values = (np.frombuffer(body[start:end], "<u2").astype("<u4") << 16).view("<f4")
    else:
      raise ValueError(f"{path}: {name} is {entry['dtype']}, expected F32 or BF16")
    tensors[name] = values.reshape(entry["shape"])
  return tensors
