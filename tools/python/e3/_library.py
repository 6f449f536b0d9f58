"""The structs and functions of e3.h, by ctypes. tests/test_header.py compares them with the header."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_float, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Optional

ABI_VERSION_MAJOR = 1
MAX_THREADS, MAX_LEARNED_CLASSES, CLASS_LABEL_BYTES = 64, 64, 40
CLASS_LABEL, FILE_MAGIC = 28, 34  # E3_ERROR_...


class Model(Structure):
    _fields_ = [("opaque", c_uint64 * 64)]


class ModelInfo(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("image_height", c_uint32),
        ("image_width", c_uint32),
        ("channels", c_uint32),
        ("classes", c_uint32),
        ("members", c_uint32),
        ("experts", c_uint32),
        ("selected_experts", c_uint32),
        ("layers", c_uint32),
        ("hidden_size", c_uint32),
        ("heads", c_uint32),
        ("mlp_size", c_uint32),
        ("representation_size", c_uint32),
        ("tokens", c_uint32),
        ("labels", c_uint32),
        ("calibrated", c_uint32),
        ("multiply_accumulates", c_uint64),
        ("value_low", c_float),
        ("value_high", c_float),
        ("networks", c_uint32),
        ("early", c_uint32),
        ("resident_minimum", c_uint64),
    ]


class Calibration(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("has_distance", c_uint32),
        ("temperature", c_float),
        ("accept_threshold", c_float),
        ("unknown_threshold", c_float),
        ("set_threshold", c_float),
        ("accept_coverage", c_float),
        ("known_coverage", c_float),
        ("set_coverage", c_float),
        ("images", c_uint32),
        ("statistics_images", c_uint32),
        ("distance_mean", c_float),
        ("distance_deviation", c_float),
        ("unit_length", c_uint32),
        ("background_weight", c_float),
        ("uncertainty", c_uint32),
        ("uncertainty_weight", c_float),
        ("set_score", c_uint32),
        ("set_free_ranks", c_uint32),
        ("set_penalty", c_float),
        ("class_conditional", c_uint32),
    ]


class Preprocessing(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("resize", c_uint32),
        ("resize_height", c_uint32),
        ("resize_width", c_uint32),
        ("fit", c_uint32),
        ("filter", c_uint32),
        ("crop_rounding", c_uint32),
        ("pass_order", c_uint32),
        ("normalized", c_uint32),
        ("low", c_float),
        ("high", c_float),
        ("mean", c_float * 3),
        ("deviation", c_float * 3),
    ]


class SessionOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("threads", c_uint32),
        ("isa", c_uint32),
        ("pin_threads", c_uint32),
        ("cpus", c_uint16 * MAX_THREADS),
        ("record_routing", c_uint32),
        ("learned_classes", c_uint32),
        ("resident_bytes", c_uint64),
        ("descriptor", ctypes.c_int32),
        ("early", c_uint32),
    ]


class Frame(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("planes", c_void_p * 2),
        ("strides", c_size_t * 2),
        ("sizes", c_size_t * 2),
        ("third_plane", c_void_p),
        ("third_stride", c_size_t),
        ("third_size", c_size_t),
        ("range", c_uint32),
        ("matrix", c_uint32),
        ("crop_x", c_uint32),
        ("crop_y", c_uint32),
        ("crop_width", c_uint32),
        ("crop_height", c_uint32),
        ("transform", c_uint32),
        ("reserved", c_uint32),
    ]


class Result(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("classes", c_uint32),
        ("members", c_uint32),
        ("top_class", c_uint32),
        ("probabilities", c_void_p),
        ("member_logits", c_void_p),
        ("member_probabilities", c_void_p),
        ("top_probability", c_float),
        ("total_entropy", c_float),
        ("expected_entropy", c_float),
        ("mutual_information", c_float),
        ("disagreement", c_float),
        ("distance", c_float),
        ("decision", c_uint32),
        ("prediction_set_count", c_uint32),
        ("prediction_set", c_void_p),
        ("relative_distance", c_float),
        ("representation_stride", c_uint32),
        ("representations", c_void_p),
        ("learned_class", c_uint32),
        ("learned_distance", c_float),
        ("learned_radius", c_float),
        ("nearest_learned_class", c_uint32),
        ("unknown_score", c_float),
        ("networks", c_uint32),
    ]


class ClassesInfo(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("count", c_uint32),
        ("capacity", c_uint32),
        ("grid", c_uint32),
        ("bytes", c_uint64),
    ]


class Class(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("pictures", c_uint32),
        ("agreement", c_float),
        ("radius", c_float),
        ("label_length", c_uint32),
        ("label", c_void_p),
    ]


STRUCTS = {
    "e3_model": Model,
    "e3_model_info": ModelInfo,
    "e3_calibration": Calibration,
    "e3_preprocessing": Preprocessing,
    "e3_session_options": SessionOptions,
    "e3_frame": Frame,
    "e3_result": Result,
    "e3_classes_info": ClassesInfo,
    "e3_class": Class,
}

# Result and arguments of each function; every result but a pointer's, the version and nothing is a status.
FUNCTIONS = {
    "e3_status_text": (c_char_p, [ctypes.c_int32]),
    "e3_abi_version": (c_uint32, []),
    "e3_version_text": (c_char_p, []),
    "e3_isa_name": (c_char_p, [c_uint32]),
    "e3_isa_from_name": (ctypes.c_int32, [c_char_p, POINTER(c_uint32)]),
    "e3_isa_available": (ctypes.c_int32, [c_uint32]),
    "e3_cpu_available": (ctypes.c_int32, [c_uint16]),
    "e3_model_open": (ctypes.c_int32, [c_void_p, c_size_t, POINTER(Model)]),
    "e3_model_verify": (ctypes.c_int32, [POINTER(Model)]),
    "e3_model_get_info": (ctypes.c_int32, [POINTER(Model), POINTER(ModelInfo)]),
    "e3_model_get_network_info": (ctypes.c_int32, [POINTER(Model), c_uint32, POINTER(ModelInfo)]),
    "e3_model_get_calibration": (ctypes.c_int32, [POINTER(Model), POINTER(Calibration)]),
    "e3_model_get_preprocessing": (ctypes.c_int32, [POINTER(Model), POINTER(Preprocessing)]),
    "e3_model_get_provenance": (ctypes.c_int32, [POINTER(Model), POINTER(c_void_p), POINTER(c_size_t)]),
    "e3_model_get_label": (ctypes.c_int32, [POINTER(Model), c_uint32, POINTER(c_void_p), POINTER(c_size_t)]),
    "e3_session_query": (
        ctypes.c_int32,
        [POINTER(Model), POINTER(SessionOptions), POINTER(c_size_t), POINTER(c_size_t)],
    ),
    "e3_session_create": (
        ctypes.c_int32,
        [POINTER(Model), POINTER(SessionOptions), c_void_p, c_size_t, POINTER(c_void_p)],
    ),
    "e3_session_destroy": (ctypes.c_int32, [c_void_p]),
    "e3_session_get_isa": (ctypes.c_int32, [c_void_p, POINTER(c_uint32)]),
    "e3_session_run_frame": (ctypes.c_int32, [c_void_p, POINTER(Frame), POINTER(Result)]),
    "e3_session_run_tensor": (ctypes.c_int32, [c_void_p, c_void_p, c_size_t, POINTER(Result)]),
    "e3_session_preprocess": (ctypes.c_int32, [c_void_p, POINTER(Frame), c_void_p, c_size_t]),
    "e3_session_self_test": (ctypes.c_int32, [c_void_p]),
    "e3_session_attach_classes": (ctypes.c_int32, [c_void_p, c_void_p]),
    "e3_classes_query": (
        ctypes.c_int32,
        [POINTER(Model), c_uint32, c_uint32, POINTER(c_size_t), POINTER(c_size_t)],
    ),
    "e3_classes_create": (
        ctypes.c_int32,
        [POINTER(Model), c_uint32, c_uint32, c_void_p, c_size_t, POINTER(c_void_p)],
    ),
    "e3_classes_open": (ctypes.c_int32, [POINTER(Model), c_void_p, c_size_t, POINTER(c_void_p)]),
    "e3_classes_get_info": (ctypes.c_int32, [c_void_p, POINTER(ClassesInfo)]),
    "e3_classes_add": (ctypes.c_int32, [c_void_p, c_char_p, c_uint32, POINTER(c_uint32)]),
    "e3_classes_learn": (ctypes.c_int32, [c_void_p, c_uint32, c_void_p]),
    "e3_classes_remove": (ctypes.c_int32, [c_void_p, c_uint32]),
    "e3_classes_get_class": (ctypes.c_int32, [c_void_p, c_uint32, POINTER(Class)]),
}


class E3Error(RuntimeError):
    """A call of the library failed. `status` is the number that e3.h gives the cause."""

    def __init__(self, status: int, subject: Optional[str] = None, text: Optional[str] = None) -> None:
        self.status = status
        text = text or lib.e3_status_text(status).decode()
        super().__init__(f"{shown(subject)}: {text}" if subject else text)


def shown(text: str) -> str:
    """A text, such as a label or a path, in one line, with what cannot be seen escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(text))


def within(number: int, least: int, most: int, what: str) -> None:
    """Refuses a number that the library would refuse, or take for another one."""
    if not least <= number <= most:
        raise ValueError(f"{what} is {number}, expected {least} to {most}")


def check(status: int, subject: Optional[str] = None) -> None:
    if status:
        raise E3Error(status, subject)


def sized(struct):
    """A struct of zeros that states its size, as e3.h wants it."""
    value = struct()
    value.struct_size = ctypes.sizeof(struct)
    return value


def text_of(function, *arguments) -> str:
    """The text that a function of e3.h points to."""
    pointer, length = c_void_p(), c_size_t()
    check(function(*arguments, ctypes.byref(pointer), ctypes.byref(length)))
    return ctypes.string_at(pointer, length.value).decode() if length.value else ""


def load() -> ctypes.CDLL:
    name = f"libe3.so.{ABI_VERSION_MAJOR}"
    path = os.environ.get("E3_LIBRARY") or os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load {path}: {error}; a wheel brings it, and E3_LIBRARY names another") from None
    try:
        for function, (result, arguments) in FUNCTIONS.items():
            bound = getattr(library, function)
            bound.restype, bound.argtypes = result, arguments
    except AttributeError as error:
        raise ImportError(f"{path} is older than this package: {error}") from None
    if library.e3_abi_version() >> 16 != ABI_VERSION_MAJOR:
        raise ImportError(f"{path} has another interface than this package: {library.e3_abi_version() >> 16}")
    return library


lib = load()
