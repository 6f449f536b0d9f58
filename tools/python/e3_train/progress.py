"""What the command says while it works."""

import math
import os
import sys
import time
from collections import deque

from .faults import shown


class Estimate:
  """How long a stage still takes: by its rate of the last minute, and what was said before, so that a pause or a slow start
  does not make it jump."""

  WINDOW, SETTLING, LEAST, APART = 60, 15, 3, 0.2  # seconds

  def __init__(self):
    self.points = deque()  # (time, done)
    self.said = None  # (time, seconds left)

  def left(self, now, done, total):
    """Seconds, or None while nothing can be said."""
    if not self.points or now - self.points[-1][0] >= self.APART:
      self.points.append((now, done))
    while len(self.points) > 2 and self.points[1][0] <= now - self.WINDOW:
      self.points.popleft()
    begun, before = self.points[0]
    if done <= before or now - begun < self.LEAST:
      return None
    seconds = (now - begun) / (done - before) * (total - done)
    if self.said:
      passed = now - self.said[0]
      kept = math.exp(-passed / self.SETTLING)
      seconds = kept * max(0, self.said[1] - passed) + (1 - kept) * seconds
    self.said = now, seconds
    return seconds


class Meter:
  """`stage: 42 %, 1 min 10 s left` on a terminal; elsewhere a line every half minute, and one at the end."""

  PAUSE = 30

  def __init__(self, stage, quiet=False):
    self.stage, self.quiet = shown(stage), quiet
    self.started = self.shown = time.monotonic()
    self.estimate = Estimate()

  def update(self, done, total, more=""):
    now = time.monotonic()
    seconds = self.estimate.left(now, done, total)
    terminal = sys.stderr.isatty()
    is_due = now - self.shown >= (0.2 if terminal else self.PAUSE) or terminal and done >= total
    if self.quiet or not is_due:
      return
    left = f", {duration(seconds)} left" if seconds is not None and done < total else ""
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
      print(f"{start}{self.stage}: {taken}{shown(more)}", file=sys.stderr, flush=True)


def duration(seconds):
  seconds = int(seconds + 0.5)
  if seconds < 60:
    return f"{seconds} s"
  return f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds // 60 % 60} min"


def usable_processors():
  """Processors that this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
