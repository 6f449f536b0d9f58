"""Camera frames: what a model classifies."""

from __future__ import annotations

import ctypes
from typing import Any, List, Tuple

from . import _library
from ._buffer import Buffer

_FORMATS = {"rgb24": 1, "gray8": 2, "yuyv": 3, "nv12": 4}


class Frame:
    """A camera image of any size, where it lies in memory. Nothing is copied; the frame keeps the memory alive.

    Use :meth:`rgb`, :meth:`grey`, :meth:`yuyv` or :meth:`nv12`, or give the array itself to a model.
    """

    __slots__ = ("struct", "reference", "_planes")

    def __init__(self, format: str, width: int, height: int, planes: List[Tuple[Buffer, int]]) -> None:
        """planes: each with the bytes from one of its lines to the next."""
        struct = _library.Frame()
        struct.struct_size = ctypes.sizeof(_library.Frame)
        struct.format = _FORMATS[format]
        struct.width, struct.height = width, height
        for index, (buffer, stride) in enumerate(planes):
            struct.planes[index] = buffer.address
            struct.strides[index] = stride
            struct.sizes[index] = _readable(buffer)
        self.struct = struct
        self.reference = ctypes.byref(struct)
        self._planes = planes

    @classmethod
    def rgb(cls, pixels: Any) -> "Frame":
        """`[height][width][3]` uint8: red, green, blue. Lines may lie apart."""
        return cls._packed("rgb24", pixels, Buffer(pixels), 3)

    @classmethod
    def grey(cls, pixels: Any) -> "Frame":
        """`[height][width]` or `[height][width][1]` uint8. Lines may lie apart."""
        return cls._packed("gray8", pixels, Buffer(pixels), 1)

    @classmethod
    def yuyv(cls, pixels: Any) -> "Frame":
        """`[height][width][2]` uint8: Y0 U Y1 V, BT.601 limited range; even width. Lines may lie apart."""
        return cls._packed("yuyv", pixels, Buffer(pixels), 2)

    @classmethod
    def nv12(cls, luma: Any, chroma: Any) -> "Frame":
        """luma `[height][width]`, chroma `[height/2][width]` or `[height/2][width/2][2]`, uint8, BT.601 limited range; even
        width and height. Lines may lie apart."""
        first, second = Buffer(luma), Buffer(chroma)
        height, width = _image(first, 1)
        expected = (height // 2, width // 2, 2) if len(second.shape) == 3 else (height // 2, width)
        if second.shape != expected:
            raise ValueError(f"the chroma of {width} x {height} pixels is {list(expected)}, not {list(second.shape)}")
        first = _in_lines(luma, first, width, 1)
        second = _in_lines(chroma, second, width, expected[2] if len(expected) == 3 else 1)
        return cls("nv12", width, height, [(first, first.strides[0]), (second, second.strides[0])])

    @classmethod
    def _packed(cls, format: str, pixels: Any, buffer: Buffer, channels: int) -> "Frame":
        """A frame of one plane with `channels` bytes for a pixel."""
        height, width = _image(buffer, channels)
        buffer = _in_lines(pixels, buffer, width * channels, channels)
        return cls(format, width, height, [(buffer, buffer.strides[0])])


def as_frame(image: Any) -> Frame:
    """A frame of what users hold: a :class:`Frame`, an array of uint8 `[height][width][3]` (RGB), `[height][width]` or
    `[height][width][1]` (grey), a tuple (luma, chroma) of NV12, or a Pillow image."""
    if type(image) is Frame:
        return image
    if isinstance(image, tuple):
        if len(image) != 2:
            raise ValueError(f"a tuple is the luma and chroma of NV12, not {len(image)} things")
        return Frame.nv12(*image)
    if hasattr(image, "getbands"):
        return _of_pillow(image)
    try:
        buffer = Buffer(image)
    except TypeError:
        raise TypeError(f"a {type(image).__name__} is no frame: give an array of uint8, (luma, chroma) or a Pillow image") from None
    is_rgb = len(buffer.shape) == 3 and buffer.shape[2] == 3
    return Frame._packed("rgb24" if is_rgb else "gray8", image, buffer, 3 if is_rgb else 1)


def _of_pillow(image: Any) -> Frame:
    # The orientation that a camera wrote beside the pixels counts, as it does for e3-run.
    if getattr(image, "getexif", None) and image.getexif().get(0x0112, 1) != 1:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode not in ("RGB", "L"):
        raise ValueError(f"a Pillow image of mode {image.mode}: convert it to RGB or L, which says what becomes of the rest")
    width, height = image.size
    channels = len(image.getbands())
    buffer = Buffer(image.tobytes())
    return Frame("rgb24" if channels == 3 else "gray8", width, height, [(buffer, width * channels)])


def _image(buffer: Buffer, channels: int) -> Tuple[int, int]:
    """Height and width of an array of bytes `[height][width][channels]`; one channel may have no axis of its own."""
    if buffer.format != "B":
        raise TypeError(f"pixels are uint8, not {buffer.format!r}: other values are not known to be 0 to 255")
    shape = buffer.shape
    if len(shape) == 3 and shape[2] == channels or len(shape) == 2 and channels == 1:
        return shape[0], shape[1]
    expected = "[height][width]" if channels == 1 else f"[height][width][{channels}]"
    raise ValueError(f"a frame is {expected} here, not {list(shape)}")


def _in_lines(pixels: Any, buffer: Buffer, line: int, channels: int) -> Buffer:
    """The memory itself when every line of `line` bytes is in one piece and the lines follow each other; else a copy."""
    strides = buffer.strides
    if strides[0] >= line and strides[1] == channels and (len(strides) == 2 or strides[2] == 1):
        return buffer
    copy = Buffer(memoryview(pixels).tobytes())
    copy.shape, copy.strides = buffer.shape, (line, channels, 1)[: len(strides)]
    return copy


def _readable(buffer: Buffer) -> int:
    """Bytes from the first to the last element."""
    if 0 in buffer.shape:
        return 0
    return 1 + sum((count - 1) * stride for count, stride in zip(buffer.shape, buffer.strides))
