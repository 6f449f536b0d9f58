"""Camera frames: what a model classifies."""

from __future__ import annotations

import ctypes
from typing import Any, Optional, Tuple

from . import _library
from ._buffer import Buffer, refuse_masked

# Number of each format and its planes: (lines, pixels, values) says that a value stands for so many lines and pixels of a
# line, and how many values stand together.
_WHOLE, _HALF, _QUARTER = (1, 1, 1), (1, 2, 2), (2, 2, 2)
_FORMATS = {
    "rgb24": (1, [(1, 1, 3)]),
    "gray8": (2, [_WHOLE]),
    "yuyv": (3, [(1, 1, 2)]),
    "nv12": (4, [_WHOLE, _QUARTER]),
    "uyvy": (5, [(1, 1, 2)]),
    "yvyu": (6, [(1, 1, 2)]),
    "nv21": (7, [_WHOLE, _QUARTER]),
    "nv16": (8, [_WHOLE, _HALF]),
    "i420": (9, [_WHOLE, (2, 2, 1), (2, 2, 1)]),
    "yv12": (10, [_WHOLE, (2, 2, 1), (2, 2, 1)]),
    "bgr24": (11, [(1, 1, 3)]),
    "bgrx32": (12, [(1, 1, 4)]),
    "rgbx32": (13, [(1, 1, 4)]),
    "xrgb32": (14, [(1, 1, 4)]),
    "xbgr32": (15, [(1, 1, 4)]),
    "gray10": (16, [_WHOLE]),
    "gray12": (17, [_WHOLE]),
    "gray16": (18, [_WHOLE]),
}
_WORDS = ("gray10", "gray12", "gray16")
_RANGES = {"default": 0, "limited": 1, "full": 2}
_MATRICES = {"default": 0, "bt601": 1, "bt709": 2, "bt2020": 3}
_CHROMA = ("yuyv", "nv12", "uyvy", "yvyu", "nv21", "nv16", "i420", "yv12")  # a sample for two pixels of a line
_CHROMA_OF_TWO_LINES = ("nv12", "nv21", "i420", "yv12")
_HIGH_DEFINITION = 720  # lines
_TRANSFORMS = {
    "none": 0,
    "rotate_90": 1,
    "rotate_180": 2,
    "rotate_270": 3,
    "flip_horizontal": 4,
    "flip_vertical": 5,
    "transpose": 6,
    "transverse": 7,
}


class Frame:
    """A camera image of any size, where it lies in memory. It keeps the memory alive, and copies nothing but planes whose
    lines are not each in one piece.

    >>> e3.Frame("nv12", luma, chroma, matrix="bt709")
    """

    __slots__ = ("struct", "reference", "_planes")

    def __init__(
        self,
        format: str,
        *planes: Any,
        range: str = "default",
        matrix: str = "default",
        crop: Optional[Tuple[int, int, int, int]] = None,
        transform: str = "none",
    ) -> None:
        """format: "rgb24" and the other names of `e3_pixel_format` in e3.h.

        planes: arrays of uint8, of the format's number, each `[height][width][values]`: "rgb24" one of 3 values, "yuyv" of 2,
            "bgrx32" of 4, "gray8" of 1, where the last axis may be missing; "nv12" luma and `[height/2][width/2][2]` or
            `[height/2][width]`; "i420" luma and twice `[height/2][width/2]`. "gray10", "gray12" and "gray16": uint16.
        range: "full" or "limited"; by default limited for formats with U and V
        matrix: "bt601", "bt709" or "bt2020"; by default BT.709 from 720 lines on and BT.601 below, as in e3-run
        crop: x, y, width and height of the rectangle that counts
        transform: how the rectangle is turned: "rotate_90" and the other names of `e3_transform`
        """
        number, layout = _known(_FORMATS, format, "pixel format")
        if len(planes) != len(layout):
            raise ValueError(f"{format} has {len(layout)} planes, not {len(planes)}")
        item = "H" if format in _WORDS else "B"
        buffers = [Buffer(plane) for plane in planes]
        height, width = _size(buffers[0], layout[0][2], format)
        odd = ["width"] if format in _CHROMA and width % 2 else []
        odd += ["height"] if format in _CHROMA_OF_TWO_LINES and height % 2 else []
        if odd:
            raise ValueError(f"the {' and '.join(odd)} of {format} must be even, but the frame has {width} x {height} pixels")
        struct = _library.Frame()
        struct.struct_size = ctypes.sizeof(_library.Frame)
        struct.format, struct.width, struct.height = number, width, height
        for index, (plane, buffer, (lines, pixels, values)) in enumerate(zip(planes, buffers, layout)):
            buffer = buffers[index] = _lines(
                plane, buffer, item, (height // lines, width // pixels, values), f"plane {index} of {format}"
            )
            if index < 2:
                struct.planes[index], struct.strides[index] = buffer.address, buffer.strides[0]
                struct.sizes[index] = _readable(buffer)
            else:
                struct.third_plane, struct.third_stride = buffer.address, buffer.strides[0]
                struct.third_size = _readable(buffer)
        if range != "default":
            struct.range = _known(_RANGES, range, "range")
        struct.matrix = _known(_MATRICES, matrix, "matrix")
        if matrix == "default" and format in _CHROMA and height >= _HIGH_DEFINITION:
            struct.matrix = _MATRICES["bt709"]
        if transform != "none":
            struct.transform = _known(_TRANSFORMS, transform, "transform")
        if crop is not None:
            x, y, crop_width, crop_height = crop
            if min(x, y) < 0 or min(crop_width, crop_height) < 1 or x + crop_width > width or y + crop_height > height:
                raise ValueError(f"the rectangle {crop} is not inside {width} x {height} pixels")
            struct.crop_x, struct.crop_y = x, y
            struct.crop_width, struct.crop_height = crop_width, crop_height
        self.struct = struct
        self.reference = ctypes.byref(struct)
        self._planes = buffers


def as_frame(image: Any) -> Frame:
    """A frame of what users hold: a :class:`Frame`, an array of uint8 `[height][width][3]` (RGB), `[height][width]` or
    `[height][width][1]` (grey), a tuple (luma, chroma) of NV12, or a Pillow image."""
    if type(image) is Frame:
        return image
    if isinstance(image, tuple):
        if len(image) != 2:
            raise ValueError(f"a tuple is the luma and chroma of NV12, not {len(image)} things")
        return Frame("nv12", *image)
    if hasattr(image, "getbands"):
        return _of_pillow(image)
    refuse_masked(image)
    shape = getattr(image, "shape", None)
    name = type(image).__name__
    if name == "Tensor" and hasattr(image, "numpy"):
        raise TypeError("a Tensor is no frame: give tensor.numpy(), uint8 [height][width][3]")
    if shape is None:
        raise TypeError(f"a {name} is no frame: give an array of uint8, (luma, chroma), a Pillow image or an e3.Frame")
    if len(shape) == 2 or len(shape) == 3 and shape[2] == 1:
        return Frame("gray8", image)
    if len(shape) == 3 and shape[2] == 3:
        return Frame("rgb24", image)
    message = f"an array is [height][width][3] (RGB) or [height][width] (grey), not {list(shape)}"
    if len(shape) == 3 and shape[0] in (1, 3):
        message += "; numpy.moveaxis(array, 0, -1) puts its channels last"
    elif len(shape) == 4:
        message += ": one frame at a time; Model.batch takes several"
    raise ValueError(message)


def several(frames: Any) -> Any:
    """The same, unless it is a single frame, whose lines would be taken for frames."""
    try:
        as_frame(frames)
    except (TypeError, ValueError, BufferError):
        return frames
    raise TypeError("one frame, where several are expected: give a list of frames")


def _of_pillow(image: Any) -> Frame:
    # The orientation that a camera wrote beside the pixels counts, as it does for e3-run.
    orientation = image.getexif().get(0x0112, 1)
    if orientation in range(2, 9):
        from PIL import ImageFile, ImageOps

        # Pillow keeps the tag in what is made of a picture, turned or not: only the pixels of the file are surely lying.
        if not isinstance(image, ImageFile.ImageFile):
            raise ValueError(
                f"a Pillow image that was made of another one, with the EXIF orientation {orientation}, which may have been "
                "applied: call ImageOps.exif_transpose(image) on the opened picture first"
            )
        image = ImageOps.exif_transpose(image)
    if image.mode not in ("RGB", "L"):
        raise ValueError(f"a Pillow image of mode {image.mode}: convert it to RGB or L, which says what becomes of the rest")
    if "transparency" in image.info:
        raise ValueError(
            f"a Pillow image of mode {image.mode} with a transparent colour: convert it to RGBA and paste it on a ground, or "
            'delete image.info["transparency"], which says what becomes of the rest'
        )
    channels = len(image.getbands())
    pixels = memoryview(image.tobytes()).cast("B", (image.height, image.width, channels))
    return Frame("rgb24" if channels == 3 else "gray8", pixels)


def _known(names: Any, name: str, what: str) -> Any:
    try:
        return names[name]
    except KeyError:
        raise ValueError(f"no {what} {name!r}: {', '.join(names)}") from None


def _size(buffer: Buffer, values: int, format: str) -> Tuple[int, int]:
    """Height and width of an image of `values` values a pixel."""
    shape = buffer.shape
    if len(shape) == 3 and shape[2] == values or len(shape) == 2 and values == 1:
        return shape[0], shape[1]
    raise ValueError(f"{format} is [height][width]{f'[{values}]' if values > 1 else ''}, not {list(shape)}")


def _lines(plane: Any, buffer: Buffer, item: str, shape: Tuple[int, int, int], what: str) -> Buffer:
    """The memory itself when every line is in one piece and lines follow each other; else a copy."""
    if buffer.format not in (item, "<" + item):
        kind = "uint16" if item == "H" else "uint8"
        raise TypeError(f"{what} is {kind}, not {buffer.format!r}: what other values mean is not known")
    lines, pixels, values = shape
    flat = (lines, pixels * values)
    if buffer.shape != shape and buffer.shape != flat:
        raise ValueError(f"{what} is {list(flat if values == 1 else shape)}, not {list(buffer.shape)}")
    size = 2 if item == "H" else 1
    inner = (size * values, size) if len(buffer.shape) == 3 else (size,)
    if buffer.strides[1:] == inner and buffer.strides[0] >= size * pixels * values:
        return buffer
    copy = Buffer(memoryview(plane).tobytes())
    copy.shape, copy.strides = buffer.shape, (size * pixels * values, *inner)
    return copy


def _readable(buffer: Buffer) -> int:
    """Bytes from the first to the last element."""
    if 0 in buffer.shape:
        return 0
    return buffer.strides[-1] + sum((count - 1) * stride for count, stride in zip(buffer.shape, buffer.strides))
