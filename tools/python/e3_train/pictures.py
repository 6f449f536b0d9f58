"""Pictures as the runtime reads them, and the views of them that training sees."""

import math
import re
import warnings

import numpy as np
from PIL import Image, ImageOps

from .faults import Fault, UsageFault

# As e3-eval and e3-convert take them from folders.
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".pbm", ".pgm", ".ppm", ".pnm")
OTHERS = (
  ".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jps", ".jxl", ".pam", ".psd", ".svg", ".tga", ".tif",
  ".tiff", ".webp",
  ".arw", ".cr2", ".cr3", ".dng", ".nef", ".raw",  # of cameras, unprocessed
  ".avi", ".mkv", ".mov", ".mp4", ".webm",  # films
)
FORMATS = ("JPEG", "PNG", "PPM")  # MPO opens as JPEG
FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
# Pictures beyond these are refused, as the runtime refuses them: docs/LIMITS.md.
PIXELS = 1 << 26
SIDE = 1 << 14
# Values beyond this are no pixels that a network was trained on: the constants have another unit.
LARGEST_PLAUSIBLE_VALUE = 32
# A number as Swift reads it too: Python's float() also takes blanks, underscores and the digits of other scripts.
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def unidentified(path):
  """Why no picture was found in a file."""
  with open(path, "rb") as file:
    first = file.read(8)
  if not first:
    return "the file is empty"
  if first.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
    return "not a whole picture: it is cut or damaged in its header"
  return "no JPEG, PNG or PNM picture"


def read(path, channels):
  """The picture at `path` upright, on white where it is transparent: a Pillow image of mode RGB or L."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > PIXELS or max(image.size) > SIDE:
          raise Fault(path, f"{image.width} x {image.height} pixels, more than {PIXELS} or a side of more than {SIDE}")
        image.draft("RGB", image.size)
        image.load()
        image = ImageOps.exif_transpose(image)
        return plain(image).convert("RGB" if channels == 3 else "L")
  except Fault:
    raise
  except Image.UnidentifiedImageError:
    raise Fault(path, unidentified(path))
  except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError) as error:
    # Of the system, not of the picture.
    of_system = isinstance(error, OSError) and error.errno and error.strerror
    raise Fault(path, of_system or f"not a whole picture: {error}")


def ends(path):
  """Whether a file has the end that PNG has; the runtime misses it, and Pillow does not."""
  with open(path, "rb") as file:
    return file.read(8) != b"\x89PNG\r\n\x1a\n" or b"IEND\xaeB`\x82" in file.read()


def plain(image):
  """Without transparency and with 8 bits a channel."""
  if image.mode.startswith("I"):
    return Image.fromarray((np.asarray(image, np.float64) / 257 + 0.5).clip(0, 255).astype(np.uint8))
  if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
  return image if image.mode in ("L", "RGB") else image.convert("RGB")


class ValueNorm:
  """`MEAN,STD`, or three means and three deviations, of pixels in 0...1 or of bytes: as `e3-convert pack` takes them, whose
  rule is in Sources/E3Converter/PixelUnit.swift. A ValueError says what is wrong with them."""

  def __init__(self, text):
    parts = text.split(",")
    numbers = [float(part) for part in parts] if all(map(NUMBER.fullmatch, parts)) else []
    half = len(numbers) // 2
    self.means, self.deviations = numbers[:half], numbers[half:]
    with np.errstate(over="ignore"):
      mean, deviation = np.float32(self.means), np.float32(self.deviations)
    if len(numbers) not in (2, 6) or not np.isfinite([mean, deviation]).all():
      raise ValueError(f"{text!r}: expected MEAN,STD, or three means and three deviations")
    if deviation.min() <= 0:
      raise ValueError(f"{text!r}: expected deviations above 0")
    # A mean of 0 is 0 in both units. Any other constant tells the unit, and all tell the same one.
    shares = {bool(abs(constant) <= 1) for constant in (*mean, *deviation) if constant}
    # Largest value of the pixels that the constants are of: 1 or 255.
    self.largest = 1 if True in shares else 255
    units = "means and deviations of pixels in 0...1 (0.485,0.229) or in 0...255 (123.7,58.4)"
    if len(shares) > 1:
      raise ValueError(f"{text!r}: expected {units}, but some are of one and some of the other")
    reach = (np.maximum(abs(mean), abs(np.float32(self.largest) - mean)) / deviation).max()
    if reach > LARGEST_PLAUSIBLE_VALUE:
      raise ValueError(f"{text!r}: expected {units}; with these, values would reach {reach:.4g}")

  def __str__(self):
    return ",".join(f"{number:.9g}" for number in self.means + self.deviations)

  def of(self, channels):
    """For a grey model of a trunk for colours: the means of the three."""
    if channels > 1 or len(self.means) == 1:
      return self
    return ValueNorm(f"{sum(self.means) / 3:.9g},{sum(self.deviations) / 3:.9g}")


class Resize:
  """Pillow's resize: `FILTER:SIDE`, of the shorter side, or `FILTER:HxW`. A ValueError says what is wrong with it."""

  def __init__(self, text):
    match = re.fullmatch(r"([a-z]+):([0-9]+)(?:x([0-9]+))?", text)
    if not match or match[1] not in FILTERS:
      raise ValueError(f"{text!r}: expected FILTER:SIDE or FILTER:HxW, FILTER being one of {', '.join(FILTERS)}")
    self.text, self.filter, self.sides = text, FILTERS[match[1]], tuple(int(side) for side in match.groups()[1:] if side)
    if max(self.sides) > SIDE:
      raise ValueError(f"{text!r}: a side of more than {SIDE}")

  def holding(self, height, width):
    """This one. A ValueError where no image of that size can be cut from its pictures."""
    smallest = self.sides if len(self.sides) == 2 else self.sides * 2
    if smallest[0] < max(1, height) or smallest[1] < max(1, width):
      raise ValueError(f"{self.text!r} is smaller than the image size, {height}x{width}")
    return self


def understood(kind, text, option, origin=None):
  """`kind(text)`. What is wrong is said of the option, or of the file `origin` that says it in the option's place."""
  try:
    return kind(text)
  except ValueError as error:
    if origin is None:
      raise UsageFault(option, error)
    raise Fault(origin, f"{option[2:].replace('-', '_')} {error}: give {option}")


class Recipe:
  """How a picture becomes the model's input, in the words of `e3-convert pack`: Pillow's resize, a central crop of the
  image size, and `(x - mean) / deviation`."""

  def __init__(self, resize, value_norm, image_size, channels, resize_origin=None, value_norm_origin=None):
    """The origins: the files that say so; None for the options."""
    self.resize, self.image_size, self.channels = resize, tuple(image_size), channels
    how = understood(lambda text: Resize(text).holding(*self.image_size), resize, "--resize", resize_origin)
    norm = understood(lambda text: ValueNorm(text).of(channels), value_norm, "--value-norm", value_norm_origin)
    self.filter, self.sides = how.filter, how.sides
    self.value_norm, self.largest = str(norm), norm.largest
    # Of pixels in 0...1.
    self.mean, self.deviation = (
      np.array([number / norm.largest for number in part], np.float32) for part in (norm.means, norm.deviations))

  def whole(self, image):
    """A Pillow image as a board sees it: bytes [h, w, channels]."""
    height, width = self.image_size
    if len(self.sides) == 2:
      rows, columns = self.sides
    else:
      shorter = self.sides[0]
      rows, columns = (shorter, int(shorter * image.width / image.height))
      if image.width < image.height:
        rows, columns = int(shorter * image.height / image.width), shorter
    image = image.resize((columns, rows), self.filter)
    top, left = round((rows - height) / 2), round((columns - width) / 2)
    return self.bytes(image.crop((left, top, left + width, top + height)))

  def view(self, image, views, generator):
    """A varied view of a Pillow image: bytes [h, w, channels]. `views` are the numbers of the training recipe."""
    uniform = generator.uniform
    height, width = self.image_size
    if len(self.sides) == 2:  # both sides are given: the whole picture is squeezed
      box_width, box_height = image.width, image.height
    else:
      scale = min(image.width / width, image.height / height) * max(self.image_size) / self.sides[0]
      box_width, box_height = width * scale, height * scale
    area, aspect = uniform(*views["area"]), math.exp(uniform(-1, 1) * math.log(views["aspect"]))
    crop_width = min(image.width, box_width * math.sqrt(area * aspect))
    crop_height = min(image.height, box_height * math.sqrt(area / aspect))
    left, top = uniform(0, image.width - crop_width), uniform(0, image.height - crop_height)
    image = image.resize((width, height), self.filter, box=(left, top, left + crop_width, top + crop_height))
    if generator.random() < views["flip"]:
      image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if angle := uniform(-1, 1) * views["rotation"]:
      ground = tuple(int(value) for value in np.asarray(image, np.float32).reshape(width * height, -1).mean(0))
      image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=ground if self.channels == 3 else ground[0])
    x = self.bytes(image).astype(np.float32)
    contrast, tint = uniform(1 - views["contrast"], 1 + views["contrast"]), views["tint"]
    x = x * (contrast * generator.uniform(1 - tint, 1 + tint, self.channels).astype(np.float32))
    x += 255 * views["brightness"] * uniform(-1, 1)
    if views["noise"] and generator.random() < 0.5:
      x += generator.standard_normal(x.shape, dtype=np.float32) * (255 * uniform(0, views["noise"]))
    if generator.random() < views["erased"]:
      rows, columns = (int(size * uniform(0.15, 0.5)) for size in (height, width))
      top, left = generator.integers(0, height - rows + 1), generator.integers(0, width - columns + 1)
      x[top : top + rows, left : left + columns] = 255 * generator.random()
    return (x + 0.5).clip(0, 255).astype(np.uint8)

  def bytes(self, image):
    return np.asarray(image).reshape(*self.image_size, self.channels)

  def values(self, pixels):
    """Bytes [..., channels] in the model's value range."""
    return (pixels.astype(np.float32) / 255 - self.mean) / self.deviation
