"""Pictures as the runtime reads them, and the views of them that training sees."""

import math
import re
import warnings

import numpy as np
from PIL import Image, ImageOps

from .faults import Fault

# As e3-eval and e3-convert take them from folders.
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".pbm", ".pgm", ".ppm", ".pnm")
OTHERS = (".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".jxl")
FORMATS = ("JPEG", "PNG", "PPM")  # MPO opens as JPEG
FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
# Pictures beyond these are refused, as the runtime refuses them: docs/LIMITS.md.
PIXELS = 1 << 26
SIDE = 1 << 14


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
    raise Fault(path, f"not a whole picture: {error}")


def plain(image):
  """Without transparency and with 8 bits a channel."""
  if image.mode.startswith("I"):
    return Image.fromarray((np.asarray(image, np.float64) / 257 + 0.5).clip(0, 255).astype(np.uint8))
  if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
  return image if image.mode in ("L", "RGB") else image.convert("RGB")


class Recipe:
  """How a picture becomes the model's input, in the words of `e3-convert pack`: Pillow's resize, a central crop of the
  image size, and `(x / 255 - mean) / deviation`."""

  def __init__(self, resize, value_norm, image_size, channels):
    self.resize, self.image_size, self.channels = resize, tuple(image_size), channels
    match = re.fullmatch(r"(\w+):(\d+)(?:x(\d+))?", resize)
    if not match or match[1] not in FILTERS:
      raise Fault("--resize", f"{resize!r}: expected FILTER:SIDE or FILTER:HxW, FILTER being one of {', '.join(FILTERS)}")
    self.filter, self.sides = FILTERS[match[1]], tuple(int(side) for side in match.groups()[1:] if side)
    if min(self.sides[0], self.sides[-1]) < max(1, *self.image_size) and len(self.sides) == 1 or (
      len(self.sides) == 2 and (self.sides[0] < self.image_size[0] or self.sides[1] < self.image_size[1])
    ):
      raise Fault("--resize", f"{resize!r} is smaller than the image size, {image_size[0]}x{image_size[1]}")
    if max(self.sides) > SIDE:
      raise Fault("--resize", f"{resize!r}: a side of more than {SIDE}")
    try:
      numbers = [float(number) for number in value_norm.split(",")]
    except ValueError:
      numbers = []
    half = len(numbers) // 2
    if len(numbers) not in (2, 2 * channels, 6) or not all(map(math.isfinite, numbers)) or min(numbers[half:]) <= 0:
      raise Fault("--value-norm", f"{value_norm!r}: expected MEAN,STD, or three means and three deviations")
    if max(map(abs, numbers)) > 1:
      raise Fault("--value-norm", f"{value_norm!r}: expected means and deviations of pixels in 0...1")
    if channels == 1 and half == 3:  # a grey model of a trunk for colours
      numbers = [sum(numbers[:3]) / 3, sum(numbers[3:]) / 3]
      half = 1
    self.value_norm = ",".join(f"{number:.9g}" for number in numbers)
    self.mean, self.deviation = (np.array(part, np.float32) for part in (numbers[:half], numbers[half:]))

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
