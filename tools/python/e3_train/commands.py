"""The project's own commands, which pack, calibrate and measure."""

import os
import shutil
import subprocess
import sys

from .faults import Fault


class Commands:
  """e3-convert and e3-eval: in the folder of `--commands`, of E3_COMMANDS, or on the PATH."""

  def __init__(self, folder=None):
    self.folder = folder or os.environ.get("E3_COMMANDS")
    # What the commands warned of.
    self.warnings = []

  def find(self, name):
    path = shutil.which(name, path=self.folder) if self.folder else shutil.which(name)
    if not path:
      where = f"not in {self.folder}" if self.folder else "not on the PATH"
      raise Fault(name, f"{where}; --commands or E3_COMMANDS names its folder (swift build -c release makes it)")
    return path

  def run(self, name, *arguments, notes=True, meter=None):
    """Standard output of a command. Its notes are shown; its error is this command's. `meter` waits for it."""
    command = [self.find(name), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
      while True:
        try:
          output, said = process.communicate(timeout=meter.PAUSE if meter else None)
          break
        except subprocess.TimeoutExpired:
          meter.wait()
        except BaseException:
          process.terminate()  # and not killed: it removes what it has not finished
          raise
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip()]
    if process.returncode:
      raise Fault(name, lines[-1].removeprefix(f"{name}: ") if lines else f"ended with status {process.returncode}")
    for line in lines if notes else []:
      print(line, file=sys.stderr)
    warning = f"{name}: warning: "
    self.warnings += [line.removeprefix(warning) for line in lines if line.startswith(warning)]
    return output
