"""Machine parts on a belt, as `tools/parts/render` makes them: their splits, the augmentation, and how a model starts."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SIDE = 96
CHANNELS = 3


def load(split, directory):
  """Pictures [N, h, w, 3] (bytes) and labels [N] of a split; those of `train` have a margin."""
  try:
    images, labels = (np.load(Path(directory) / f"{split}{part}.npy") for part in ("", "-labels"))
  except (OSError, ValueError) as error:
    raise SystemExit(f"{error}; --data names the folder that tools/parts/render wrote")
  return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def value_range(images):
  """Bytes [N, h, w, 3] to the model's input in [-1, 1]."""
  return images.float() / 255 * 2 - 1


def turned(images, recipe, generator):
  """The middle of pictures [N, 3, h, w]: turned by any angle, maybe mirrored, a little nearer or farther, shifted."""
  count, side = len(images), images.shape[-1]

  def uniform(low, high):
    return low + (high - low) * torch.rand(count, generator=generator)

  angle, zoom = uniform(0, 2 * torch.pi), uniform(1 - recipe["zoom"], 1 + recipe["zoom"]) * SIDE / side
  flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
  shift = 2 * recipe["shift"] / side
  cosine, sine = angle.cos() * zoom, angle.sin() * zoom
  rows = torch.stack([cosine * flip, -sine, uniform(-shift, shift), sine * flip, cosine, uniform(-shift, shift)], 1)
  grid = F.affine_grid(rows.view(count, 2, 3), (count, 3, SIDE, SIDE), align_corners=False)
  return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def colours(count, recipe, generator):
  """What becomes of colours, matrices [N, 3, 3] and offsets [N, 3, 1]: saturation, light, white balance. In a share of
  the pictures the channels change places, as colour says nothing about a part."""

  def uniform(low, high, *shape):
    return low + (high - low) * torch.rand(count, *shape, generator=generator)

  orders = uniform(0, 1, 3).argsort(1)
  orders = torch.where(uniform(0, 1, 1) < recipe["recoloured"], orders, torch.arange(3))
  saturation = uniform(*recipe["saturation"], 1, 1)
  mixing = saturation * torch.eye(3)[orders] + (1 - saturation) / 3
  contrast = uniform(1 - recipe["contrast"], 1 + recipe["contrast"], 1, 1)
  return mixing * contrast * uniform(0.92, 1.08, 3, 1), uniform(-1, 1, 1, 1) * recipe["brightness"]


def augment(images, recipe, generator):
  """Bytes [N, h, w, 3] to varied inputs [N, 96, 96, 3] in [-1, 1]: turned, partly covered, in other light and
  colours, blurred, and with noise."""
  count = len(images)

  def uniform(low, high, *shape):
    return low + (high - low) * torch.rand(count, *(shape or (1, 1, 1)), generator=generator)

  x = turned(images.permute(0, 3, 1, 2).float(), recipe, generator)
  matrix, offset = colours(count, recipe, generator)
  x = torch.baddbmm(255 * offset, matrix, x.flatten(2)).view_as(x)
  # A strip of one colour across the picture, off its middle, at any angle, over a share of the pictures.
  covered = (uniform(0, 1, 1)[:, 0] < recipe["covered"]).nonzero()[:, 0]
  angle, place = uniform(0, 2 * torch.pi)[covered], torch.linspace(-1, 1, SIDE)
  across = angle.cos() * place.view(1, 1, -1) + angle.sin() * place.view(1, -1, 1)
  start, width = uniform(*recipe["strip_start"])[covered], uniform(*recipe["strip_width"])[covered]
  strip = (across > start) & (across < start + width)
  x[covered] = torch.where(strip, uniform(0, 255, 3, 1, 1)[covered], x[covered])
  blurred = (uniform(0, 1, 1)[:, 0] < recipe["blurred"]).nonzero()[:, 0]
  sharp = x[blurred]
  smooth = F.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
  x[blurred] = sharp.lerp(smooth, uniform(0, 1)[blurred])
  # Noise is a part of one long row of normal numbers, another part for each picture: drawing them all takes a while.
  row = torch.randn(4 * x[0].numel(), generator=generator)
  deviation = uniform(0, 255 * recipe["noise"], 1)[:, 0] * (uniform(0, 1, 1)[:, 0] < recipe["noisy"])
  starts = torch.randint(3 * x[0].numel(), (count,), generator=generator).tolist()
  for picture, start, scale in zip(x, starts, deviation.tolist()):
    if scale:
      picture.add_(row[start : start + picture.numel()].view_as(picture), alpha=scale)
  return x.clamp_(0, 255).mul_(2 / 255).sub_(1).permute(0, 2, 3, 1).contiguous()


def whitened(images, size, width):
  """A kernel [p, p, 3, H] and bias [H] that give the H strongest principal components of patches of inputs
  [N, h, w, 3], each of variance 1/4, or less where it is hardly more than noise."""
  count, height, side, channels = images.shape
  patches = images.view(count, height // size, size, side // size, size, channels).transpose(2, 3)
  patches = patches.reshape(-1, size * size * channels).double()
  mean = patches.mean(0)
  values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
  kernel = vectors[:, -width:] / (2 * (values[-width:] + 1e-2).sqrt())
  return kernel.view(size, size, channels, width).float(), -(mean @ kernel).float()


def waves(side, width):
  """Position embeddings [1, side * side, H]: sines and cosines of row and column, of wavelengths from 6 to 100 patches."""
  rates = 20 ** -(torch.arange(width // 4) / (width // 4))
  phases = torch.arange(side).unsqueeze(1) * rates
  line = torch.cat([phases.sin(), phases.cos()], 1)
  rows, columns = line.repeat_interleave(side, 0), line.repeat(side, 1)
  return 0.7 * torch.cat([rows, columns], 1).unsqueeze(0)


def attend_to_like(model):
  """Attention that starts as trained ones look (Trockman & Kolter 2023, "Mimetic initialization"): tokens attend to
  themselves and to what is near and alike, and what attention adds is less what the token is."""
  hidden, heads = model.hidden, model.heads
  size = hidden // heads

  def halves(alpha, beta, rank):
    product = alpha * torch.randn(hidden, hidden) / hidden**0.5 + beta * torch.eye(hidden)
    u, s, v = torch.linalg.svd(product)
    root = s[:rank].sqrt()
    return u[:, :rank] * root, v[:rank].T * root

  for block in range(model.blocks):
    name = f"Encoder/encoderblock_{block}/SelfAttention"
    pairs = [halves(0.7, 0.7, size) for _ in range(heads)]
    model.parameter[f"{name}/query/kernel"].data = torch.stack([query for query, _ in pairs], 1)
    model.parameter[f"{name}/key/kernel"].data = torch.stack([key for _, key in pairs], 1)
    value, out = halves(0.4, -0.4, hidden)
    model.parameter[f"{name}/value/kernel"].data = value.reshape(hidden, heads, size)
    model.parameter[f"{name}/out/kernel"].data = out.T.reshape(heads, size, hidden).contiguous()


def start(model, images, recipe):
  """Gives a fresh model what so few pictures teach it late: patches as their principal components, positions as waves,
  attention to what is near."""
  generator = torch.Generator().manual_seed(1)
  inputs = augment(images[:1024], recipe["augmentation"], generator)
  kernel, bias = whitened(inputs, model.patch[0], model.hidden)
  model.parameter["embedding/kernel"].data, model.parameter["embedding/bias"].data = kernel.contiguous(), bias
  model.parameter["Encoder/posembed_input/pos_embedding"].data = waves(SIDE // model.patch[0], model.hidden)
  attend_to_like(model)
