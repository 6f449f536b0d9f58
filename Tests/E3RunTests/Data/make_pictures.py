#!/usr/bin/env python3
"""Writes the pictures beside this script (Pillow 13, numpy). Every picture has its expected pixels as NAME.ppm or .pgm.

JPEG is lossy: its expected pixels are what Pillow decodes, with the orientation applied by Pillow as well.
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
H, W = 18, 27
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([x * 9, y * 14, (x * 5 + y * 3) % 256], axis=2).astype(np.uint8)
grey = ((x * 7 + y * 4) % 256).astype(np.uint8)
alpha = ((x * 9 + y * 2) % 256).astype(np.uint8)


def expect(name, pixels):
    kind = "P6" if pixels.ndim == 3 else "P5"
    suffix = "ppm" if pixels.ndim == 3 else "pgm"
    with open(f"{name}.{suffix}", "wb") as file:
        file.write(f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.astype(np.uint8).tobytes())


def jpeg(name, image, **options):
    image.save(f"{name}.jpg", quality=92, **options)
    stored = ImageOps.exif_transpose(Image.open(f"{name}.jpg"))
    expect(name, np.asarray(stored if stored.mode == "L" else stored.convert("RGB")))


jpeg("colour-444", Image.fromarray(rgb), subsampling=0)
jpeg("colour-420", Image.fromarray(rgb), subsampling=2)
jpeg("progressive", Image.fromarray(rgb), progressive=True)
jpeg("grey", Image.fromarray(grey))
jpeg("restart", Image.fromarray(rgb), restart_marker_blocks=1)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[274] = orientation
    jpeg(f"orientation-{orientation}", Image.fromarray(rgb), exif=exif)

# CMYK with an Adobe marker (inverted ink) and without (Pillow's file with the marker cut out and the ink as it is).
cmyk = Image.fromarray(rgb).convert("CMYK")
cmyk.save("cmyk-adobe.jpg", quality=92)
ink = 255 - np.asarray(Image.open("cmyk-adobe.jpg")).astype(int)  # as stored: 255 is no ink
expect("cmyk-adobe", (ink[..., :3] * ink[..., 3:] + 127) // 255)
data = open("cmyk-adobe.jpg", "rb").read()
at = data.index(b"\xff\xee")
length = struct.unpack(">H", data[at + 2 : at + 4])[0]
open("cmyk-plain.jpg", "wb").write(data[:at] + data[at + 2 + length :])
expect("cmyk-plain", ((255 - ink[..., :3]) * (255 - ink[..., 3:]) + 127) // 255)


def blend(pixels, alpha):
    pixels, alpha = pixels.astype(int), alpha.astype(int)
    alpha = alpha[..., None] if pixels.ndim == 3 else alpha
    return (pixels * alpha + 255 * (255 - alpha) + 127) // 255


def png(name, colour_type, depth, samples, interlaced=False, extra=()):
    """Samples [H][W] or [H][W][C] of `depth` bits."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def lines(part):
        out = b""
        for row in part:
            values = row.reshape(-1)
            if depth == 16:
                packed = values.astype(">u2").tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in values)
                bits += "0" * (-len(bits) % 8)
                packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            out += b"\0" + packed
        return out

    body = lines(samples)
    if interlaced:
        body = b""
        for y0, x0, dy, dx in [
            (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
        ]:
            part = samples[y0::dy, x0::dx]
            if part.shape[0] and part.shape[1]:
                body += lines(part)
    header = struct.pack(">IIBBBBB", W, H, depth, colour_type, 0, 0, int(interlaced))
    with open(f"{name}.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        for kind, data in extra:
            file.write(chunk(kind, data))
        file.write(chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


png("rgb8", 2, 8, rgb)
expect("rgb8", rgb)
png("rgb8-interlaced", 2, 8, rgb, interlaced=True)
expect("rgb8-interlaced", rgb)
png("rgba8-interlaced", 6, 8, np.dstack([rgb, alpha]), interlaced=True)
expect("rgba8-interlaced", blend(rgb, alpha))
png("grey8", 0, 8, grey)
expect("grey8", grey)
png("grey-alpha8", 4, 8, np.dstack([grey, alpha]))
expect("grey-alpha8", blend(grey, alpha))
for depth in (1, 2, 4):
    samples = grey >> (8 - depth)
    png(f"grey{depth}", 0, depth, samples)
    expect(f"grey{depth}", samples.astype(int) * 255 // (2**depth - 1))
wide = rgb.astype(int) * 257 - (rgb > 100) * 77
png("rgb16", 2, 16, wide)
expect("rgb16", wide >> 8)  # as Pillow reads colours; grey is rounded
wide_grey = grey.astype(int) * 250
png("grey16-interlaced", 0, 16, wide_grey, interlaced=True)
expect("grey16-interlaced", (wide_grey * 255 + 32767) // 65535)
palette = np.stack([np.arange(16) * 17, 255 - np.arange(16) * 9, np.arange(16) * 5 + 3], axis=1).astype(np.uint8)
entries = (x + y) % 16
png("palette4", 3, 4, entries, extra=[(b"PLTE", palette.tobytes())])
expect("palette4", palette[entries])
transparency = (np.arange(16) * 16).astype(np.uint8)
png("palette4-transparent", 3, 4, entries, extra=[(b"PLTE", palette.tobytes()), (b"tRNS", transparency.tobytes())])
expect("palette4-transparent", blend(palette[entries], transparency[entries]))
