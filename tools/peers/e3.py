"""A session of the E3 runtime through its C interface (e3.h), as a shared library."""

import ctypes
import mmap
from ctypes import POINTER, byref, c_float, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

import numpy as np


class SessionOptions(ctypes.Structure):
  _fields_ = [("struct_size", c_uint32), ("threads", c_uint32), ("isa", c_uint32), ("pin_threads", c_uint32),
              ("cpus", c_uint16 * 64)]


class Result(ctypes.Structure):
  _fields_ = [("struct_size", c_uint32), ("classes", c_uint32), ("members", c_uint32), ("top_class", c_uint32),
              ("probabilities", POINTER(c_float)), ("member_logits", POINTER(c_float)),
              ("member_probabilities", POINTER(c_float)), ("measures", c_float * 6), ("decision", c_uint32),
              ("prediction_set_count", c_uint32), ("prediction_set", POINTER(c_uint32))]


class Session:
  def __init__(self, library, path, threads):
    self.library = ctypes.CDLL(library)
    self.library.e3_status_text.restype = ctypes.c_char_p
    with open(path, "rb") as file:
      self.file = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE)
    self.file.madvise(mmap.MADV_HUGEPAGE)  # as e3-run and e3-bench do, and e3.h advises; below too
    self.model = (c_uint64 * 64)()
    start = ctypes.addressof(ctypes.c_char.from_buffer(self.file))
    self.call("e3_model_open", c_void_p(start), c_size_t(len(self.file)), self.model)
    options = SessionOptions(struct_size=ctypes.sizeof(SessionOptions), threads=threads)
    size, alignment = c_size_t(), c_size_t()
    self.call("e3_session_query", self.model, byref(options), byref(size), byref(alignment))
    self.arena = mmap.mmap(-1, size.value, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # aligned more than enough
    if size.value >= 4 << 20:
      self.arena.madvise(mmap.MADV_HUGEPAGE)
    arena = ctypes.addressof(ctypes.c_char.from_buffer(self.arena))
    self.session = c_void_p()
    self.call("e3_session_create", self.model, byref(options), c_void_p(arena), size, byref(self.session))
    self.result = Result(struct_size=ctypes.sizeof(Result))

  def call(self, function, *arguments):
    if status := getattr(self.library, function)(*arguments):
      raise RuntimeError(f"{function}: {self.library.e3_status_text(status).decode()}")

  def run(self, image):
    values = image.ctypes.data_as(POINTER(c_float))
    self.call("e3_session_run_tensor", self.session, values, c_size_t(image.size), byref(self.result))

  def logits(self):
    shape = (self.result.members, self.result.classes)
    return np.ctypeslib.as_array(self.result.member_logits, shape).copy()
