"""Claims about the help texts of e3-train: what is kept in help/ is what the commands print.

After a wanted change: E3_UPDATE_HELP=1 tools/python/test e3_train -k help
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KEPT = Path(__file__).resolve().parent / "help"
COMMANDS = ((), ("fit",), ("check",), ("recipe",), ("fashion",), ("parts",))


def kept(words):
  return KEPT / ("-".join(("e3-train", *words)) + ".txt")


# argparse of Python 3.13 writes options otherwise, and before 3.10 it had another heading.
@pytest.mark.skipif(not (3, 10) <= sys.version_info < (3, 13), reason="another Python lays help texts out otherwise")
@pytest.mark.parametrize("words", COMMANDS)
def test_help_prints_the_text_that_is_kept(words):
  command = [sys.executable, "-m", "e3_train", *words, "--help"]
  done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
  assert done.returncode == 0 and not done.stderr
  if os.environ.get("E3_UPDATE_HELP"):
    KEPT.mkdir(exist_ok=True)
    kept(words).write_text(done.stdout)
  assert done.stdout == kept(words).read_text()


def test_every_text_that_is_kept_belongs_to_a_command():
  assert sorted(KEPT.iterdir()) == sorted(kept(words) for words in COMMANDS)
