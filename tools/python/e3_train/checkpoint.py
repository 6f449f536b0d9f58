"""Safetensors files and atomic writes."""

import contextlib
import errno
import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np


def write_fault(path):
  """Why the file at `path` may not be replaced, or made where there is none; None when it may. Rule and words are those of
  `e3-convert pack` (ce3_write_fault of Sources/CE3Files/replace.c); of a link into no folder more is said."""
  try:
    status = os.stat(path)
  except OSError as error:
    if error.errno != errno.ENOENT:  # of a loop, too
      return error.strerror
    status = None
  if status and not stat.S_ISREG(status.st_mode):
    return "is a folder: give the name of a file" if stat.S_ISDIR(status.st_mode) else "is no regular file: give the name of one"
  target = os.path.realpath(path)
  folder = os.path.dirname(target)
  try:
    around, is_read_only = os.stat(folder), os.statvfs(folder).f_flag & os.ST_RDONLY
  except OSError as error:
    if os.path.islink(path):
      return f"a link to {os.readlink(path)}, whose folder is not there: remove the link, or give another file"
    return error.strerror
  # A file that nobody may write to is kept from root as well, who may all the same.
  if status and not (status.st_mode & 0o222 and (is_read_only or os.access(target, os.W_OK))):
    return "is write-protected: make it writable (chmod u+w), or give another file"
  if status and around.st_mode & stat.S_ISVTX and os.geteuid() not in (0, status.st_uid, around.st_uid):
    return "belongs to another user, in a folder where only owners replace files: give another file"
  if os.access(folder, os.W_OK | os.X_OK):
    return None
  return os.strerror(errno.EROFS) if is_read_only else "is in a folder that this user may not write to"


def write_atomically(path, write):
  """Calls `write(file)` on a temporary file beside `path`, makes it durable and renames it to `path`. A symbolic link stays,
  and what it points at is replaced; that leaves its permissions and, where the process may, its owner."""
  path = Path(path)
  target = Path(os.path.realpath(path))
  temporary = target.with_name(f".{target.name}.{os.getpid()}")
  try:
    with open(temporary, "wb") as file:
      write(file)
      file.flush()
      keep_owner(file.fileno(), target)
      os.fsync(file.fileno())
    os.replace(temporary, target)
  except OSError as error:
    # The user's file, of which a full disk says nothing.
    raise OSError(error.errno, error.strerror, str(path)) if error.errno else error
  finally:
    temporary.unlink(missing_ok=True)


def put(made, path):
  """Gives the file `made` the name `path` as `write_atomically` does, on another disk too."""
  target = os.path.realpath(path)
  try:
    keep_owner(made, target)
    os.replace(made, target)
  except OSError as error:
    if error.errno != errno.EXDEV:
      raise
    with open(made, "rb") as source:
      write_atomically(path, lambda file: shutil.copyfileobj(source, file))
    os.unlink(made)


def keep_owner(made, replaced):
  """Gives the file `made` the permissions and, where the process may, the owner of the one that it replaces, if there is one."""
  try:
    before = os.stat(replaced)
  except FileNotFoundError:
    return
  with contextlib.suppress(PermissionError):
    os.chown(made, before.st_uid, before.st_gid)
  os.chmod(made, stat.S_IMODE(before.st_mode))


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
