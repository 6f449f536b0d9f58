"""Writes pillow.txt: what Pillow, torchvision's and timm's size rules and centre crops give for random pictures.

A line is one case: frame width and height, channels, seed of its pixels, fit (0 exact, 1 shorter, 2 cover), resize height and
width, filter (Pillow's number), crop rounding (0 down, 1 half to even), image height and width, FNV-1a of the image's bytes.
Needs Pillow 13 or later (its order of the two passes), torchvision, timm and numpy.
"""
import random

import numpy as np
from PIL import Image
from timm.data.transforms import ResizeKeepRatio
from torchvision import transforms
from torchvision.transforms import InterpolationMode

MODES = {0: InterpolationMode.NEAREST, 1: InterpolationMode.LANCZOS, 2: InterpolationMode.BILINEAR,
         3: InterpolationMode.BICUBIC, 4: InterpolationMode.BOX, 5: InterpolationMode.HAMMING}


def pixels(width, height, channels, seed):
    """Upper bytes of a 32-bit linear congruential generator; a third of the seeds only black and white."""
    state, values = seed, []
    for _ in range(width * height * channels):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        byte = state >> 24
        values.append((255 if byte > 127 else 0) if seed % 3 == 0 else byte)
    array = np.array(values, np.uint8).reshape(height, width, channels)
    return Image.fromarray(array[..., 0] if channels == 1 else array)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def case(rng, seed):
    longest = rng.choice([12, 60, 150])
    width, height = rng.randint(1, longest), rng.randint(1, longest)
    channels = rng.choice([1, 3])
    image_height, image_width = rng.randint(1, 40), rng.randint(1, 40)
    if rng.random() < 0.5:
        image_width = image_height
    fit, number, crop = rng.randint(0, 2), rng.randint(0, 5), rng.randint(0, 1)
    resize_height, resize_width = image_height + rng.randint(0, 12), image_width + rng.randint(0, 12)
    if fit == 1:
        resize_height = resize_width = max(resize_height, resize_width)
        resize = transforms.Resize(resize_height, MODES[number])
    elif fit == 2:
        resize = ResizeKeepRatio((resize_height, resize_width), interpolation=MODES[number].value)
    else:
        resize = transforms.Resize((resize_height, resize_width), MODES[number])
    picture = resize(pixels(width, height, channels, seed))
    if crop == 1:
        picture = transforms.CenterCrop((image_height, image_width))(picture)
    else:
        left, top = (picture.width - image_width) // 2, (picture.height - image_height) // 2
        picture = picture.crop((left, top, left + image_width, top + image_height))
    fields = (width, height, channels, seed, fit, resize_height, resize_width, number, crop, image_height, image_width)
    return " ".join(map(str, fields)) + f" {fnv(picture.tobytes()):016x}"


rng = random.Random(17)
with open("pillow.txt", "w") as file:
    for seed in range(1, 301):
        file.write(case(rng, seed) + "\n")
