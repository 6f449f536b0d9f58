"""int8 versions of the exported graphs: weights int8 per output channel, activations one scale per tensor."""

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

# Stay float32: a router, whose margins decide which expert computes, and what the tuned export names so.
FLOAT = ("/Moe/Router", ":float32")


def dynamic(source, target):
  """Activations are scaled as they come: ONNX Runtime's own tool (DynamicQuantizeLinear, MatMulInteger)."""
  logging.getLogger().setLevel(logging.ERROR)  # it recommends a preparation that brings these graphs nothing
  kept = [node.name for node in onnx.load(source).graph.node if node.name.endswith(FLOAT)]
  quantize_dynamic(
    source, target, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
    nodes_to_exclude=kept, extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT})


def static(source, target, images):
  """Activations are scaled by the range that they have on `images`; QuantizeLinear and DequantizeLinear around every
  product, those of attention included, which is the form that OpenVINO compiles to int8."""
  model = onnx.load(source)
  graph = model.graph
  weights = {tensor.name: tensor for tensor in graph.initializer}
  products = [node for node in graph.node if node.op_type == "MatMul" and not node.name.endswith(FLOAT)]
  ranges = activation_ranges(source, products, weights, images)
  quantised, nodes = {}, []
  for node in graph.node:
    if any(node is product for product in products):
      for position, name in enumerate(node.input):
        if name not in quantised:
          if name in weights:
            quantised[name] = quantise_weight(graph, nodes, weights[name])
          else:
            quantised[name] = quantise_activation(graph, nodes, name, *ranges[name])
        node.input[position] = quantised[name]
    nodes.append(node)
  del graph.node[:]
  graph.node.extend(nodes)
  used = {name for node in nodes for name in node.input}
  kept = [tensor for tensor in graph.initializer if tensor.name in used]
  del graph.initializer[:]
  graph.initializer.extend(kept)
  onnx.save(model, target)


def activation_ranges(source, products, weights, images):
  """{name: (low, high)} of what goes into the products. Experts of a block share one range, because some of them may
  see no token."""
  groups = {name: (node.name.split(":")[0], position) if ":" in node.name else name
            for node in products for position, name in enumerate(node.input) if name not in weights}
  model = onnx.load(source)
  del model.graph.output[:]
  model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in groups if name != "image")
  probe = Path(source).with_suffix(".probe.onnx")
  onnx.save(model, probe)
  options = onnxruntime.SessionOptions()
  options.log_severity_level = 3
  session = onnxruntime.InferenceSession(probe, options, providers=["CPUExecutionProvider"])
  probe.unlink()
  names = [output.name for output in session.get_outputs()]
  ranges = {group: (0.0, 0.0) for group in groups.values()}
  for image in images:
    for name, value in zip(names, session.run(names, {"image": image[None]})):
      if value.size:
        low, high = ranges[groups[name]]
        ranges[groups[name]] = (min(low, value.min()), max(high, value.max()))
  return {name: ranges[group] for name, group in groups.items()}


def quantise_weight(graph, nodes, tensor):
  kernel = numpy_helper.to_array(tensor)
  scale = (np.abs(kernel).max(0) / 127).astype(np.float32)
  codes = np.rint(kernel / scale).astype(np.int8)
  return dequantise(graph, nodes, tensor.name, codes, scale, np.zeros(scale.shape, np.int8), axis=1)


def quantise_activation(graph, nodes, name, low, high):
  scale = np.float32((high - low) / 255)
  zero = np.uint8(np.rint(-low / scale))
  for part, value in (("scale", scale), ("zero", zero)):
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{name}_{part}"))
  nodes.append(helper.make_node("QuantizeLinear", [name, f"{name}_scale", f"{name}_zero"], [f"{name}_codes"]))
  nodes.append(helper.make_node(
    "DequantizeLinear", [f"{name}_codes", f"{name}_scale", f"{name}_zero"], [f"{name}_int8"]))
  return f"{name}_int8"


def dequantise(graph, nodes, name, codes, scale, zero, axis):
  for part, value in (("codes", codes), ("scale", scale), ("zero", zero)):
    graph.initializer.append(numpy_helper.from_array(value, f"{name}_{part}"))
  inputs = [f"{name}_{part}" for part in ("codes", "scale", "zero")]
  nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_int8"], axis=axis))
  return f"{name}_int8"
