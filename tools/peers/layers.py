"""The weights of a model as graphs that are written by hand for a runtime take them: scales, norms and positions are
part of the products beside them."""

import numpy as np

EPSILON = 1e-6


class Layers:
  """Sizes and weights. Kernels are [inputs, outputs]; letters as in export.py."""

  def __init__(self, config, weights):
    self.weights = weights
    encoder = config["encoder"]
    moe = encoder.get("moe", {})
    self.hidden, self.heads, self.layers = config["hidden_size"], encoder["num_heads"], encoder["num_layers"]
    self.depth = self.hidden // self.heads
    self.image, self.patch = config["image_size"], config["patch_size"]
    self.grid = [size // patch for size, patch in zip(self.image, self.patch)]
    self.tokens = self.grid[0] * self.grid[1] + 1
    self.classes = config["num_classes"]
    self.moe_layers, self.members = moe.get("layers", []), moe.get("ensemble_size", 1)
    if moe and moe["router"]["num_selected_experts"] != 1:
      raise ValueError("only models that select one expert for a token are exported")

  def weight(self, *parts):
    return self.weights["/".join(parts)]

  def blocks(self):
    """[(name, whether it is the last)]"""
    return [(f"Encoder/encoderblock_{layer}", layer == self.layers - 1) for layer in range(self.layers)]

  def has_experts(self, block):
    return int(block.rpartition("_")[2]) in self.moe_layers

  def dense(self, *path, norm=None):
    """Kernel and bias; with those of the norm `norm` before it folded in, so that it takes unscaled rows."""
    bias = self.weight(*path, "bias").reshape(-1)
    kernel = self.weight(*path, "kernel").reshape(-1, bias.size)
    return self.fold(kernel, bias, norm) if norm else (kernel, bias)

  def fold(self, kernel, bias, norm):
    return self.weight(norm, "scale")[:, None] * kernel, bias + self.weight(norm, "bias") @ kernel

  def embedding(self):
    """Kernel, what is added to each patch's row, and the class token's row."""
    positions = self.weight("Encoder", "posembed_input", "pos_embedding")[0]
    kernel = self.weight("embedding", "kernel").reshape(-1, self.hidden)
    return kernel, self.weight("embedding", "bias"), positions[1:], self.weight("cls")[0] + positions[:1]

  def attention(self, block):
    """[(kernel, bias)] of queries, keys and values behind the folded norm, queries with their scale."""
    (query, bias), *others = (self.dense(block, "SelfAttention", name, norm=f"{block}/LayerNorm_0")
                              for name in ("query", "key", "value"))
    return [(query * self.depth**-0.5, bias * self.depth**-0.5), *others]

  def member_experts(self, block, member):
    """(router's kernel [H, E], its bias), then kernels [E, inputs, outputs] and biases of a member's two layers."""
    router = self.weight(block, "Moe", "Router", "dense", "kernel").reshape(self.hidden, self.members, -1)[:, member]
    norm = f"{block}/LayerNorm_1"
    parts = [self.fold(router, np.zeros(router.shape[1], np.float32), norm)]
    experts = slice(member * router.shape[1], (member + 1) * router.shape[1])
    for name in ("Dense_0", "Dense_1"):
      kernels, biases = (self.weight(block, "Moe", "Mlp", name, part)[experts] for part in ("kernel", "bias"))
      if name == "Dense_0":
        folded = [self.fold(kernel, bias, norm) for kernel, bias in zip(kernels, biases)]
        kernels, biases = (np.stack(part) for part in zip(*folded))
      parts.append((kernels, biases))
    return parts
