"""What the command says while it works."""

import os
import sys
import time


class Meter:
  """`stage: 42 %, 1 min 10 s left` on a terminal; elsewhere a line every half minute, and one at the end."""

  PAUSE = 30

  def __init__(self, stage, quiet=False):
    self.stage, self.quiet = stage, quiet
    self.started = self.shown = time.monotonic()
    self.first = None

  def update(self, done, total, more=""):
    now = time.monotonic()
    if self.first is None:
      self.first = (now, done)
    terminal = sys.stderr.isatty()
    is_due = now - self.shown >= (0.2 if terminal else self.PAUSE) or terminal and done >= total
    if self.quiet or not is_due:
      return
    seconds = (now - self.first[0]) / max(1, done - self.first[1]) * (total - done)
    left = f", {duration(seconds)} left" if done > self.first[1] and done < total else ""
    self.show(f"{self.stage}: {100 * done // max(1, total)} %{left}{more}")

  def wait(self):
    """Of a step that does not say how far it is."""
    if not self.quiet:
      self.show(f"{self.stage}: {duration(time.monotonic() - self.started)} so far")

  def show(self, line):
    self.shown = time.monotonic()
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

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
