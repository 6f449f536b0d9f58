"""The project's own commands, which pack, calibrate and measure."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

from .faults import Fault


@contextlib.contextmanager
def signals_held_back():
  """What would end the program waits for the end of the block: a process that was started and is not known yet would stay."""
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  came = []
  # What ignores a signal, or is not Python's (None), stays as it is.
  ends = (signal.SIGINT, signal.SIGTERM)
  held = {number: handler for number in ends if (handler := signal.getsignal(number)) not in (None, signal.SIG_IGN)}
  for number in held:
    signal.signal(number, lambda got, _: came.append(got))
  try:
    yield
  finally:
    for number, handler in held.items():
      signal.signal(number, handler)
    for number in came:
      signal.raise_signal(number)


def first_error(name, lines):
  """The line in which the command says what is wrong, without its beginning; usage and help may follow it. None without lines."""
  for line in lines:
    for start in ("Error: ", f"{name}: "):
      if line.startswith(start) and not line.startswith((f"{start}note: ", f"{start}warning: ")):
        return line.removeprefix(start)
  return lines[-1] if lines else None


class Commands:
  """e3-convert, e3-eval and e3-run: in the folder of `--commands`, of E3_COMMANDS, or on the PATH."""

  def __init__(self, folder=None):
    self.folder = folder or os.environ.get("E3_COMMANDS")
    # What the commands warned of.
    self.warnings = []
    # What the last one said, a line each.
    self.said = []
    # {folder of links: the user's folder}: errors name the user's files.
    self.own = {}

  def find(self, name):
    path = shutil.which(name, path=self.folder) if self.folder else shutil.which(name)
    if not path:
      where = f"not in {self.folder}" if self.folder else "not on the PATH"
      raise Fault(name, f"{where}; --commands or E3_COMMANDS names its folder (swift build -c release makes it)")
    return path

  def has(self, *names):
    return all(shutil.which(name, path=self.folder or None) for name in names)

  def noted(self, what):
    """What the last command's note of that name says; None without one."""
    start = f"note: {what}: "
    return next((line.removeprefix(start) for line in self.said if line.startswith(start)), None)

  def run(self, name, *arguments, notes=True, meter=None):
    """Standard output of a command. Its notes are shown; its error is this command's. `meter` waits for it."""
    command = [self.find(name), *map(str, arguments)]
    process = None
    try:
      with signals_held_back():
        process = subprocess.Popen(
          command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
      with process:
        while True:
          try:
            output, said = process.communicate(timeout=meter.PAUSE if meter else None)
            break
          except subprocess.TimeoutExpired:
            meter.wait()
          except BaseException:
            process.terminate()  # and not killed: it removes what it has not finished
            raise
    except BaseException:
      if process and process.poll() is None:  # a signal came between
        process.terminate()
        process.wait()
      raise
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip()]
    if process.returncode:
      problem = first_error(name, lines) or f"ended with status {process.returncode}"
      for folder, own in self.own.items():
        problem = problem.replace(f"{folder}/", f"{own}/")
      raise Fault(name, problem)
    for line in lines if notes else []:
      print(line, file=sys.stderr)
    self.said = [line.removeprefix(f"{name}: ") for line in lines]
    for line in lines:
      kind, _, text = line.removeprefix(f"{name}: ").partition(": ")
      # A part of every picture that the model never sees is no matter of taste, though the options ask for it.
      if (kind == "warning" or kind == "note" and "last whole patch" in text) and text not in self.warnings:
        self.warnings.append(text)
    return output
