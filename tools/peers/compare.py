#!/usr/bin/env python3
"""Times the E3 runtime against five other runtimes on the same models, alternating in one run.

Every runtime answers one image at a time in a process of its own on the same cores. All exports are checked in float32
against `e3-convert reference` before their int8 forms are timed. Prints a table in Markdown.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from models import MODELS, QUICK

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build-peers"
CONVERT = ROOT / ".build/release/e3-convert"
LIBRARY = BUILD / "libe3.so"

# Name: (engine, export, how int8).
PEERS = {
  "ONNX Runtime natural": ("onnxruntime", "natural", "dynamic"),
  "ONNX Runtime tuned": ("onnxruntime", "tuned", "dynamic"),
  "OpenVINO natural": ("openvino", "natural", "static"),
  "OpenVINO tuned": ("openvino", "tuned", "static"),
  "ncnn": ("ncnn", "ncnn", "int8"),
  "LiteRT": ("litert", "litert", "int8"),
  "ggml": ("ggml", "ggml", "int8"),
}
# What Python has to find for an engine; those that a module named peer_ENGINE writes for, with the endings of their
# files; and those of them that do not take experts.
MODULES = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino", "onnx", "onnxruntime"), "ncnn": ("ncnn",),
           "litert": ("ai_edge_litert", "flatbuffers"), "ggml": ("ggml",)}
ENDINGS = {"ncnn": "ncnn", "litert": "tflite", "ggml": "safetensors"}
DENSE_ONLY = ("ncnn", "litert")
# Columns of the table.
COLUMNS = {
  "E³ runtime": ["E³ runtime"],
  "ONNX Runtime, natural / tuned export": ["ONNX Runtime natural", "ONNX Runtime tuned"],
  "OpenVINO, natural / tuned export": ["OpenVINO natural", "OpenVINO tuned"],
  "ncnn": ["ncnn"],
  "LiteRT": ["LiteRT"],
  "ggml": ["ggml"],
}
IMAGES = 4
FLOAT_TOLERANCE = 1e-3  # of logits with a deviation of about 5
INT8_TOLERANCE = 0.25  # deviation from the float logits, as a share of theirs


def arguments():
  parser = argparse.ArgumentParser(
    allow_abbrev=False,
    prog="tools/peers/run", description=__doc__.split("\n")[0],
    epilog="With --arch aarch64 before all others it counts executed ARM instructions instead: tools/peers/run --arch aarch64 --help")
  parser.add_argument("--models", default=",".join(MODELS), help=f"some of {','.join(MODELS)}")
  parser.add_argument("--quick", action="store_true", help=f"only {','.join(QUICK)}")
  parser.add_argument("--repeats", type=int, default=200, help="runs of each runtime and model (200)")
  parser.add_argument("--threads", type=int, default=1, help="threads of each runtime, on as many cores (1)")
  parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                      help="cpu: processor time, for one thread on a busy machine (wall)")
  options = parser.parse_args()
  options.models = list(QUICK) if options.quick else options.models.split(",")
  if unknown := set(options.models) - set(MODELS):
    parser.error(f"no model {min(unknown)}: there are {', '.join(MODELS)}")
  cores = sorted(os.sched_getaffinity(0))
  if not 1 <= options.threads <= len(cores):
    parser.error(f"--threads {options.threads}: this machine lends {len(cores)} cores")
  if options.clock == "cpu" and options.threads > 1:
    parser.error("--clock cpu measures one thread")
  options.cores = cores[-options.threads:]
  return options


def note(text):
  print(text, file=sys.stderr, flush=True)


def make(path, write):
  """Makes a file once: `write` gets a temporary name beside it."""
  if not path.exists():
    note(f"  {path.name}")
    temporary = path.with_name("new." + path.name)
    write(temporary)
    temporary.rename(path)
  return path


def convert(*command):
  return subprocess.run([CONVERT, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout


def remove(path):
  if path.is_dir():
    shutil.rmtree(path)
  else:
    path.unlink()


def installed(engine):
  """Whether it can be run here. ggml's fastest form on ARM lays weights out anew, which its Python interface lacks."""
  if engine == "ggml" and platform.machine() not in ("x86_64", "AMD64"):
    return False
  return all(importlib.util.find_spec(module) for module in MODULES[engine])


def peers_of(name):
  """Entries of PEERS that run here and take the model."""
  has_experts = "moe" in MODELS[name][1]["encoder"]
  return {peer: entry for peer, entry in PEERS.items()
          if installed(entry[0]) and not (has_experts and entry[0] in DENSE_ONLY)}


def file_of(export, how):
  return f"{export}.{how}.{ENDINGS.get(export, 'onnx')}"


def exports_of(peers):
  """{export: [how int8]} of entries of PEERS."""
  return {export: [how for _, of, how in peers if of == export] for _, export, _ in peers}


def prepare(name, peers):
  """Makes everything that the model's measurement needs in its folder of the build directory."""
  folder = BUILD / name
  folder.mkdir(exist_ok=True)
  config = MODELS[name][1]
  text = json.dumps(config, indent=2)
  if not (folder / "config.json").exists() or (folder / "config.json").read_text() != text:
    for file in folder.iterdir():
      remove(file)
    (folder / "config.json").write_text(text)
  model = ("--config", folder / "config.json")
  weights = make(folder / "weights.safetensors", lambda path: convert("random", *model, "-o", path))
  (folder / "model.e3").unlink(missing_ok=True)  # each version of the runtime packs its own
  make(folder / "model.e3", lambda path: convert("pack", weights, *model, "--quantize-with", "nearest", "-o", path))
  shape = (*config["image_size"], 3)
  images = [np.random.default_rng(seed).uniform(-1, 1, (IMAGES, *shape)).astype(np.float32) for seed in (1, 2)]

  def save(path, array):
    with open(path, "wb") as file:
      np.save(file, array)

  make(folder / "images.npy", lambda path: save(path, images[0]))
  for export, hows in exports_of(peers).items():
    own = export in ENDINGS
    targets = [folder / file_of(export, how) for how in hows]
    source = folder / file_of(export, "float")
    parts = (f"peer_{export}.py", "layers.py") if own else ("export.py", "graph.py", "quantise.py")
    written_by = max(Path(__file__).with_name(part).stat().st_mtime for part in parts)
    for path in (source, *targets):
      if path.exists() and path.stat().st_mtime < written_by:
        remove(path)
    if all(path.exists() for path in (source, *targets)):
      continue
    from safetensors.numpy import load_file

    if own:
      peer = importlib.import_module(f"peer_{export}")
      for path in (source, *targets):
        make(path, lambda path: peer.write(config, load_file(weights), path, is_int8=".int8." in path.name))
      continue
    import quantise
    from export import write

    make(source, lambda path: write(export, config, load_file(weights), path))
    for how, target in zip(hows, targets):
      if how == "dynamic":
        make(target, lambda path: quantise.dynamic(source, path))
      else:
        make(target, lambda path: quantise.static(source, path, images[1]))
  return folder


class Worker:
  """A runtime in its own process."""

  def __init__(self, engine, folder, file, options):
    pinned = ["taskset", "-c", ",".join(map(str, options.cores))]
    program = [sys.executable, Path(__file__).with_name("worker.py")]
    inputs = [engine, folder / file, folder / "images.npy", str(options.threads), LIBRARY]
    self.process = subprocess.Popen(
      pinned + program + inputs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    hello = self.read()
    self.logits, self.bytes, self.times = np.array(hello["logits"]), hello["bytes"], []
    self.clock = ("wall", "cpu").index(options.clock)

  def read(self):
    line = self.process.stdout.readline()
    if not line:
      engine, model = self.process.args[5:7]
      sys.exit(f"tools/peers/run: {model}: {engine} ended with status {self.process.wait()}")
    return json.loads(line)

  def run(self, count):
    print(count, file=self.process.stdin, flush=True)
    self.times += [times[self.clock] for times in self.read()]

  def close(self):
    self.process.stdin.close()
    self.process.wait()


def reference_logits(folder):
  lines = (folder / "reference.jsonl").read_text().splitlines()
  return np.array([[member["logits"] for member in json.loads(line)["members"]] for line in lines])


def check_float(folder, peers, reference, options):
  """Every export computes the reference's function in every engine that runs it."""
  for engine, export in {(engine, export): None for engine, export, _ in peers.values()}:
    worker = Worker(engine, folder, file_of(export, "float"), options)
    worker.close()
    error = np.abs(worker.logits - reference).max()
    note(f"  float32 {engine} {export}: logits within {error:.1e} of the reference")
    if not error <= FLOAT_TOLERANCE:
      sys.exit(f"tools/peers/run: {folder.name}: {engine} {export} computes another function")


def measure(name, options):
  """{runtime: {min, median, error, bytes}} of the int8 models."""
  note(MODELS[name][0])
  peers = peers_of(name)
  folder = prepare(name, tuple(peers.values()))
  model = (folder / "weights.safetensors", "--config", folder / "config.json")
  make(folder / "reference.jsonl",
       lambda path: path.write_text(
         convert("reference", *model, "--capacity", "none", "--tensor", folder / "images.npy", "--json")))
  reference = reference_logits(folder)
  check_float(folder, peers, reference, options)
  workers = {"E³ runtime": Worker("e3", folder, "model.e3", options)}
  for peer, (engine, export, how) in peers.items():
    workers[peer] = Worker(engine, folder, file_of(export, how), options)
  rounds = max(1, options.repeats // 10)
  for _ in range(rounds):
    for worker in workers.values():
      worker.run(options.repeats // rounds)
  results = {}
  for peer, worker in workers.items():
    worker.close()
    error = float(np.sqrt(((worker.logits - reference) ** 2).mean() / reference.var()))
    results[peer] = {"min": min(worker.times), "median": statistics.median(worker.times), "error": error,
                     "bytes": worker.bytes}
    note(f"  {peer}: {min(worker.times):.2f} ms, median {statistics.median(worker.times):.2f}; "
         f"int8 error {error:.1%}; {worker.bytes / 1e6:.0f} MB")
    if not error <= INT8_TOLERANCE:
      sys.exit(f"tools/peers/run: {name}: int8 {peer} computes another function")
  return results


def table(results):
  """Markdown: milliseconds of the fastest run (and the median), how many times as long the fastest peer takes, the
  deviation of the int8 logits from the float logits and resident memory. A dash: not for this model, or not here."""
  head = ["model", *COLUMNS, "fastest peer ÷ ours", "int8 deviation, ours / peers", "memory in MB, ours / peers"]
  lines = [head, ["---"] * len(head)]
  for name, result in results.items():
    ours, *peers = result.values()
    ratios = [min(peer[key] for peer in peers) / ours[key] for key in ("min", "median")]

    def spread(key, scale, digits):
      values = [peer[key] * scale for peer in peers]
      return f"{ours[key] * scale:.{digits}f} / {min(values):.{digits}f} to {max(values):.{digits}f}"

    times = {runtime: f"{one['min']:.2f} ({one['median']:.2f})" for runtime, one in result.items()}
    cells = (" / ".join(times.get(one, "–") for one in column) for column in COLUMNS.values())
    lines.append([MODELS[name][0], *cells,
                  f"{ratios[0]:.2f} ({ratios[1]:.2f})", f"{spread('error', 100, 1)} %", spread("bytes", 1e-6, 0)])
  return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
  options = arguments()
  for engine in dict.fromkeys(engine for engine, _, _ in PEERS.values()):
    if not installed(engine):
      note(f"{engine} is not installed here, or does not run here: it is left out")
  if not any(map(installed, MODULES)):
    sys.exit("tools/peers/run: no other runtime is installed here")
  results = {name: measure(name, options) for name in options.models}
  print(f"Batch 1, {options.threads} thread{'s' * (options.threads > 1)}, {options.clock} time in ms: fastest "
        f"(median) of {options.repeats} runs, alternating.\n")
  print(table(results))


if __name__ == "__main__":
  main()
