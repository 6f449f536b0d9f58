"""A small writer of ONNX graphs: one call for a node, its output name as the result."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21


class Graph:
  def __init__(self):
    self.nodes, self.initializers, self.count = [], [], 0
    self.constants = {}

  def fresh(self, stem):
    self.count += 1
    return f"{stem}_{self.count}"

  def op(self, kind, *inputs, outputs=1, name=None, **attributes):
    """Adds a node. Arrays, numbers and lists among the inputs become constants. Gives the output's name, or a list of
    names when there are several."""
    names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
    results = [self.fresh(kind) for _ in range(outputs)]
    name = name or self.fresh("node")
    self.nodes.append(helper.make_node(kind, names, results, name=name, **attributes))
    return results[0] if outputs == 1 else results

  def constant(self, value):
    """Name of a constant: float32, or int64 for whole numbers."""
    array = np.asarray(value)
    array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int64).reshape(array.shape)
    key = (array.dtype, array.shape, array.tobytes()) if array.size < 1024 else None
    if key in self.constants:
      return self.constants[key]
    name = self.fresh("constant")
    self.initializers.append(numpy_helper.from_array(array, name))
    if key:
      self.constants[key] = name
    return name

  def save(self, path, inputs, outputs):
    """Writes the model. `inputs` and `outputs` are {name: shape} of float arrays."""
    values = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in group.items()]
              for group in (inputs, outputs)]
    graph = helper.make_graph(self.nodes, "e3", *values, self.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.save(model, path)
