"""The operations of `operations.py` for bfloat16 on a CPU, each forward and backward in one pass (`fused.cpp`).

Importing it compiles the C++ (half a minute, kept in PyTorch's extension cache) and fails where there is no compiler.
"""

from pathlib import Path

import torch
from torch.utils import cpp_extension

HEAD_SIZE = 32
TOKENS = 64
EPSILON = 1e-6

kernels = cpp_extension.load(
  name="e3_train_fused",
  sources=[Path(__file__).with_name("fused.cpp")],
  extra_cflags=["-O3", "-march=native", "-ffast-math"],
  extra_ldflags=["-lmvec"] if Path("/usr/include/x86_64-linux-gnu").exists() else [],
)


def serves(model):
  """Whether these operations can compute the model: heads of 32 values, at most 64 tokens, epsilon 1e-6, tanh GELU."""
  small = model.hidden // model.heads == HEAD_SIZE and model.tokens <= TOKENS
  return small and model.epsilon == EPSILON and not model.exact_gelu


class AddNorm(torch.autograd.Function):
  @staticmethod
  def forward(context, x, y, scale, bias):
    total, normal, mean, inverse = kernels.add_norm(x, y, scale, bias)
    context.save_for_backward(total, mean, inverse, scale)
    context.has_y = y is not None
    return x.view_as(x) if y is None else total, normal

  @staticmethod
  def backward(context, d_total, d_normal):
    gradients = kernels.add_norm_backward(
      d_total.contiguous(), d_normal.contiguous(), *context.saved_tensors, context.has_y
    )
    dx, dy, d_scale, d_bias = gradients
    return dx, dy if context.has_y else None, d_scale, d_bias


class Gelu(torch.autograd.Function):
  @staticmethod
  def forward(context, x):
    context.save_for_backward(x)
    return kernels.gelu(x)

  @staticmethod
  def backward(context, gradient):
    return kernels.gelu_backward(gradient.contiguous(), *context.saved_tensors)


class Attention(torch.autograd.Function):
  @staticmethod
  def forward(context, qkv, tokens):
    context.save_for_backward(qkv)
    context.tokens = tokens
    return kernels.attention(qkv, tokens)

  @staticmethod
  def backward(context, gradient):
    return kernels.attention_backward(gradient.contiguous(), *context.saved_tensors, context.tokens), None


def add_norm(x, y, scale, bias, epsilon):
  assert epsilon == EPSILON
  return AddNorm.apply(x.contiguous(), None if y is None else y.to(torch.bfloat16).contiguous(), scale, bias)


gelu = Gelu.apply


def attention(qkv, tokens, heads):
  return Attention.apply(qkv, tokens)
