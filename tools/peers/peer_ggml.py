"""A model for ggml, experts included, as a graph of its operators.

int8 is its type q8_0: blocks of 32 weights with a scale each, and the same for activations as they come. The file is
one of safetensors with the prepared weights and the configuration; the graph is built when it is opened. GELU is
ggml's own, which reads it from a table of 16-bit floats; in the float32 form, which is there to be checked, it is made
of other operators.
"""

import ctypes
import json
import math

import numpy as np

from layers import EPSILON, Layers

BLOCK = 32  # values with one scale
MOST_NODES = 4096


def quantised(rows):
  """q8_0: a scale of 16 bits, then 32 codes. The last axis must be a multiple of 32."""
  blocks = rows.reshape(*rows.shape[:-1], -1, BLOCK).astype(np.float32)
  scale = np.abs(blocks).max(-1, keepdims=True) / 127
  codes = np.rint(blocks / np.where(scale == 0, 1, scale)).astype(np.int8)
  return np.concatenate([scale.astype(np.float16).view(np.uint8), codes.view(np.uint8)], -1)


class Writer(Layers):
  """{name: array} of what the graph multiplies and adds; kernels as [outputs, inputs]."""

  def __init__(self, config, weights, is_int8):
    super().__init__(config, weights)
    self.is_int8, self.arrays = is_int8, {}

  def floats(self, name, values):
    self.arrays[name] = np.ascontiguousarray(values, np.float32)

  def product(self, name, kernel, bias):
    rows = np.ascontiguousarray(np.swapaxes(kernel, -1, -2), np.float32)
    self.arrays[f"{name}:kernel"] = quantised(rows) if self.is_int8 and rows.shape[-1] % BLOCK == 0 else rows
    self.floats(f"{name}:bias", bias)

  def prepare(self):
    kernel, bias, positions, class_row = self.embedding()
    self.product("embedding", kernel, bias)
    self.floats("positions", positions)
    self.floats("class", class_row)
    for block, is_last in self.blocks():
      parts = self.attention(block)
      if is_last:
        self.product(f"{block}/query", *parts[0])
        heads = (self.hidden, self.heads, self.depth)
        self.floats(f"{block}/key", parts[1][0].reshape(heads).transpose(1, 0, 2))
        self.floats(f"{block}/value", parts[2][0].reshape(heads).transpose(1, 2, 0))
        self.floats(f"{block}/value:bias", parts[2][1])
      else:
        self.product(f"{block}/qkv", *(np.concatenate(part, -1) for part in zip(*parts)))
      self.product(f"{block}/out", *self.dense(block, "SelfAttention", "out"))
      if not self.has_experts(block):
        self.product(f"{block}/0", *self.dense(block, "Mlp", "Dense_0", norm=f"{block}/LayerNorm_1"))
        self.product(f"{block}/1", *self.dense(block, "Mlp", "Dense_1"))
        continue
      for member in range(self.members):
        (router, bias), *layers = self.member_experts(block, member)
        self.floats(f"{block}/{member}/router:kernel", router.T)
        self.floats(f"{block}/{member}/router:bias", bias)
        for index, layer in enumerate(layers):
          self.product(f"{block}/{member}/{index}", *layer)
    self.product("pre_logits", *self.dense("pre_logits", norm="Encoder/encoder_norm"))
    self.product("head", *self.dense("head"))
    return self.arrays


def write(config, weights, path, is_int8):
  from safetensors.numpy import save_file

  values = {"config": json.dumps(config), "form": "int8" if is_int8 else "float"}
  save_file(Writer(config, weights, is_int8).prepare(), path, metadata=values)


class Network(Layers):
  """The graph. Sizes are ggml's: the axis that lies together first."""

  def __init__(self, config, file, threads, is_int8):
    import ggml

    super().__init__(config, None)
    self.ggml, self.file, self.is_int8 = ggml, file, is_int8
    self.backend = ggml.ggml_backend_cpu_init()
    ggml.ggml_backend_cpu_set_n_threads(self.backend, threads)
    self.constants, self.context = self.new_context(), self.new_context()
    self.names = {}

  def new_context(self):
    size = MOST_NODES * self.ggml.ggml_tensor_overhead() + self.ggml.ggml_graph_overhead_custom(MOST_NODES, False)
    return self.ggml.ggml_init(self.ggml.ggml_init_params(mem_size=size, mem_buffer=None, no_alloc=True))

  def op(self, name, *inputs):
    return getattr(self.ggml, f"ggml_{name}")(self.context, *inputs)

  def load(self, name):
    """The tensor of an array of the file; its values are copied when all are known."""
    if name not in self.names:
      piece = self.file.get_slice(name)
      shape, kind = piece.get_shape(), self.ggml.GGML_TYPE_F32
      if piece.get_dtype() == "U8":
        shape, kind = [*shape[:-2], shape[-2] * BLOCK], self.ggml.GGML_TYPE_Q8_0
      sizes = (ctypes.c_int64 * len(shape))(*shape[::-1])
      self.names[name] = self.ggml.ggml_new_tensor(self.constants, kind, len(shape), sizes)
    return self.names[name]

  def product(self, x, name):
    return self.op("add", self.op("mul_mat", self.load(f"{name}:kernel"), x), self.load(f"{name}:bias"))

  def norm(self, x):
    return self.op("norm", x, EPSILON)

  def gelu(self, x):
    """ggml's own, except where the function is checked."""
    if self.is_int8:
      return self.op("gelu", x)
    inner = self.op("add", x, self.op("scale", self.op("mul", self.op("sqr", x), x), 0.044715))
    return self.op("mul", x, self.op("sigmoid", self.op("scale", inner, (8 / math.pi) ** 0.5)))

  def class_rows(self, x):
    """Of every copy: [H, copies]."""
    return self.op("cont", self.op("view_2d", x, self.hidden, self.copies, self.tokens * self.hidden * 4, 0))

  def all_attention(self, x, block):
    y, width = self.product(x, f"{block}/qkv"), 3 * self.hidden * 4
    query, key, value = (
      self.op("view_4d", y, self.depth, self.heads, self.tokens, self.copies, self.depth * 4, width,
              self.tokens * width, part * self.hidden * 4) for part in range(3))
    query, key = (self.op("permute", part, 0, 2, 1, 3) for part in (query, key))
    value = self.op("cont", self.op("permute", value, 1, 2, 0, 3))
    mixed = self.op("mul_mat", value, self.op("soft_max", self.op("mul_mat", key, query)))
    mixed = self.op("cont", self.op("permute", mixed, 0, 2, 1, 3))
    return self.op("reshape_2d", mixed, self.hidden, self.tokens * self.copies)

  def class_attention(self, x, block):
    """As the tuned ONNX export: the query meets the tokens, not their keys and values."""
    query = self.product(self.class_rows(x), f"{block}/query")
    query = self.op("reshape_4d", query, self.depth, 1, self.heads, self.copies)
    query = self.op("mul_mat", self.load(f"{block}/key"), query)
    query = self.op("reshape_3d", query, self.hidden, self.heads, self.copies)
    rows = self.op("reshape_3d", x, self.hidden, self.tokens, self.copies)
    scores = self.op("soft_max", self.op("mul_mat", rows, query))
    mixed = self.op("mul_mat", self.op("cont", self.op("transpose", rows)), scores)
    mixed = self.op("reshape_4d", mixed, self.hidden, 1, self.heads, self.copies)
    mixed = self.op("mul_mat", self.load(f"{block}/value"), mixed)
    mixed = self.op("reshape_2d", mixed, self.hidden, self.copies)
    return self.op("add", mixed, self.load(f"{block}/value:bias"))

  def mixture(self, x, block, tokens):
    """The members' answers, each [H, tokens]."""
    answers = []
    for member in range(self.members):
      name = f"{block}/{member}"
      rows = x
      if self.copies > 1:
        width = self.hidden * 4
        rows = self.op("view_2d", x, self.hidden, tokens, width, member * tokens * width)
      gates = self.op("soft_max", self.product(rows, f"{name}/router"))
      expert = self.op("top_k", gates, 1)
      gate = self.op("get_rows", self.op("reshape_3d", gates, 1, gates.contents.ne[0], tokens), expert)
      y = self.op("reshape_3d", rows, self.hidden, 1, tokens)
      for layer in (0, 1):
        y = self.gelu(y) if layer else y
        y = self.op("mul_mat_id", self.load(f"{name}/{layer}:kernel"), y, expert)
        y = self.op("add_id", y, self.load(f"{name}/{layer}:bias"), expert)
      answers.append(self.op("reshape_2d", self.op("mul", y, gate), self.hidden, tokens))
    return answers

  def concatenated(self, parts):
    first, *others = parts
    for part in others:
      first = self.op("concat", first, part, 1)
    return first

  def build(self):
    """Gives the tensors of the image and of the logits, and the graph."""
    g = self.ggml
    (gh, gw), (ph, pw) = self.grid, self.patch
    image = self.op("new_tensor_4d", g.GGML_TYPE_F32, pw * 3, gw, ph, gh)
    x = self.op("cont", self.op("permute", image, 0, 2, 1, 3))
    x = self.product(self.op("reshape_2d", x, ph * pw * 3, gh * gw), "embedding")
    x = self.op("concat", self.load("class"), self.op("add", x, self.load("positions")), 1)
    self.copies = 1
    for block, is_last in self.blocks():
      y = (self.class_attention if is_last else self.all_attention)(self.norm(x), block)
      x = self.op("add", self.class_rows(x) if is_last else x, self.product(y, f"{block}/out"))
      y = self.norm(x)
      if not self.has_experts(block):
        x = self.op("add", x, self.product(self.gelu(self.product(y, f"{block}/0")), f"{block}/1"))
        continue
      answers = self.mixture(y, block, 1 if is_last else self.tokens)
      if self.copies < self.members:
        x = self.concatenated([self.op("add", x, answer) for answer in answers])
      else:
        x = self.op("add", x, self.concatenated(answers))
      self.copies = self.members
    logits = self.product(self.op("tanh", self.product(self.norm(x), "pre_logits")), "head")
    g.ggml_set_input(image)
    g.ggml_set_output(logits)
    graph = g.ggml_new_graph_custom(self.context, MOST_NODES, False)
    g.ggml_build_forward_expand(graph, logits)
    g.ggml_backend_alloc_ctx_tensors(self.constants, self.backend)
    for name, tensor in self.names.items():
      self.copy(tensor, self.file.get_tensor(name))
    allocator = g.ggml_gallocr_new(g.ggml_backend_get_default_buffer_type(self.backend))
    if not g.ggml_gallocr_alloc_graph(allocator, graph):
      raise MemoryError("ggml's graph")
    return image, logits, graph

  def copy(self, tensor, values):
    self.ggml.ggml_backend_tensor_set(tensor, values.ctypes.data, 0, values.nbytes)


class Session:
  def __init__(self, model, threads):
    from safetensors import safe_open

    with safe_open(model, "numpy") as file:
      values = file.metadata()
      self.network = Network(json.loads(values["config"]), file, threads, is_int8=values["form"] == "int8")
      self.image, self.answer, self.graph = self.network.build()
      self.network.file = None
    members = self.network.members if self.network.moe_layers else 1
    self.values = np.empty((members, self.network.classes), np.float32)

  def run(self, image):
    ggml = self.network.ggml
    self.network.copy(self.image, image)
    if ggml.ggml_backend_graph_compute(self.network.backend, self.graph):
      raise RuntimeError("ggml does not compute the graph")
    ggml.ggml_backend_tensor_get(self.answer, self.values.ctypes.data, 0, self.values.nbytes)

  def logits(self):
    return self.values.copy()
