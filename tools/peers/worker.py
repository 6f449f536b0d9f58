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


def main(engine, model, images, threads, library=None):
  images = [np.ascontiguousarray(image) for image in np.load(images)]
  before = resident()
  openers = {"e3": open_e3, "onnxruntime": open_onnxruntime, "openvino": open_openvino}
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
