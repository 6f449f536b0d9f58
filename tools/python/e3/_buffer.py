"""Memory of Python objects as C sees it, by the buffer protocol: NumPy arrays, bytes, mmap and others, never copied."""

from __future__ import annotations

import ctypes
import mmap
import sys
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_ssize_t, c_void_p, py_object


class _View(Structure):
    # https://docs.python.org/3/c-api/buffer.html
    _fields_ = [
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", POINTER(c_ssize_t)),
        ("strides", POINTER(c_ssize_t)),
        ("suboffsets", POINTER(c_ssize_t)),
        ("internal", c_void_p),
    ]


_RECORDS_RO = 0x0018 | 0x0004  # strides and format, writable or not
_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes, _get.restype = [py_object, POINTER(_View), c_int], c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes, _release.restype = [POINTER(_View)], None


def own_memory(size: int) -> mmap.mmap:
    """Memory that is aligned to a page, and that a forked process has a copy of: what it does is not seen here."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def refuse_masked(values: object) -> None:
    """Raises where `values` is a masked array of NumPy: its memory shows what the mask hides."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    if masked is not None and isinstance(values, masked):
        raise ValueError(
            "a masked array: what stands for its hidden values is not known; give array.filled(VALUE) or array.data"
        )


class Buffer:
    """The memory of an object, which stays where it is as long as this is alive.

    address: of the first element; shape, strides: of the axes, in elements and bytes; format: as `struct` writes it.
    """

    __slots__ = ("_view", "address", "shape", "strides", "format", "size")

    def __init__(self, exporter: object) -> None:
        self._view = None
        refuse_masked(exporter)
        view = _View()
        _get(exporter, byref(view), _RECORDS_RO)  # raises TypeError or BufferError
        self._view = view
        axes = view.ndim
        self.address = view.buf or 0
        self.shape = tuple(view.shape[:axes])
        self.strides = tuple(view.strides[:axes])
        self.format = (view.format or b"B").decode()
        self.size = view.len

    def __del__(self) -> None:
        if getattr(self, "_view", None) is not None:
            _release(byref(self._view))
