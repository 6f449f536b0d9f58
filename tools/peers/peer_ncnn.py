"""A dense model for ncnn, in its own text format and with its own layers.

int8 is what ncnn2int8 makes of Gemm and MultiHeadAttention, but with the weights first in each product: so ncnn has a
scale for every output of the layer. Activations are scaled as they come. Queries of the last block are the class
token's; MultiHeadAttention does not fold keys and values into them. No layer of ncnn gathers the rows of an expert.
"""

import json
import struct

import numpy as np

from layers import EPSILON, Layers

FLOATS, INT8 = 0, 0x000D4B38  # what says in the file of the weights how an array is stored


class Graph:
  def __init__(self):
    self.layers, self.weights = [], bytearray()

  def layer(self, kind, *inputs, outputs=1, **parameters):
    """Adds a layer. Parameters are named by their number, as p0. Gives the name of its output, or a list of them."""
    name = f"{kind}_{len(self.layers)}"
    results = [f"{name}_{index}" for index in range(outputs)]
    self.layers.append((kind, name, list(inputs), results, parameters))
    return results[0] if outputs == 1 else results

  def array(self, values):
    self.weights += np.ascontiguousarray(values, np.float32).tobytes()

  def tagged(self, values):
    """An array that may be of several types."""
    if values.dtype == np.int8:
      self.weights += struct.pack("<I", INT8) + np.ascontiguousarray(values).tobytes()
      self.weights += bytes(-len(self.weights) % 4)
    else:
      self.weights += struct.pack("<I", FLOATS)
      self.array(values)

  def save(self, path):
    """Writes both files of ncnn. A result has one reader in ncnn: layers that are named Split copy it to several."""
    readers = {}
    for _, _, inputs, _, _ in self.layers:
      for blob in inputs:
        readers[blob] = readers.get(blob, 0) + 1
    lines, blobs, copies = [], 0, {}

    def add(kind, name, inputs, outputs, parameters=()):
      nonlocal blobs
      blobs += len(outputs)
      lines.append(" ".join(map(str, (kind, name, len(inputs), len(outputs), *inputs, *outputs, *parameters))))

    for kind, name, inputs, outputs, parameters in self.layers:
      inputs = [copies[blob].pop() if blob in copies else blob for blob in inputs]
      add(kind, name, inputs, outputs, [f"{key[1:]}={value}" for key, value in parameters.items()])
      for blob in outputs:
        if readers.get(blob, 0) > 1:
          copies[blob] = [f"{blob}_{index}" for index in range(readers[blob])]
          add("Split", f"copies_of_{blob}", [blob], copies[blob])
          copies[blob] = copies[blob][::-1]
    path.mkdir(exist_ok=True)
    (path / "bin").write_bytes(self.weights)
    (path / "param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))


def codes(rows, per_row):
  """int8 codes of an array, and by what it was multiplied: one number, or one for each row."""
  scale = 127 / np.abs(rows).max(axis=1 if per_row else None, keepdims=True)
  return np.rint(rows * scale).astype(np.int8), scale


class Network(Layers):
  def __init__(self, config, weights, is_int8):
    super().__init__(config, weights)
    self.graph, self.is_int8 = Graph(), is_int8

  def product(self, x, kernel, bias):
    int8 = {"p18": 1} if self.is_int8 else {}
    inputs, outputs = kernel.shape
    result = self.graph.layer("Gemm", x, p2=0, p3=1, p4=1, p5=0, p6=1, p7=outputs, p8=0, p9=inputs, p10=1, p14=1,
                              **int8)
    rows, scales = codes(kernel.T, True) if self.is_int8 else (kernel.T, ())
    self.graph.tagged(rows)
    self.graph.tagged(bias)
    self.graph.array(scales)
    return result

  def norm(self, x, name):
    result = self.graph.layer("LayerNorm", x, p0=self.hidden, p1=f"{EPSILON:.9e}", p2=1)
    self.graph.array(self.weight(name, "scale"))
    self.graph.array(self.weight(name, "bias"))
    return result

  def constant(self, rows):
    result = self.graph.layer("MemoryData", p0=rows.shape[1], p1=rows.shape[0])
    self.graph.array(rows)
    return result

  def add(self, x, y):
    return self.graph.layer("BinaryOp", x, y, p0=0)

  def first_row(self, x):
    return self.graph.layer("Slice", x, outputs=2, **{"p-23300": "2,1,-233"}, p1=0)[0]

  def attention(self, *inputs, block):
    size = self.hidden * self.hidden
    int8 = {"p18": 1} if self.is_int8 else {}
    result = self.graph.layer("MultiHeadAttention", *inputs, p0=self.hidden, p1=self.heads, p2=size, p3=self.hidden,
                              p4=self.hidden, **int8)
    scales = []
    for name in ("query", "key", "value", "out"):
      kernel, bias = (self.weight(block, "SelfAttention", name, part) for part in ("kernel", "bias"))
      rows = kernel.reshape(self.hidden, self.hidden).T
      if self.is_int8:
        rows, scale = codes(rows, name != "out")
        scales.append(scale)
      self.graph.tagged(rows)
      self.graph.array(bias)
    for scale in scales:
      self.graph.array(scale)
    return result

  def build(self):
    g = self.graph
    (gh, gw), (ph, pw) = self.grid, self.patch
    x = g.layer("Permute", g.layer("Input", p0=pw * 3, p1=gw, p11=ph, p2=gh), p0=2)
    x = g.layer("Reshape", x, p0=ph * pw * 3, p1=gh * gw)
    kernel, bias, positions, class_row = self.embedding()
    x = self.add(self.product(x, kernel, bias), self.constant(positions))
    x = g.layer("Concat", self.constant(class_row), x, p0=0)
    for block, is_last in self.blocks():
      y = self.norm(x, f"{block}/LayerNorm_0")
      if is_last:
        x, y = self.first_row(x), self.attention(self.first_row(y), y, block=block)
      else:
        y = self.attention(y, block=block)
      x = self.add(x, y)
      y = self.product(self.norm(x, f"{block}/LayerNorm_1"), *self.dense(block, "Mlp", "Dense_0"))
      x = self.add(x, self.product(g.layer("GELU", y, p0=1), *self.dense(block, "Mlp", "Dense_1")))
    x = g.layer("TanH", self.product(self.norm(x, "Encoder/encoder_norm"), *self.dense("pre_logits")))
    self.product(x, *self.dense("head"))
    g.layers[0][3][0], g.layers[1][2][0], g.layers[-1][3][0] = "image", "image", "logits"


def write(config, weights, path, is_int8):
  network = Network(config, weights, is_int8)
  network.build()
  network.graph.save(path)
  (gh, gw), (ph, pw) = network.grid, network.patch
  (path / "shape.json").write_text(json.dumps([gh, ph, gw, pw * 3]))
