"""One runtime with one model in a process of its own: worker.py ENGINE MODEL IMAGES.npy THREADS [LIBRARY]

Prints a JSON line with the logits of every image and the memory that the runtime took, then one for each line on
standard input, which is a number of runs: their times in milliseconds, by the clock and of the processor.
"""

import json
import sys
import time

import numpy as np


def resident():
  """Resident memory in bytes."""
  with open("/proc/self/status") as status:
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def open_e3(model, threads, library):
  from e3 import Session

  session = Session(library, model, threads)
  return session.run, session.logits


def open_onnxruntime(model, threads, _):
  import onnxruntime

  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
  session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
  answer = []

  def run(image):
    answer[:] = session.run(None, {"image": image[None]})

  return run, lambda: answer[0]


def open_openvino(model, threads, _):
  import openvino

  options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
  if model.endswith(".float.onnx"):
    options["INFERENCE_PRECISION_HINT"] = "f32"  # otherwise its default, which may be bfloat16 between int8 products
  request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()

  def run(image):
    request.infer([image[None]], share_inputs=True, share_outputs=True)

  return run, lambda: request.get_output_tensor(0).data.copy()


def open_ncnn(model, threads, _):
  import ncnn

  net = ncnn.Net()
  net.opt.num_threads = threads
  allocators = ncnn.PoolAllocator(), ncnn.PoolAllocator()
  net.opt.blob_allocator, net.opt.workspace_allocator = allocators
  if net.load_param(f"{model}/param") or net.load_model(f"{model}/bin"):
    raise ValueError(f"{model}: ncnn does not load it")
  with open(f"{model}/shape.json") as file:
    shape = json.load(file)
  answer = []

  def run(image, _=allocators):
    extractor = net.create_extractor()
    extractor.input("image", ncnn.Mat(image.reshape(shape)))
    answer[:] = [np.array(extractor.extract("logits")[1]).reshape(1, -1)]

  return run, lambda: answer[0]


def open_litert(model, threads, _):
  from ai_edge_litert.interpreter import Interpreter

  interpreter = Interpreter(model, num_threads=threads)
  interpreter.allocate_tensors()
  first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

  def run(image):
    interpreter.set_tensor(first, image[None])
    interpreter.invoke()

  return run, lambda: interpreter.get_tensor(last)


def open_ggml(model, threads, _):
  from peer_ggml import Session

  session = Session(model, threads)
  return session.run, session.logits


def main(engine, model, images, threads, library=None):
  images = [np.ascontiguousarray(image) for image in np.load(images)]
  before = resident()
  openers = {"e3": open_e3, "onnxruntime": open_onnxruntime, "openvino": open_openvino, "ncnn": open_ncnn,
             "litert": open_litert, "ggml": open_ggml}
  run, logits = openers[engine](model, int(threads), library)
  answers = []
  for image in images:
    run(image)
    answers.append(logits().tolist())
  print(json.dumps({"logits": answers, "bytes": resident() - before}), flush=True)
  for line in sys.stdin:
    times = []
    for index in range(int(line)):
      image = images[index % len(images)]
      start, start_cpu = time.perf_counter_ns(), time.process_time_ns()
      run(image)
      stop_cpu, stop = time.process_time_ns(), time.perf_counter_ns()
      times.append((round((stop - start) / 1e6, 4), round((stop_cpu - start_cpu) / 1e6, 4)))
    print(json.dumps(times), flush=True)


if __name__ == "__main__":
  main(*sys.argv[1:])
