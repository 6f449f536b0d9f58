"""The runtime's own decoder, which refuses damage that Pillow passes over: it reads every picture before the training."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from .checkpoint import write_atomically
from .faults import Fault

# The smallest model, for e3-run decodes for a model alone.
CONFIG = {
  "name": "VisionTransformer", "image_size": [2, 2], "channels": 3, "num_classes": 2, "patch_size": [2, 2], "hidden_size": 8,
  "classifier": "gap", "representation_size": None, "encoder": {"num_layers": 1, "num_heads": 1, "mlp_dim": 8},
}
# Pictures of one process, and of one whose every line is read: after twenty, e3-run leaves some out.
MANY, FEW = 64, 16


class Decoder:
  """Asks e3-run for an answer about every picture; those without one are refused."""

  def __init__(self, commands):
    self.run = commands.find("e3-run")
    self.held = tempfile.TemporaryDirectory(prefix="e3-train-")
    self.folder = Path(self.held.name)
    config, weights, self.model = (self.folder / name for name in ("config.json", "weights.safetensors", "model.e3"))
    write_atomically(config, lambda file: file.write(json.dumps(CONFIG).encode()))
    commands.run("e3-convert", "random", "--config", config, "-o", weights, notes=False)
    commands.run("e3-convert", "pack", weights, "--config", config, "--resize", "stretch", "--value-range=-1,1",
                 "--quantize-with", "nearest", "-o", self.model, notes=False)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.held.cleanup()

  def refused(self, paths):
    """{path: what is wrong} of those that the runtime refuses."""
    paths = [os.path.abspath(path) for path in paths]
    answered, _ = self.asked(paths)
    left, found = [path for path in paths if path not in answered], {}
    for start in range(0, len(left), FEW):
      found |= self.reasons(left[start : start + FEW])
    return found

  def reasons(self, paths):
    # By names that no message writes in another way.
    with tempfile.TemporaryDirectory(dir=self.folder) as folder:
      links = {f"{folder}/{number}": path for number, path in enumerate(paths)}
      for link, path in links.items():
        os.symlink(path, link)
      answered, lines = self.asked(links)
    found = {}
    for link, path in links.items():
      own = [line.removeprefix(f"e3-run: {link}: ") for line in lines if line.startswith(f"e3-run: {link}: ")]
      own = [line for line in own if not line.startswith("note: ")]
      if link not in answered:
        problem = own[-1] if own else "the runtime does not read it"
        # What e3-run would say next is about streams.
        found[path] = problem.split(": ")[0] if problem.startswith("several ") else problem
    return found

  def asked(self, paths):
    """The pictures that are answered, and the lines that were said."""
    done = subprocess.run([self.run, self.model, *paths, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          encoding="utf-8", errors="replace")
    lines = done.stderr.splitlines()
    if done.returncode not in (0, 1):  # no answer about pictures
      raise Fault("e3-run", lines[-1].removeprefix("e3-run: ") if lines else f"ended with status {done.returncode}")
    return {json.loads(line)["source"] for line in done.stdout.splitlines()}, lines
