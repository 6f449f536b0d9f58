"""Models: a packed file and the sessions that run it."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import sys
import warnings
from collections import deque
from ctypes import byref, c_size_t, c_uint32, c_void_p
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Union

from . import _library
from ._buffer import Buffer, own_memory
from ._files import open_file, other_file, replace_file
from ._library import check, lib, shown, sized, within
from .answer import Answer
from .classes import Classes, LearnedClass
from .frame import as_frame, several


class Calibration(NamedTuple):
    """What a calibrated file says about its answers; each threshold was fitted so that the stated share of held-out images is
    treated so. unknown_threshold and known_coverage are None in a file without class statistics. distance_mean and
    distance_deviation are of the relative distance of the images of the thresholds, None when the file does not say.
    unit_length, background_weight, uncertainty ("none", "entropy", "mutual_information") and uncertainty_weight say what an
    answer's unknown_score is, as in e3.h. set_score ("least-ambiguous", "adaptive"), set_free_ranks, set_penalty and
    class_conditional (each class has a threshold of its own) say which classes a prediction set holds."""

    temperature: float
    accept_threshold: float
    unknown_threshold: Optional[float]
    set_threshold: float
    accept_coverage: float
    known_coverage: Optional[float]
    set_coverage: float
    images: int
    statistics_images: int
    distance_mean: Optional[float]
    distance_deviation: Optional[float]
    unit_length: bool
    background_weight: Optional[float]
    uncertainty: str
    uncertainty_weight: float
    set_score: str
    set_free_ranks: int
    set_penalty: float
    class_conditional: bool


class Preprocessing(NamedTuple):
    """How a frame becomes the model's image; see `e3_preprocessing` in e3.h. mean and deviation are of bytes 0 to 255."""

    resize: str
    resize_height: int
    resize_width: int
    fit: str
    filter: int
    crop_rounding: str
    pass_order: str
    low: Optional[float]
    high: Optional[float]
    mean: Optional[List[float]]
    deviation: Optional[List[float]]


class Model:
    """A model and as many sessions of it as threads call it at once.

    >>> model = e3.Model("fashion-e3.e3")
    >>> answer = model(frame)

    A frame is an array of uint8 `[height][width][3]` (RGB) or `[height][width]` (grey), a tuple (luma, chroma) of NV12, a
    Pillow image or an :class:`e3.Frame`. Answers are equal bit for bit to those of e3-run on the same pixels, on every
    processor and for any number of threads. Any number of Python threads may call a model; the interpreter runs on
    meanwhile.

    image_height, image_width, channels: the network's input
    classes, members, experts, selected_experts, layers, hidden_size, heads, mlp_size, representation_size, tokens: C, M, E,
        K and the rest of the architecture
    networks: how many the file holds; several are a deep ensemble, whose members count alike. Experts to tokens are then
        those of the first; network() describes each
    multiply_accumulates: of one frame
    resident_minimum: fewest bytes for resident: of everything but the experts
    has_early_stops: whether the file says when an answer may stop before the last network (e3-convert calibrate --early)
    value_low, value_high: the smallest and largest value of a pixel in a prepared image
    labels: texts of the classes; empty when the file has none
    calibration: None when the file carries none
    """

    def __init__(
        self,
        source: Union[str, "os.PathLike[str]", bytes],
        *,
        threads: int = 1,
        isa: str = "auto",
        classes: Union[None, str, "os.PathLike[str]", bytes] = None,
        resident: int = 0,
        early: bool = False,
    ) -> None:
        """source: path of a .e3 file, which is mapped, or its bytes. threads: that compute one frame, 1 to 64. isa: the
        instruction-set tier, as e3-run --isa takes it. classes: path of a .e3c file of learned classes, or its bytes.
        resident: for a model larger than the memory: so many bytes of it at most, resident_minimum at least, are locked in
        memory; the experts that are not among them are read from the file, which source names, when a token has chosen them.
        early: a frame is not given to the later networks of a deep ensemble where the answer of the first ones is as sure as
        the file asks for (has_early_stops); answers are then of the members that answered, and say of how many networks."""
        self._file, self.path = _file(source)
        self._descriptor: Optional[_Descriptor] = None
        self._handle = _library.Model()
        status = lib.e3_model_open(self._file.address, self._file.size, byref(self._handle))
        if status == _library.FILE_MAGIC:
            start = ctypes.string_at(self._file.address, min(self._file.size, 64))
            raise _library.E3Error(status, self.path, other_file(start))
        check(status, self.path)
        info = sized(_library.ModelInfo)
        check(lib.e3_model_get_info(byref(self._handle), byref(info)), self.path)
        for name, _ in _library.ModelInfo._fields_[1:]:
            if name not in ("labels", "calibrated", "early"):
                setattr(self, name, getattr(info, name))
        self.has_early_stops = bool(info.early)
        self.labels: List[str] = [
            _library.text_of(lib.e3_model_get_label, byref(self._handle), index) for index in range(info.labels)
        ]
        self.calibration = self._calibration() if info.calibrated else None
        self._options = sized(_library.SessionOptions)
        within(threads, 1, _library.MAX_THREADS, "threads")
        within(resident, 0, 2**64 - 1, "resident")
        self._options.threads = threads
        tier = c_uint32()
        check(lib.e3_isa_from_name(isa.encode().replace(b"\0", b"?"), byref(tier)), isa)  # C would stop at a NUL
        self._options.isa = tier.value
        if early and lib.e3_abi_version() & 0xFFFF < 4:
            raise ValueError("the library is older than early=: all networks would answer")
        self._options.early = early
        if resident:
            if isinstance(source, (bytes, bytearray, memoryview)):
                raise ValueError("resident needs the path of the file, not its bytes")
            # What is mapped and what is read are compared: a file that was renamed into the place meanwhile is refused.
            self._descriptor = _Descriptor(self.path)
            self._options.resident_bytes, self._options.descriptor = resident, self._descriptor.number
        self._learned: Optional[Classes] = None
        if classes is not None:
            content, subject = classes, "classes"
            if not isinstance(classes, bytes):
                subject = os.fspath(classes)
                with os.fdopen(open_file(subject), "rb") as file:
                    content = file.read()
            self._learned = Classes(self._handle, content, 0, subject)
        # Sessions that no thread runs at the moment; taking and giving back are atomic.
        self._idle: "deque[_Session]" = deque([_Session(self)])

    image_height: int
    image_width: int
    channels: int
    classes: int
    members: int
    experts: int
    selected_experts: int
    layers: int
    hidden_size: int
    heads: int
    mlp_size: int
    representation_size: int
    tokens: int
    multiply_accumulates: int
    value_low: float
    value_high: float
    networks: int
    resident_minimum: int

    def __call__(self, frame: Any) -> Answer:
        """The answer to one frame."""
        session = self._take()
        try:
            return session.run_frame(as_frame(frame))
        finally:
            self._idle.append(session)

    def run_tensor(self, values: Any) -> Answer:
        """The answer to a prepared image: float32 `[height][width][channels]` in the model's value range. ValueError where a
        value is far outside of it, as those of bytes are."""
        buffer = self._tensor(values)
        self._require_pixels(buffer)
        session = self._take()
        try:
            return session.run_tensor(buffer)
        finally:
            self._idle.append(session)

    def batch(self, frames: Iterable[Any], *, threads: Optional[int] = None) -> List[Answer]:
        """The answers to many frames, in their order. threads: 1 to 64; when not stated, as many as this process has processors
        for, and 64 at most.

        Frames are taken from the iterable by one thread at a time, as they are needed.
        """
        from concurrent.futures import ThreadPoolExecutor
        from itertools import islice
        from threading import Lock

        most = _library.MAX_THREADS
        count = min(most, len(os.sched_getaffinity(0))) if threads is None else threads
        within(count, 1, most, "threads")
        source, lock = iter(several(frames)), Lock()
        parts: List[List[Answer]] = []
        failed = False

        def work(_: int) -> None:
            nonlocal failed
            session = self._take()
            try:
                while not failed:
                    with lock:
                        chunk = list(islice(source, 8))
                        part: List[Answer] = []
                        parts.append(part)
                    if not chunk:
                        return
                    for frame in chunk:
                        if failed:
                            return
                        part.append(session.run_frame(as_frame(frame)))
            except BaseException:
                failed = True
                raise
            finally:
                self._idle.append(session)

        if count == 1:
            work(0)
        else:
            with ThreadPoolExecutor(count) as pool:
                try:
                    for done in [pool.submit(work, index) for index in range(count)]:
                        done.result()
                except BaseException:  # an interrupt, too: the others end after the frame at hand
                    failed = True
                    raise
        return [answer for part in parts for answer in part]

    def learn(self, label: str, frames: Iterable[Any], *, capacity: int = 16) -> LearnedClass:
        """Adds frames to the learned class `label`, which is new when there is none of that label.

        Five pictures from different sides are a good start; with fewer than three, answers of the class are at most
        "unsure". The same frame counts each time that it is learned, and a label of the model itself is refused. No
        other thread may use the model meanwhile. capacity: most classes, 1 to 64, when these are the
        first. When a frame is refused, or there is none, nothing is learned.
        """
        return self._learn(label, "learned", frames, capacity)

    def learn_unlike(self, frames: Iterable[Any], *, capacity: int = 16) -> LearnedClass:
        """Adds frames that are of none of the learned classes: what these share with them counts for nothing."""
        return self._learn("unlike", "unlike", frames, capacity)

    def _learn(self, label: str, kind: str, frames: Iterable[Any], capacity: int) -> LearnedClass:
        within(capacity, 1, _library.MAX_LEARNED_CLASSES, "capacity")
        if self.networks > 1:
            raise ValueError("a deep ensemble learns no classes; a model of one network does")
        if kind == "learned" and label in self.labels:
            raise ValueError(f"{label!r} is a class of the model: give the one that is learned another name")
        if self._learned is None:
            self._learned = Classes(self._handle, None, capacity, self.path)
            self._idle.clear()  # those sessions have no room for features
        before = self._learned.bytes
        frames, session = several(frames), None
        try:
            index = self._learned.index(label, kind)
            session = self._take()
            count = 0
            for count, frame in enumerate(frames, 1):
                session.run_frame(as_frame(frame))
                check(lib.e3_classes_learn(self._learned.handle, index, session.handle), label)
            if not count:
                raise ValueError(f"no frames to learn {label!r} from")
        except BaseException:
            self._learned.restore(before)
            raise
        finally:
            if session is not None:
                self._idle.append(session)
        return self._learned[index]

    def forget(self, label: str) -> None:
        """Takes a learned class out, "unlike" too, as if it had never been learned. KeyError where there is none. No other
        thread may use the model meanwhile."""
        if self._learned is None:
            raise KeyError(label)
        self._learned.remove(label)

    @property
    def learned(self) -> List[LearnedClass]:
        """The learned classes."""
        return [] if self._learned is None else list(self._learned)

    def save_classes(self, path: "Union[str, os.PathLike[str]]") -> None:
        """Writes the learned classes as a .e3c file, which is there whole or not at all. A link stays one; a file that
        is replaced leaves its permissions and, where the process may, its owner. A file that is write-protected or holds
        no learned classes is not replaced, nor is what is no regular file, such as a device."""
        if self._learned is None:
            raise ValueError("there are no learned classes")
        replace_file(os.fsdecode(path), self._learned.bytes)

    def preprocess(self, frame: Any) -> Any:
        """What the network sees of a frame: float32 `[height][width][channels]`."""
        import numpy

        values = numpy.empty((self.image_height, self.image_width, self.channels), numpy.float32)
        session = self._take()
        try:
            session.preprocess(as_frame(frame), values.ctypes.data, values.size)
        finally:
            self._idle.append(session)
        return values

    def network(self, index: int) -> Dict[str, int]:
        """What one network of the file is: its members, experts, selected_experts, layers, hidden_size, heads, mlp_size,
        representation_size, tokens and multiply_accumulates."""
        if not 0 <= index < self.networks:
            raise IndexError(f"network {index}, but the file has {self.networks}")
        info = sized(_library.ModelInfo)
        check(lib.e3_model_get_network_info(byref(self._handle), index, byref(info)), self.path)
        names = "members experts selected_experts layers hidden_size heads mlp_size representation_size tokens"
        return {name: getattr(info, name) for name in [*names.split(), "multiply_accumulates"]}

    def self_test(self) -> None:
        """Runs the file's golden input and compares the members' logits with the stored bits."""
        session = self._take()
        try:
            check(lib.e3_session_self_test(session.handle), self.path)
        finally:
            self._idle.append(session)

    def verify(self) -> None:
        """Compares every part of the file with its stored checksum. Reads the whole file. Warns of bytes behind the model,
        which belong to nothing."""
        check(lib.e3_model_verify(byref(self._handle)), self.path)
        size = int.from_bytes(ctypes.string_at(self._file.address + 16, 8), "little")
        if self._file.size > size:
            message = f"{self.path}: {self._file.size - size} bytes behind the model, which belong to nothing"
            warnings.warn(message, stacklevel=2)

    @property
    def isa(self) -> str:
        """The instruction-set tier that runs."""
        session, tier = self._take(), c_uint32()
        self._idle.append(session)
        check(lib.e3_session_get_isa(session.handle, byref(tier)))
        return lib.e3_isa_name(tier.value).decode()

    @property
    def preprocessing(self) -> Preprocessing:
        """How a frame becomes the model's image."""
        stored = sized(_library.Preprocessing)
        check(lib.e3_model_get_preprocessing(byref(self._handle), byref(stored)))
        ranged = not stored.normalized
        return Preprocessing(
            resize={0: "bilinear", 1: "area", 2: "bilinear, not cut to bytes", 3: "pillow"}[stored.resize],
            resize_height=stored.resize_height,
            resize_width=stored.resize_width,
            fit={0: "exact", 1: "shorter side", 2: "cover"}[stored.fit],
            filter=stored.filter,
            crop_rounding="half to even" if stored.crop_rounding else "down",
            pass_order="pillow 13" if stored.pass_order else "across first",
            low=stored.low if ranged else None,
            high=stored.high if ranged else None,
            mean=None if ranged else list(stored.mean),
            deviation=None if ranged else list(stored.deviation),
        )

    @property
    def provenance(self) -> Dict[str, Any]:
        """Where the weights come from, as the file states it; empty when it says nothing."""
        import json

        text = _library.text_of(lib.e3_model_get_provenance, byref(self._handle))
        return json.loads(text) if text else {}

    def __repr__(self) -> str:
        kind = f"{self.experts} experts, {self.members} members" if self.experts else "dense"
        if self.networks > 1:
            kind = f"{self.networks} networks, {self.members} members"
        return f"<Model {self.path}: {self.image_height} x {self.image_width} x {self.channels}, {self.classes} classes, {kind}>"

    def _take(self) -> "_Session":
        try:
            while True:
                session = self._idle.pop()
                # A session's threads are in the process that made it.
                if session.process == os.getpid():
                    return session
        except IndexError:
            return _Session(self)

    def __reduce__(self) -> Any:
        raise TypeError("a model is neither copied nor sent to another process: open its file there")

    def _tensor(self, values: Any) -> Buffer:
        buffer = Buffer(values)
        shape = (self.image_height, self.image_width, self.channels)
        if buffer.format != "f" or buffer.shape != shape:
            raise ValueError(f"a prepared image is float32 {list(shape)}, not {buffer.format!r} {list(buffer.shape)}")
        line = shape[1] * shape[2]
        if buffer.strides != (4 * line, 4 * shape[2], 4):
            buffer = Buffer(memoryview(values).tobytes())
        return buffer

    def _require_pixels(self, buffer: Buffer) -> None:
        """Refuses values that are no pixels of the model's range, by the rule of `e3-run --tensor`."""
        values = (ctypes.c_float * (buffer.size // 4)).from_address(buffer.address)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            array = numpy.frombuffer(values, numpy.float32)
            ends = float(array.min()), float(array.max())
        else:
            ends = min(values), max(values)
        slack = 1.5 * (self.value_high - self.value_low)
        for value in ends:
            # The library refuses what is not finite.
            if math.isfinite(value) and not self.value_low - slack <= value <= self.value_high + slack:
                raise ValueError(
                    f"the value {value:.2f} is no prepared pixel: the model takes {self.value_low:.2f} to {self.value_high:.2f}"
                )

    def _calibration(self) -> Calibration:
        stored = sized(_library.Calibration)
        check(lib.e3_model_get_calibration(byref(self._handle), byref(stored)), self.path)
        values = {name: getattr(stored, name) for name in Calibration._fields}
        values.update(
            unit_length=bool(stored.unit_length),
            uncertainty=("none", "entropy", "mutual_information")[stored.uncertainty],
            set_score="adaptive" if stored.set_score == 2 else "least-ambiguous",  # 0: of an older library
            class_conditional=bool(stored.class_conditional),
        )
        if not stored.has_distance:
            values.update(unknown_threshold=None, known_coverage=None, background_weight=None)
        if not stored.distance_deviation > 0:
            values.update(distance_mean=None, distance_deviation=None)
        return Calibration(**values)


class _Session:
    """A session in an arena of its own, for one thread at a time."""

    __slots__ = (
        "handle",
        "_arena",
        "_descriptor",
        "_file",
        "_labels",
        "_learned",
        "_networks",
        "_path",
        "process",
        "_reference",
        "_result",
        "_width",
    )

    def __init__(self, model: Model) -> None:
        self.handle = c_void_p()
        size, alignment = c_size_t(), c_size_t()
        model._options.learned_classes = model._learned is not None
        options = byref(model._options)
        check(lib.e3_session_query(byref(model._handle), options, byref(size), byref(alignment)), model.path)
        self._arena = own_memory(size.value + alignment.value)
        start = Buffer(self._arena)
        address = -(-start.address // alignment.value) * alignment.value
        self._file, self._descriptor = model._file, model._descriptor
        check(lib.e3_session_create(byref(model._handle), options, address, size, byref(self.handle)), model.path)
        self._arena = start  # keeps the memory mapped
        self.process = os.getpid()
        self._labels, self._width, self._path = model.labels, model.representation_size, model.path
        self._networks = model.networks
        self._learned = model._learned
        if self._learned is not None:
            check(lib.e3_session_attach_classes(self.handle, self._learned.handle), model.path)
        self._result = sized(_library.Result)
        self._reference = byref(self._result)

    def run_frame(self, frame: Any) -> Answer:
        status = lib.e3_session_run_frame(self.handle, frame.reference, self._reference)
        if status:
            raise _library.E3Error(status)
        return self._answer()

    def run_tensor(self, values: Buffer) -> Answer:
        check(lib.e3_session_run_tensor(self.handle, values.address, values.size // 4, self._reference))
        return self._answer()

    def _answer(self) -> Answer:
        learned = () if self._learned is None else self._learned.labels
        return Answer(self._result, self._labels, self._width, learned, self._networks)

    def preprocess(self, frame: Any, values: int, count: int) -> None:
        check(lib.e3_session_preprocess(self.handle, frame.reference, values, count))

    def __del__(self) -> None:
        if self.handle:
            lib.e3_session_destroy(self.handle)


class _Descriptor:
    """A file that is open as long as this is alive."""

    __slots__ = ("number",)

    def __init__(self, path: str) -> None:
        self.number = open_file(path)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


def _file(source: Any) -> "tuple[Buffer, str]":
    """The memory of a file and what messages call it."""
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with os.fdopen(open_file(path), "rb") as file:
            try:
                return Buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), path
            except ValueError as error:  # an empty file
                raise ValueError(f"{shown(path)}: {error}") from None
    view = memoryview(source)
    if view.nbytes == 0:
        raise ValueError("a model has bytes")
    # A mapping is aligned as a model must be; the bytes of an object need not be.
    copy = own_memory(view.nbytes)
    copy.write(view)
    return Buffer(copy), "model"
