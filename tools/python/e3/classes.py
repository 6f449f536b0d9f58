"""Learned classes: added to a model from a few pictures, without training."""

from __future__ import annotations

from ctypes import byref, c_size_t, c_uint32, c_void_p, memmove, string_at
from typing import Iterator, List, NamedTuple, Optional

from . import _library
from ._buffer import Buffer, own_memory
from ._library import check, lib, sized

NO_CLASS = 0xFFFFFFFF
_KINDS = {"learned": 0, "unlike": 1}


class LearnedClass(NamedTuple):
    """A class that was added to a model.

    label: its text
    is_unlike: whether its pictures are of none of the classes
    pictures: that it was learned from
    agreement: mean cosine between the features of two of them; 0 with fewer than two
    radius: a frame may be of the class up to this distance
    """

    label: str
    is_unlike: bool
    pictures: int
    agreement: float
    radius: float


class Classes:
    """The memory of an e3_classes, whose bytes are those of a .e3c file."""

    def __init__(self, model: "_library.Model", source: Optional[bytes], capacity: int, subject: str) -> None:
        size, alignment = c_size_t(), c_size_t()
        if source is None:
            check(lib.e3_classes_query(byref(model), capacity, 0, byref(size), byref(alignment)), subject)
        mapping = own_memory(max(size.value, len(source or b""), 1))
        if source:
            mapping[: len(source)] = source
        self._memory = Buffer(mapping)
        self.handle = c_void_p()
        address = self._memory.address
        if source is None:
            check(lib.e3_classes_create(byref(model), capacity, 0, address, size, byref(self.handle)), subject)
        else:
            check(lib.e3_classes_open(byref(model), address, len(source), byref(self.handle)), subject)
        self._labels: Optional[List[str]] = None

    @property
    def bytes(self) -> bytes:
        """The .e3c file."""
        info = sized(_library.ClassesInfo)
        check(lib.e3_classes_get_info(self.handle, byref(info)))
        return string_at(self._memory.address, info.bytes)

    def restore(self, content: bytes) -> None:
        """Puts back what `bytes` was before."""
        memmove(self._memory.address, content, len(content))
        self._labels = None

    def __len__(self) -> int:
        info = sized(_library.ClassesInfo)
        check(lib.e3_classes_get_info(self.handle, byref(info)))
        return int(info.count)

    def __getitem__(self, index: int) -> LearnedClass:
        learned = sized(_library.Class)
        check(lib.e3_classes_get_class(self.handle, index, byref(learned)))
        label = string_at(learned.label, learned.label_length).decode()
        return LearnedClass(label, learned.kind == _KINDS["unlike"], learned.pictures, learned.agreement, learned.radius)

    def __iter__(self) -> Iterator[LearnedClass]:
        return (self[index] for index in range(len(self)))

    @property
    def labels(self) -> List[str]:
        if self._labels is None:
            self._labels = [self[index].label for index in range(len(self))]
        return self._labels

    def remove(self, label: str) -> None:
        if label not in self.labels:
            raise KeyError(label)
        check(lib.e3_classes_remove(self.handle, self.labels.index(label)), label)
        self._labels = None

    def index(self, label: str, kind: str) -> int:
        """The class with a label, added when there is none."""
        if not isinstance(label, str):
            raise TypeError(f"the label of a learned class is a str, not {type(label).__name__}")
        if label in self.labels:
            index = self.labels.index(label)
            if self[index].is_unlike != (kind == "unlike"):
                raise ValueError(f"{label!r} is there as another kind of class")
            return index
        visible = "".join(letter for letter in label if letter.isprintable()).strip()
        if kind == "learned" and visible.lower() == "unlike":
            raise ValueError(f"{label!r} is what pictures of other things are called: give the class another name")
        index = c_uint32()
        try:
            text, problem = label.encode(), ""
        except UnicodeEncodeError:  # half of a surrogate pair
            text, problem = b"", "no UTF-8"
        if not label:
            problem = "empty"
        elif len(text) > _library.CLASS_LABEL_BYTES:
            problem = f"longer than {_library.CLASS_LABEL_BYTES} bytes"
        elif b"\0" in text:
            problem = "not one line"
        if not problem:
            status = lib.e3_classes_add(self.handle, text, _KINDS[kind], byref(index))
            if status == _library.CLASS_LABEL:
                problem = "not one line that can be seen"
            else:
                check(status, label)
        if problem:
            raise _library.E3Error(_library.CLASS_LABEL, label, f"the label of a learned class is {problem}")
        self._labels = None
        return index.value
