"""What the command says while it works."""

import os
import sys
import time


class Meter:
  """`stage: 42 %, 1 min 10 s left` on a terminal, a line at the end elsewhere."""

  def __init__(self, stage, quiet=False):
    self.stage, self.quiet = stage, quiet
    self.started = self.shown = time.monotonic()
    self.first = None

  def update(self, done, total, more=""):
    now = time.monotonic()
    if self.first is None:
      self.first = (now, done)
    if self.quiet or not sys.stderr.isatty() or now - self.shown < 0.2 and done < total:
      return
    self.shown = now
    seconds = (now - self.first[0]) / max(1, done - self.first[1]) * (total - done)
    left = f", {duration(seconds)} left" if done > self.first[1] and done < total else ""
    print(f"\r\033[K{self.stage}: {100 * done // max(1, total)} %{left}{more}", end="", file=sys.stderr, flush=True)

  def end(self, more=""):
    if not self.quiet:
      start = "\r\033[K" if sys.stderr.isatty() else ""
      taken = duration(time.monotonic() - self.started)
      print(f"{start}{self.stage}: {taken}{more}", file=sys.stderr, flush=True)


def duration(seconds):
  seconds = int(seconds + 0.5)
  if seconds < 60:
    return f"{seconds} s"
  return f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds // 60 % 60} min"


def usable_processors():
  """Processors that this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
