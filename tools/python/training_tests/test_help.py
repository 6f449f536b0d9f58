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


@pytest.mark.parametrize("words, said", (
  (("fit", "p", "-o", "m.e3", "--thread", "2"), "unrecognized arguments: --thread 2 (did you mean --threads?)"),
  (("fit", "p", "-o", "m.e3", "--memebrs=2"), "unrecognized arguments: --memebrs=2 (did you mean --members?)"),
  (("check", "p", "--unk", "u"), "unrecognized arguments: --unk u (did you mean --unknown?)"),
  (("check", "p", "--nonsense"), "unrecognized arguments: --nonsense"),
))
def test_a_part_of_an_options_name_is_refused_and_the_whole_one_named(words, said):
  done = subprocess.run([sys.executable, "-m", "e3_train", *words], capture_output=True, text=True)
  assert done.returncode == 2 and not done.stdout
  assert done.stderr.splitlines()[-1].endswith(f"error: {said}")


@pytest.mark.parametrize("words, after", ((("fit", "p", "-o", ""), " after '-o'"), (("check", "p", "--unknown="), " after '--unknown='"), (("",), "")))
def test_an_empty_argument_is_refused(words, after):
  done = subprocess.run([sys.executable, "-m", "e3_train", *words], capture_output=True, text=True)
  assert done.returncode == 2 and done.stderr == f"e3-train: an argument is empty{after}: e3-train --help explains\n"
