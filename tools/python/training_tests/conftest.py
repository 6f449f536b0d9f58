import contextlib
import io
import os
import pathlib
import signal
import sys
import types
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[3]

# The models of the tests are small, and other tests run beside these: threads would only wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"


def command(*words):
  """e3-train in this process, where a test is not about the process: PyTorch alone takes two seconds to load."""
  from e3_train.__main__ import main

  handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
  out, said = io.StringIO(), io.StringIO()
  argv = mock.patch.object(sys, "argv", ["e3-train", *map(str, words)])
  with argv, contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
    try:
      status = main()
    except SystemExit as ended:
      status = ended.code or 0
    finally:
      for number, handler in handlers.items():
        signal.signal(number, handler)
  if isinstance(status, str):  # as the interpreter does at its end
    print(status, file=said)
    status = 1
  return types.SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=said.getvalue())
