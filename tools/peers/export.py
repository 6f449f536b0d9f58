"""The network as ONNX graphs. Semantics: E3 as google-research/vmoe defines it, one image, nothing dropped.

`natural` is what an export of the model as written gives: the members' copies made before the first block with experts,
every token through every block, separate query, key and value products, experts that gather and scatter one by one.

`tuned` is written by hand for speed: the image is computed once until the experts first divide the members, queries,
keys and values are one product with the scale folded in, tokens are sorted by expert once and split, and the last
block computes only the class token, whose queries meet the tokens instead of their keys and values. Operators are standard ones: ONNX Runtime's own for attention, and for a residual
sum with the norm after it, were not faster, and OpenVINO finds such groups itself.

Letters: M members, T tokens, H hidden, A heads, D = H/A, E experts in all.
"""

import numpy as np

from graph import Graph

EPSILON = 1e-6
FLOAT = ":float32"  # ends the names of products that are not quantised, as a router's do


class Network:
  """The weights and sizes of a model, and the layers that both exports share."""

  def __init__(self, config, weights):
    self.graph, self.weights = Graph(), weights
    encoder = config["encoder"]
    moe = encoder.get("moe", {})
    self.hidden, self.heads, self.layers = config["hidden_size"], encoder["num_heads"], encoder["num_layers"]
    self.image, self.patch = config["image_size"], config["patch_size"]
    self.grid = [size // patch for size, patch in zip(self.image, self.patch)]
    self.tokens = self.grid[0] * self.grid[1] + 1
    self.classes = config["num_classes"]
    self.moe_layers = moe.get("layers", [])
    self.experts, self.members = moe.get("num_experts", 0), moe.get("ensemble_size", 1)
    if moe and moe["router"]["num_selected_experts"] != 1:
      raise ValueError("only models that select one expert for a token are exported")

  def weight(self, *parts):
    return self.weights["/".join(parts)]

  def linear(self, x, kernel, bias, name):
    """A product and its bias. The name of the product is the layer's, by which quantisation knows it."""
    return self.graph.op("Add", self.graph.op("MatMul", x, kernel, name=name), bias)

  def dense(self, x, *path):
    bias = self.weight(*path, "bias").reshape(-1)
    return self.linear(x, self.weight(*path, "kernel").reshape(-1, bias.size), bias, "/".join(path))

  def norm(self, x, *path):
    scale, bias = self.weight(*path, "scale"), self.weight(*path, "bias")
    return self.graph.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

  def mlp(self, x, block):
    hidden = self.dense(x, block, "Mlp", "Dense_0")
    return self.dense(self.graph.op("Gelu", hidden, approximate="tanh"), block, "Mlp", "Dense_1")

  def expert(self, x, block, expert):
    def layer(x, name):
      kernel, bias = (self.weight(block, "Moe", "Mlp", name, part)[expert] for part in ("kernel", "bias"))
      return self.linear(x, kernel, bias, f"{block}/Moe/Mlp/{name}:{expert}")

    return layer(self.graph.op("Gelu", layer(x, "Dense_0"), approximate="tanh"), "Dense_1")

  def head(self, x):
    """Class token rows [M,H] to logits [M,C]."""
    x = self.graph.op("Tanh", self.dense(x, "pre_logits"))
    logits = self.dense(x, "head")
    self.graph.nodes[-1].output[0] = "logits"
    return logits

  def save(self, path):
    self.graph.save(path, {"image": [1, *self.image, 3]}, {"logits": [self.members, self.classes]})


class Natural(Network):
  def build(self):
    g = self.graph
    x = g.op("Transpose", "image", perm=[0, 3, 1, 2])
    kernel = self.weight("embedding", "kernel").transpose(3, 2, 0, 1)
    x = g.op("Conv", x, kernel, self.weight("embedding", "bias"), strides=self.patch, kernel_shape=self.patch)
    x = g.op("Transpose", g.op("Reshape", x, [1, self.hidden, -1]), perm=[0, 2, 1])
    x = g.op("Concat", self.weight("cls"), x, axis=1)
    x = g.op("Add", x, self.weight("Encoder", "posembed_input", "pos_embedding"))
    for layer in range(self.layers):
      block = f"Encoder/encoderblock_{layer}"
      if self.moe_layers and layer == self.moe_layers[0]:
        x = g.op("Expand", x, [self.members, 1, 1])
      x = g.op("Add", x, self.attention(self.norm(x, block, "LayerNorm_0"), block))
      y = self.norm(x, block, "LayerNorm_1")
      x = g.op("Add", x, self.mixture(y, block) if layer in self.moe_layers else self.mlp(y, block))
    x = self.norm(x, "Encoder", "encoder_norm")
    self.head(g.op("Gather", x, 0, axis=1))

  def attention(self, x, block):
    g = self.graph
    depth = self.hidden // self.heads

    def project(name, order):
      y = self.dense(x, block, "SelfAttention", name)
      return g.op("Transpose", g.op("Reshape", y, [0, 0, self.heads, depth]), perm=order)

    query = g.op("Div", project("query", [0, 2, 1, 3]), np.float32(depth**0.5))
    scores = g.op("Softmax", g.op("MatMul", query, project("key", [0, 2, 3, 1])), axis=-1)
    mixed = g.op("MatMul", scores, project("value", [0, 2, 1, 3]))
    mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), [0, 0, self.hidden])
    return self.dense(mixed, block, "SelfAttention", "out")

  def mixture(self, x, block):
    g = self.graph
    kernel = self.weight(block, "Moe", "Router", "dense", "kernel").reshape(self.hidden, self.members, -1)
    gates = g.op("Softmax", g.op("MatMul", x, kernel.transpose(1, 0, 2), name=f"{block}/Moe/Router"), axis=-1)
    gate, expert = g.op("TopK", gates, [1], axis=-1, outputs=2)
    first = np.arange(self.members).reshape(-1, 1, 1) * kernel.shape[2]
    expert = g.op("Reshape", g.op("Add", expert, first), [-1])
    gate = g.op("Reshape", gate, [-1, 1])
    rows = g.op("Reshape", x, [-1, self.hidden])
    result = g.constant(np.zeros((self.members * self.tokens, self.hidden), np.float32))
    for index in range(self.experts):
      chosen = g.op("Transpose", g.op("NonZero", g.op("Equal", expert, index)), perm=[1, 0])
      output = self.expert(g.op("GatherND", rows, chosen), block, index)
      output = g.op("Mul", output, g.op("GatherND", gate, chosen))
      result = g.op("ScatterND", result, chosen, output)
    return g.op("Reshape", result, [self.members, self.tokens, self.hidden])


class Tuned(Network):
  def build(self):
    g = self.graph
    (gh, gw), (ph, pw) = self.grid, self.patch
    x = g.op("Transpose", g.op("Reshape", "image", [gh, ph, gw, pw * 3]), perm=[0, 2, 1, 3])
    x = g.op("Reshape", x, [gh * gw, ph * pw * 3])
    positions = self.weight("Encoder", "posembed_input", "pos_embedding")[0]
    kernel = self.weight("embedding", "kernel").reshape(-1, self.hidden)
    x = self.linear(x, kernel, positions[1:] + self.weight("embedding", "bias"), "embedding")
    x = g.op("Concat", self.weight("cls")[0] + positions[:1], x, axis=0)

    self.copies = 1  # members' sequences in x, which is [copies * T, H]
    y = self.norm(x, "Encoder/encoderblock_0", "LayerNorm_0")
    for layer in range(self.layers):
      block, is_last = f"Encoder/encoderblock_{layer}", layer == self.layers - 1
      attended = self.attention(y, block, is_last)
      if is_last:
        x = g.op("Gather", x, np.arange(self.copies) * self.tokens, axis=0)
      x, y = self.add_norm(x, attended, block, "LayerNorm_1")
      if layer in self.moe_layers:
        y = self.mixture(y, block, 1 if is_last else self.tokens)
        x = g.op("Tile", x, [self.members // self.copies, 1]) if self.copies < self.members else x
        self.copies = self.members
      else:
        y = self.mlp(y, block)
      following = ("Encoder", "encoder_norm") if is_last else (f"Encoder/encoderblock_{layer + 1}", "LayerNorm_0")
      x, y = self.add_norm(x, y, *following)
    self.head(y)

  def add_norm(self, x, y, *path):
    """The residual sum and its norm."""
    x = self.graph.op("Add", x, y)
    return x, self.norm(x, *path)

  def attention(self, x, block, class_token_only):
    """Rows [copies * T, H] to [copies * T, H], or to the class tokens' [copies, H]."""
    g = self.graph
    depth = self.hidden // self.heads
    kernels, biases = (
      [self.weight(block, "SelfAttention", name, part).reshape(-1, self.hidden) for name in ("query", "key", "value")]
      for part in ("kernel", "bias"))
    kernels[0], biases[0] = kernels[0] * depth**-0.5, biases[0] * depth**-0.5

    def project(rows, first, last):
      kernel, bias = np.concatenate(kernels[first:last], 1), np.concatenate(biases[first:last], 1)[0]
      return self.linear(rows, kernel, bias, f"{block}/SelfAttention/{'qkv'[first:last]}")

    if class_token_only:
      # The query meets the tokens, not their keys and values: (Wk^T q) x, Wv (sum p x) + bv. Small products, in float32.
      query = project(g.op("Gather", x, np.arange(self.copies) * self.tokens, axis=0), 0, 1)
      key, value = (kernels[part].reshape(self.hidden, self.heads, depth) for part in (1, 2))
      rows = g.op("Reshape", x, [self.copies, -1, self.hidden])

      def product(a, b, name):
        return g.op("MatMul", a, b, name=f"{block}/SelfAttention/{name}{FLOAT}")

      query = g.op("Reshape", query, [self.copies, self.heads, 1, depth])
      query = product(query, key.transpose(1, 2, 0), "folded_query")
      query = g.op("Reshape", query, [self.copies, self.heads, self.hidden])
      scores = g.op("Softmax", product(query, g.op("Transpose", rows, perm=[0, 2, 1]), "scores"), axis=-1)
      mixed = g.op("Reshape", product(scores, rows, "mixed"), [self.copies, self.heads, 1, self.hidden])
      mixed = g.op("Reshape", product(mixed, value.transpose(1, 0, 2), "folded_value"), [self.copies, self.hidden])
      return self.dense(g.op("Add", mixed, biases[2][0]), block, "SelfAttention", "out")

    query, key, value = g.op("Split", project(x, 0, 3), outputs=3, axis=-1, num_outputs=3)
    shape = [self.copies, -1, self.heads, depth]
    query, key, value = (g.op("Transpose", g.op("Reshape", part, shape), perm=order) for part, order in
                         ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3])))
    mixed = g.op("MatMul", g.op("Softmax", g.op("MatMul", query, key), axis=-1), value)
    mixed = g.op("Transpose", mixed, perm=[0, 2, 1, 3])
    return self.dense(g.op("Reshape", mixed, [-1, self.hidden]), block, "SelfAttention", "out")

  def mixture(self, x, block, tokens):
    """Rows [copies * tokens, H] to the experts' answers [M * tokens, H], members one after the other."""
    g = self.graph
    router = f"{block}/Moe/Router"
    kernel = self.weight(router, "dense", "kernel").reshape(self.hidden, self.members, -1)
    if self.copies == self.members:
      rows = g.op("Reshape", x, [self.members, tokens, self.hidden])
      logits = g.op("MatMul", rows, kernel.transpose(1, 0, 2), name=router)
    else:
      logits = g.op("MatMul", x, kernel.reshape(self.hidden, -1), name=router)
      logits = g.op("Transpose", g.op("Reshape", logits, [tokens, self.members, -1]), perm=[1, 0, 2])
    gate, expert = g.op("TopK", g.op("Softmax", logits, axis=-1), [1], axis=-1, outputs=2)
    expert = g.op("Add", expert, np.arange(self.members).reshape(-1, 1, 1) * kernel.shape[2])
    rows = self.members * tokens
    sorted_expert, order = g.op("TopK", g.op("Reshape", expert, [rows]), [rows], outputs=2, largest=0)
    equal = g.op("Equal", sorted_expert, np.arange(self.experts).reshape(-1, 1))
    counts = g.op("ReduceSum", g.op("Cast", equal, to=7), [1], keepdims=0)
    source = order if self.copies == self.members else g.op("Mod", order, tokens)
    parts = g.op("Split", g.op("Gather", x, source, axis=0), counts, outputs=self.experts, axis=0)
    answers = [self.expert(part, block, index) for index, part in enumerate(parts)]
    gates = g.op("Gather", g.op("Reshape", gate, [rows, 1]), order, axis=0)
    answers = g.op("Mul", g.op("Concat", *answers, axis=0), gates)
    zeros = np.zeros((rows, self.hidden), np.float32)
    return g.op("ScatterND", zeros, g.op("Reshape", order, [rows, 1]), answers)


EXPORTS = {"natural": Natural, "tuned": Tuned}


def write(kind, config, weights, path):
  """Writes the float32 ONNX model of the export `kind`."""
  network = EXPORTS[kind](config, weights)
  network.build()
  network.save(path)
