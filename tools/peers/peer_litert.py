"""A dense model for LiteRT, whose products XNNPACK computes.

int8 is what dynamic range quantisation makes of it: weights int8 with a scale for every output, and each row of the
activations scaled as it comes. XNNPACK takes only tensors whose sizes are known beforehand, which the number of an
expert's tokens is not. Only the last block's products with folded keys and values are in float32, as in the
tuned ONNX export.
"""

import flatbuffers
import numpy as np

from ai_edge_litert import schema_py_generated as schema
from layers import EPSILON, Layers

OPERATOR = schema.BuiltinOperator
VERSIONS = {OPERATOR.FULLY_CONNECTED: 9}  # the first with a scale for every output of int8 weights
TYPES = {"f": schema.TensorType.FLOAT32, "i": schema.TensorType.INT32, "b": schema.TensorType.INT8}


class Graph:
  """A writer of LiteRT's format: one call for an operator, the number of its tensor as the result."""

  def __init__(self):
    self.tensors, self.buffers, self.operators, self.codes = [], [schema.BufferT()], [], []

  def tensor(self, shape, kind=schema.TensorType.FLOAT32, buffer=0, scales=None):
    tensor = schema.TensorT()
    tensor.name, tensor.shape = f"tensor_{len(self.tensors)}", np.array(shape, np.int32)
    tensor.type, tensor.buffer = kind, buffer
    if scales is not None:
      tensor.quantization = schema.QuantizationParametersT()
      tensor.quantization.scale, tensor.quantization.zeroPoint = scales, np.zeros(scales.shape, np.int64)
    self.tensors.append(tensor)
    return len(self.tensors) - 1

  def shape(self, tensor):
    return [int(size) for size in self.tensors[tensor].shape]

  def constant(self, values, scales=None):
    values = np.asarray(values)
    if values.dtype != np.int8:
      values = values.astype(np.float32 if values.dtype.kind == "f" else np.int32)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    self.buffers.append(buffer)
    return self.tensor(values.shape, TYPES[values.dtype.char], len(self.buffers) - 1, scales)

  def op(self, code, *inputs, shape, options=None, **values):
    """Adds an operator. Arrays among the inputs become constants; `options` is the name of its options' type."""
    inputs = [x if isinstance(x, int) else self.constant(x) for x in inputs]
    if code not in self.codes:
      self.codes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs = self.codes.index(code), np.array(inputs, np.int32)
    result = self.tensor(shape)
    operator.outputs = np.array([result], np.int32)
    if options:
      operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
      operator.builtinOptions = getattr(schema, f"{options}T")()
      for key, value in values.items():
        setattr(operator.builtinOptions, key, value)
    self.operators.append(operator)
    return result

  def save(self, path, first, last):
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.name = self.tensors, self.operators, "main"
    graph.inputs, graph.outputs = np.array([first], np.int32), np.array([last], np.int32)
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, []
    for code in self.codes:
      entry = schema.OperatorCodeT()
      entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), VERSIONS.get(code, 1)
      model.operatorCodes.append(entry)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(path, "wb") as file:
      file.write(builder.Output())


class Network(Layers):
  def __init__(self, config, weights, is_int8):
    super().__init__(config, weights)
    self.graph, self.is_int8 = Graph(), is_int8

  def reshape(self, x, *shape):
    return self.graph.op(OPERATOR.RESHAPE, x, np.array(shape), shape=shape, options="ReshapeOptions",
                         newShape=list(shape))

  def transpose(self, x, *order):
    shape = [self.graph.shape(x)[axis] for axis in order]
    return self.graph.op(OPERATOR.TRANSPOSE, x, np.array(order), shape=shape, options="TransposeOptions")

  def binary(self, kind, x, y):
    return self.graph.op(getattr(OPERATOR, kind.upper()), x, y, shape=self.graph.shape(x), options=f"{kind}Options")

  def product(self, x, kernel, bias):
    """Rows times a kernel: XNNPACK quantises the rows when it is int8."""
    rows = np.ascontiguousarray(kernel.T)
    if self.is_int8:
      scales = (np.abs(rows).max(1) / 127).astype(np.float32)
      rows = self.graph.constant(np.rint(rows / scales[:, None]).astype(np.int8), scales)
    shape = [*self.graph.shape(x)[:-1], kernel.shape[1]]
    return self.graph.op(OPERATOR.FULLY_CONNECTED, x, rows, bias, shape=shape, options="FullyConnectedOptions",
                         asymmetricQuantizeInputs=self.is_int8)

  def batches(self, x, y, shape, transposed=False):
    return self.graph.op(OPERATOR.BATCH_MATMUL, x, y, shape=shape, options="BatchMatMulOptions", adjY=transposed)

  def softmax(self, x):
    return self.graph.op(OPERATOR.SOFTMAX, x, shape=self.graph.shape(x), options="SoftmaxOptions", beta=1.0)

  def norm(self, x):
    """Without scale and offset, which are part of the products behind it."""
    def mean(x):
      return self.graph.op(OPERATOR.MEAN, x, np.array(-1), shape=[*self.graph.shape(x)[:-1], 1],
                           options="ReducerOptions", keepDims=True)

    x = self.binary("Sub", x, mean(x))
    variance = self.binary("Add", mean(self.binary("Mul", x, x)), np.array([EPSILON]))
    return self.binary("Mul", x, self.graph.op(OPERATOR.RSQRT, variance, shape=self.graph.shape(variance)))

  def first_row(self, x):
    return self.graph.op(OPERATOR.SLICE, x, np.array([0, 0]), np.array([1, self.hidden]), shape=[1, self.hidden],
                         options="SliceOptions")

  def build(self):
    g = self.graph
    (gh, gw), (ph, pw) = self.grid, self.patch
    image = g.tensor([1, *self.image, 3])
    x = self.transpose(self.reshape(image, gh, ph, gw, pw * 3), 0, 2, 1, 3)
    kernel, bias, positions, class_row = self.embedding()
    x = self.binary("Add", self.product(self.reshape(x, gh * gw, ph * pw * 3), kernel, bias), positions)
    x = g.op(OPERATOR.CONCATENATION, class_row, x, shape=[self.tokens, self.hidden], options="ConcatenationOptions",
             axis=0)
    for block, is_last in self.blocks():
      mixed = (self.class_attention if is_last else self.all_attention)(self.norm(x), *self.attention(block))
      x = self.first_row(x) if is_last else x
      x = self.binary("Add", x, self.product(mixed, *self.dense(block, "SelfAttention", "out")))
      y = self.product(self.norm(x), *self.dense(block, "Mlp", "Dense_0", norm=f"{block}/LayerNorm_1"))
      y = g.op(OPERATOR.GELU, y, shape=g.shape(y), options="GeluOptions", approximate=True)
      x = self.binary("Add", x, self.product(y, *self.dense(block, "Mlp", "Dense_1")))
    x = self.product(self.norm(x), *self.dense("pre_logits", norm="Encoder/encoder_norm"))
    x = self.product(g.op(OPERATOR.TANH, x, shape=g.shape(x)), *self.dense("head"))
    return image, x

  def all_attention(self, x, *weights):
    rows, heads = [self.tokens, self.heads, self.depth], [self.heads, self.tokens, self.depth]
    query, key, value = (self.transpose(self.reshape(self.product(x, *part), *rows), 1, 0, 2) for part in weights)
    scores = self.softmax(self.batches(query, key, [self.heads, self.tokens, self.tokens], transposed=True))
    mixed = self.batches(scores, value, heads)
    return self.reshape(self.transpose(mixed, 1, 0, 2), self.tokens, self.hidden)

  def class_attention(self, x, query, key, value):
    """As the tuned ONNX export: the query meets the tokens, not their keys and values."""
    heads, wide, narrow = self.heads, [self.heads, 1, self.hidden], [self.heads, 1, self.depth]
    key_kernel, value_kernel = (part[0].reshape(self.hidden, heads, self.depth) for part in (key, value))
    y = self.reshape(self.product(self.first_row(x), *query), *narrow)
    y = self.reshape(self.batches(y, key_kernel.transpose(1, 2, 0), wide), heads, self.hidden)
    y = self.softmax(self.batches(y, x, [heads, self.tokens], transposed=True))
    y = self.reshape(self.batches(y, x, [heads, self.hidden]), *wide)
    y = self.reshape(self.batches(y, value_kernel.transpose(1, 0, 2), narrow), 1, self.hidden)
    return self.binary("Add", y, value[1])


def write(config, weights, path, is_int8):
  network = Network(config, weights, is_int8)
  network.graph.save(path, *network.build())
