"""4-bit weights as `e3-convert pack` rounds them to the nearest level, for training that shall know what they will be.

The levels of the weights of up to 32 inputs of an output are `scale * multiplier * (code - zero)`: codes, multiplier and zero have
4 bits, and the scale is the output's. `Sources/CE3Kernels/definition/fit_int4.c` defines which are taken. What stands here does
the same in the same order of float32, for all outputs at once. The factors between a norm and the weights behind it, which pack
chooses too, are left out: of a norm whose channels differ less than fourfold they are 1.

Shapes: K inputs, G = K/32 groups of them, N outputs; before them the experts, if any.
"""

import torch
import torch.nn.functional as F

INPUTS, LEVELS, LIMIT = 32, 16, 127
# Shares of the largest weight's scale that are tried.
CANDIDATES = (1.0, 0.94, 0.88, 1.07)


def kernels(model, bits):
  """The names of the kernels that have 4 bits in a file with these {part: bits}, as `pack --weights` takes them."""
  parts = {name: "experts" if "/Moe/" in name else "mlp" for name in model.parameter if "/Mlp/Dense_" in name and name.endswith("/kernel")}
  return [name for name, part in parts.items() if bits.get(part) == 4]


class Grids:
  """The levels that the weights [..., K, N] of a layer may have."""

  def __init__(self, scale, multiplier, zero):
    """scale: [..., 1, N]; multiplier, zero: [..., G, N], all float32"""
    self.scale, self.multiplier, self.zero = scale, multiplier, zero

  @classmethod
  def fitting(cls, weights):
    """The levels that leave the least squared error. They cost some hundred roundings of the weights."""
    groups = grouped(weights.detach().float())
    largest = weights.detach().float().abs().amax(-2, keepdim=True)
    best = None
    for share in CANDIDATES:
      scale = torch.where(largest < 1e-30, 0.0, largest / LIMIT * torch.tensor(share))
      error, multiplier, zero = fitted(groups, scale)
      total = in_order(error.unbind(-2)).unsqueeze(-2)
      if best is None:
        best, least = (scale, multiplier, zero), total
      else:
        better = total < least
        best = tuple(torch.where(better, new, old) for new, old in zip((scale, multiplier, zero), best))
        least = torch.where(better, total, least)
    return cls(*best)

  def nearest(self, weights):
    """Weights [..., K, N] at their nearest levels."""
    step = (self.scale * self.multiplier).unsqueeze(-2)
    zero = self.zero.unsqueeze(-2)
    # Where all weights of a group are 0 their step is.
    codes = torch.nan_to_num(grouped(weights) / step, 0.0, 0.0, 0.0).round()
    levels = torch.minimum(torch.maximum(codes, -zero), LEVELS - 1 - zero) * step
    return levels.flatten(-3, -2)[..., : weights.shape[-2], :]


def grouped(weights):
  """[..., K, N] -> [..., G, 32, N], with zeros after the last input."""
  padding = -weights.shape[-2] % INPUTS
  return F.pad(weights, (0, 0, 0, padding)).unflatten(-2, (-1, INPUTS))


def in_order(parts):
  """The sum of tensors, one after the other."""
  total = parts[0]
  for part in parts[1:]:
    total = total + part
  return total


def fitted(groups, scale):
  """Of groups [..., G, 32, N] with the scales [..., 1, N]: squared error (float64), multiplier, zero, [..., G, N]."""
  rows = groups.unbind(-2)
  low, high = groups.amin(-2).clamp(max=0), groups.amax(-2).clamp(min=0)
  least = in_order([(row * row).double() for row in rows])
  multiplier, zero = torch.zeros_like(low), torch.zeros_like(low)
  ideal = torch.where(scale > 0, (high - low) / ((LEVELS - 1) * scale), 0.0)
  for factor in range(1, LEVELS):
    # A step that is much finer than the range, or coarser, is not worth a look.
    looked = (scale > 0) & (factor >= 0.5 * ideal - 1) & (factor <= 1.25 * ideal + 1)
    if not looked.any():
      continue
    reach = LIMIT // factor
    first, last = max(0, LEVELS - 1 - reach), min(reach, LEVELS - 1)
    step = scale * factor
    centre = (7.5 - (high + low) / (2 * scale * factor)).clamp(first, last).trunc()
    for place in (centre, centre + 1):
      found = missed(rows, step, place).double()
      better = looked & (place <= last) & (found < least)
      least = torch.where(better, found, least)
      multiplier = torch.where(better, float(factor), multiplier)
      zero = torch.where(better, place, zero)
  return least, multiplier, zero


def missed(rows, step, zero):
  """The sum of squared errors of rows at their nearest levels."""
  inverse, total = 1 / step, 0.0
  for row in rows:
    level = torch.maximum(torch.minimum(row * inverse, LEVELS - 1 - zero), -zero).round()
    error = row - level * step
    total = total + error * error
  return total


class Rounded(torch.autograd.Function):
  """Weights at their nearest levels; the gradient is that of the weights themselves (straight-through estimator)."""

  @staticmethod
  def forward(context, weights, grids):
    return grids.nearest(weights)

  @staticmethod
  def backward(context, gradient):
    return gradient, None
