"""The structs and functions that the package states are those of e3.h."""

import ctypes
import pathlib
import re

import pytest

from e3 import _library

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = (ROOT / "Sources/CE3/include/e3.h").read_text()
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
SIZES = {
    name: int(re.search(rf"#define {name} (\d+)", CODE)[1])
    for name in ("E3_MAX_THREADS", "E3_MAX_LEARNED_CLASSES", "E3_CLASS_LABEL_BYTES")
}
ENUMS = re.findall(r"typedef uint32_t (\w+);", CODE)
TYPES = {"uint16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "float": 4, "size_t": ctypes.sizeof(ctypes.c_size_t)}


def fields(struct):
    """Names, sizes of an element and numbers of elements of a struct's members, as the header writes them."""
    body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (struct, struct), CODE, re.S)[1]
    found = []
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        base = re.sub(r"^const ", "", declaration)
        kind, names = re.match(r"(\w+)\s*(.*)", base, re.S).groups()
        for name in names.split(","):
            name = name.strip()
            pointer = name.startswith("*")
            name, count = re.match(r"\*?(\w+)(?:\[(\w+)\])?$", name).groups()
            size = ctypes.sizeof(ctypes.c_void_p) if pointer else TYPES.get(kind, 4)
            assert pointer or kind in TYPES or kind in ENUMS, kind
            found.append((name, size, int(SIZES.get(count, count or 1))))
    return found


@pytest.mark.parametrize("name", sorted(_library.STRUCTS))
def test_a_struct_has_the_members_of_the_header(name):
    stated = []
    for field, kind in _library.STRUCTS[name]._fields_:
        is_array = issubclass(kind, ctypes.Array)
        stated.append((field, ctypes.sizeof(kind._type_ if is_array else kind), kind._length_ if is_array else 1))
    assert stated == fields(name)


def test_every_struct_that_a_stated_function_takes_is_stated():
    taken = {match for function in _library.FUNCTIONS for match in re.findall(r"\b(e3_\w+) \*", prototype(function)[1])}
    assert taken - {"e3_session", "e3_classes", *ENUMS} == set(_library.STRUCTS)


def prototype(function):
    result, arguments = re.search(r"E3_API ([^;]*?)\b%s\((.*?)\);" % function, CODE, re.S).groups()
    return result.strip(), arguments


@pytest.mark.parametrize("function", sorted(_library.FUNCTIONS))
def test_a_function_has_the_result_and_the_arguments_of_the_header(function):
    result, arguments = prototype(function)
    stated_result, stated_arguments = _library.FUNCTIONS[function]
    assert stated_result is {"e3_status": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "const char *": ctypes.c_char_p}[result]
    parts = [] if arguments == "void" else [part.strip() for part in arguments.split(",")]
    assert len(parts) == len(stated_arguments)
    for part, stated in zip(parts, stated_arguments):
        is_pointer = "*" in part
        assert is_pointer == (ctypes.sizeof(stated) == ctypes.sizeof(ctypes.c_void_p) and stated is not ctypes.c_size_t), part


def test_numbers_are_those_of_the_header():
    assert f"#define E3_ABI_VERSION_MAJOR {_library.ABI_VERSION_MAJOR}" in HEADER
    assert SIZES == {name: getattr(_library, name.removeprefix("E3_")) for name in SIZES}
    from e3.answer import _DECISIONS
    from e3.frame import _FORMATS, _MATRICES, _RANGES, _TRANSFORMS

    def names(prefix):
        return {m[0].lower(): int(m[1]) for m in re.findall(r"\bE3_%s_(\w+) = (\d+)" % prefix, CODE)}

    assert {name: number for name, (number, _) in _FORMATS.items()} == names("PIXEL")
    assert _RANGES == names("RANGE")
    assert _MATRICES == names("MATRIX")
    assert _TRANSFORMS == names("TRANSFORM")
    assert {text: number for number, text in _DECISIONS.items()} == names("DECISION")
