"""Claims about `e3-train fit`: from a folder of pictures to a calibrated model file."""

import errno
import fcntl
import json
import math
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import types
from fractions import Fraction
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import numpy as np
from conftest import ROOT, command
from e3_train import card, start
from e3_train.checkpoint import load_safetensors, put, save_safetensors, write_fault
from e3_train.commands import Commands
from e3_train.faults import Fault
from e3_train.features import Features, Views
from e3_train.fit import ENDINGS, Fit, Stopped, is_of_another
from e3_train.folder import Folder
from e3_train.int4 import kernels
from e3_train.model import VisionTransformer
from e3_train.parallel import Group
from e3_train.pictures import Recipe
from e3_train.progress import Meter
from e3_train.recipe import load
from e3_train.state import load as load_state
from e3_train.training import AdamW, Loss, Training, step_counts
from PIL import Image
from pictures import draw, folder


def commands():
  """The folder of e3-convert and e3-eval; what needs them is skipped without."""
  for place in (os.environ.get("E3_COMMANDS"), ROOT / ".build/debug", ROOT / ".build/release"):
    if place and shutil.which("e3-convert", path=place) and shutil.which("e3-eval", path=place):
      return str(place)
  pytest.skip("e3-convert and e3-eval are not built")


SMALL = {
  "name": "VisionTransformer", "image_size": [32, 32], "channels": 3, "num_classes": 5, "patch_size": [8, 8],
  "hidden_size": 16, "classifier": "token", "class_token": True, "register_tokens": 0, "activation": "gelu",
  "layer_norm_epsilon": 1e-6, "representation_size": None, "encoder": {"num_layers": 3, "num_heads": 2, "mlp_dim": 24},
}
RECIPE = {"epochs": 2, "batch": 8, "views": 2, "scratch": {"epochs": 2, "batch": 8, "hidden_size": 24, "num_heads": 3, "mlp_dim": 32}}


@pytest.fixture
def trunk(tmp_path):
  """A dense checkpoint with random weights."""
  torch.manual_seed(3)
  model = VisionTransformer(SMALL, 3)
  path = tmp_path / "trunk.safetensors"
  save_safetensors(path, {name: value.detach().numpy() for name, value in model.parameter.items()}, {})
  path.with_suffix(".json").write_text(json.dumps(SMALL))
  return path


@pytest.fixture
def recipe(tmp_path):
  path = tmp_path / "recipe.json"
  path.write_text(json.dumps(RECIPE))
  return path


def fit(*arguments):
  return command("fit", *arguments, "--threads", "1", "--float32")


def process(*arguments):
  """The words of e3-train fit in a process of its own."""
  return [sys.executable, "-m", "e3_train", "fit", *map(str, arguments), "--threads", "1", "--float32"]


def test_one_command_makes_a_calibrated_file_from_pictures_and_a_trunk(tmp_path, trunk, recipe):
  place = commands()
  pictures, unknown = folder(tmp_path / "p", count=40), folder(tmp_path / "u", ("blue", "other"), 6, 500)
  words = (pictures, "--from", trunk, "--head", "new", "--unknown", unknown, "-o", tmp_path / "mine.e3", "--recipe", recipe)
  done = subprocess.run(process(*words, "--commands", place), capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert "members; matrix products in float32\n" in done.stderr
  assert "packed, calibrated and verified" in done.stdout and "held-out pictures" in done.stdout
  inspected = json.loads(subprocess.run([f"{place}/e3-convert", "inspect", tmp_path / "mine.e3", "--json"], capture_output=True).stdout)
  assert inspected["labels"] == ["across", "down"]
  card = (tmp_path / "mine.md").read_text()
  assert "across (40), down (40)" in card and "## Calibration" in card and "allow known coverage" in card
  # What makes the figures doubtful stands before them.
  warned = "class statistics from too few images to tell unknown ones well"
  assert f"e3-train: warning: {warned}" in done.stderr and f"- {warned}" in card[card.index("## Warnings") : card.index("## Measured")]
  # The model's name, not that of the file that it was made as; and of the pictures no second tree stays.
  page = (tmp_path / "mine.html").read_text()
  assert "e3.work" not in card + page and "<title>mine.e3</title>" in page and f"{pictures}/across" in page
  assert not [path.name for path in (tmp_path / "mine.e3.work").iterdir() if path.is_dir()]
  # What it wrote goes on: the same classes keep their head.
  again = fit(pictures, "--from", tmp_path / "mine.safetensors", "-o", tmp_path / "again.e3", "--recipe", recipe, "--commands", place)
  assert again.returncode == 0, again.stderr
  assert load_safetensors(tmp_path / "again.safetensors")["head/kernel"].shape == (16, 2)


def test_the_card_warns_of_pixels_that_no_patch_has_and_quotes_paths(tmp_path, trunk, recipe):
  place, pictures = commands(), folder(tmp_path / "my p", count=20)
  done = fit(pictures, "--from", trunk, "--head", "new", "--image-size", "33", "-o", tmp_path / "my m.e3", "--recipe", recipe,
             "--commands", place)
  assert done.returncode == 0, done.stderr
  card = (tmp_path / "my m.md").read_text()
  warned = card[card.index("## Warnings") : card.index("## Measured")]
  assert warned.count("- --image-size 33x33 is no multiple of the patches of 8x8: the pixels below and to the right of the last") == 1
  assert "`e3-eval 'my m.e3' FOLDER`" in card


def test_other_numbers_keep_the_features_and_nothing_else_of_an_earlier_fit(tmp_path, trunk, recipe):
  place, pictures = commands(), folder(tmp_path / "p", count=20)
  (tmp_path / "own").mkdir()
  shorter = tmp_path / "shorter.json"
  shorter.write_text(json.dumps(RECIPE | {"epochs": 1}))
  options = ("--from", trunk, "--head", "new", "--commands", place)
  assert fit(pictures, *options, "--recipe", recipe, "-o", tmp_path / "mine.e3").returncode == 0
  features = tmp_path / "mine.e3.work/features-0-1.bin"
  changed = features.stat().st_mtime_ns
  for members in (1, 2):
    weights = []
    for output in (tmp_path / "mine.e3", tmp_path / "own/mine.e3"):
      done = fit(pictures, *options, "--recipe", shorter, "--members", members, "-o", output)
      assert done.returncode == 0, done.stderr
      weights.append(load_safetensors(output.with_suffix(".safetensors")))
    assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())
  assert features.stat().st_mtime_ns == changed


def test_weights_of_4_bits_are_trained_packed_and_told(tmp_path, trunk, recipe):
  place, pictures = commands(), folder(tmp_path / "p", count=20)
  recipe.write_text(json.dumps(RECIPE | {"rounded_share": 0.5}))
  words = (pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "mine.e3", "--recipe", recipe, "--commands", place)
  keys, weights = [], []
  for bits in ("experts=4", "experts=4,mlp=4", "experts=8"):
    done = fit(*words, "--weights", bits)
    assert done.returncode == 0, done.stderr
    keys.append(load_state(tmp_path / "mine.e3.work/training.state")[1]["key"])
    weights.append(load_safetensors(tmp_path / "mine.safetensors"))
    found = json.loads(subprocess.run([f"{place}/e3-convert", "inspect", tmp_path / "mine.e3", "--json"], capture_output=True).stdout)
    assert {extent["kind"] for extent in found["extents"] if extent["encoding"] == "int4"} == {
      "experts=4": {"expert"}, "experts=4,mlp=4": {"expert", "mlp"}, "experts=8": set()}[bits]
    card = (tmp_path / "mine.md").read_text()
    if bits == "experts=4":
      assert "| weights | experts in 4 bits, all else int8 |" in card and "; the last 3 with 4-bit weights" in card
      assert "\nthe last 3 of 6 steps compute with " in done.stderr
      measured = card[card.index("## Measured: experts in 4 bits, all else int8, held-out") : card.index("## Calibration")]
      assert "| | the file | float |" in measured and "| same top class as in float |" in measured
    elif bits == "experts=8":
      assert "## Measured: int8, held-out pictures\n\n| | |\n" in card and "| weights | int8 |" in card
  # The MLP of the frozen block is no matter of the training; rounded experts are.
  assert keys[0] == keys[1] != keys[2]
  differ = {name for name, value in weights[0].items() if not np.array_equal(value, weights[2][name])}
  assert any("/Moe/" in name for name in differ) and not any("encoderblock_0" in name for name in differ)
  assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_share_of_the_steps_that_is_none_is_told_and_claimed_nowhere(tmp_path, trunk, recipe):
  place, pictures = commands(), folder(tmp_path / "p", count=20)
  recipe.write_text(json.dumps({"epochs": 1, "batch": 8, "views": 1, "rounded_share": 0.1}))
  done = fit(pictures, "--from", trunk, "--head", "new", "--weights", "mlp=4", "-o", tmp_path / "m.e3", "--recipe", recipe, "--commands", place,
             "--train", "all")
  assert done.returncode == 0, done.stderr
  note = "rounded_share 0.1 of 3 steps is less than one: no step computes with weights as 4 bits round them"
  card = (tmp_path / "m.md").read_text()
  assert f"e3-train: note: {note}\n" in done.stderr and f"- {note}\n" in card
  assert "the last" not in done.stderr and "; the last" not in card


def test_links_stay_and_what_they_point_at_is_replaced(tmp_path, trunk, recipe):
  place, pictures, there = commands(), folder(tmp_path / "p", count=20), tmp_path / "there"
  there.mkdir()
  for ending in ENDINGS:
    if ending != ".json":  # one link whose file is yet to come
      (there / f"real{ending}").write_text("old")
      (there / f"real{ending}").chmod(0o640)
    (tmp_path / f"m{ending}").symlink_to(f"there/real{ending}")
  words = (pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "m.e3", "--recipe", recipe, "--commands", place)
  done = fit(*words)
  assert done.returncode == 0, done.stderr
  for ending in ENDINGS:
    assert os.readlink(tmp_path / f"m{ending}") == f"there/real{ending}" and (there / f"real{ending}").read_bytes() != b"old"
    assert ending == ".json" or stat.S_IMODE((there / f"real{ending}").stat().st_mode) == 0o640
  assert len(list(there.iterdir())) == 6 and (tmp_path / "m.e3.work").is_dir()
  assert subprocess.run([f"{place}/e3-convert", "verify", there / "real.e3"], capture_output=True).returncode == 0
  # A link into a folder that is not there is refused before any work.
  shutil.rmtree(tmp_path / "m.e3.work")
  there.rename(tmp_path / "kept")
  done = fit(*words)
  assert (done.returncode, done.stdout, done.stderr) == (1, "", (
    f"e3-train: {tmp_path}/m.e3: a link to there/real.e3, whose folder is not there: remove the link, or give another file\n"))
  assert not (tmp_path / "m.e3.work").exists()


def make_unwritable(path, kind):
  if kind == "loop":
    path.symlink_to(path.name)
  elif kind == "folder":
    path.mkdir()
  elif kind == "device":
    path.symlink_to("/dev/null")
  elif kind == "pipe":
    os.mkfifo(path)
  elif kind == "file for a folder":
    (path.parent / "file").touch()
    path.symlink_to("file/x")
  else:
    path.write_bytes(b"old")
    path.chmod(0o444)


@pytest.mark.parametrize("kind, problem", [
  ("loop", "Too many levels of symbolic links"), ("folder", "is a folder: give the name of a file"),
  ("device", "is no regular file: give the name of one"), ("pipe", "is no regular file: give the name of one"),
  ("file for a folder", "Not a directory"), ("protected", "is write-protected: make it writable (chmod u+w), or give another file"),
])
def test_what_cannot_be_written_is_refused_before_any_work_in_the_words_of_pack(tmp_path, trunk, recipe, kind, problem):
  place, pictures = commands(), folder(tmp_path / "p", count=2)
  for ending in ENDINGS:
    path = tmp_path / f"m{ending}"
    make_unwritable(path, kind)
    done = fit(pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "m.e3", "--recipe", recipe, "--commands", place)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"e3-train: {path}: {problem}\n")
    if ending == ".e3":
      words = [f"{place}/e3-convert", "pack", trunk, "--value-norm", "0.5,0.5", "--resize", "bicubic:32x32", "-o", path]
      assert subprocess.run(words, capture_output=True, text=True).stderr.splitlines()[-1] == f"e3-convert: {path}: {problem}"
    path.rmdir() if kind == "folder" else path.unlink()
    assert not (tmp_path / "m.e3.work").exists()


def test_where_a_user_may_not_write_is_told(tmp_path, monkeypatch):
  path, denied = tmp_path / "x", []
  path.touch()
  monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in denied)
  assert write_fault(path) is None and write_fault(tmp_path / "new") is None
  denied.append(str(path))
  assert write_fault(path) == "is write-protected: make it writable (chmod u+w), or give another file"
  denied[:] = [str(tmp_path)]
  assert write_fault(path) == write_fault(tmp_path / "new") == "is in a folder that this user may not write to"
  monkeypatch.setattr(os, "statvfs", lambda path: types.SimpleNamespace(f_flag=os.ST_RDONLY))
  assert write_fault(path) == "Read-only file system"
  denied.clear()
  tmp_path.chmod(0o1777)
  monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
  assert write_fault(path) == "belongs to another user, in a folder where only owners replace files: give another file"
  assert write_fault(tmp_path / "new") is None


def test_a_model_file_is_put_on_another_disk_too(tmp_path, monkeypatch):
  made, replace = tmp_path / "made", os.replace
  made.write_bytes(b"new")
  (tmp_path / "real").write_bytes(b"old")
  (tmp_path / "link").symlink_to("real")

  def failing(source, target):
    if source == made:
      raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    replace(source, target)

  monkeypatch.setattr(os, "replace", failing)
  put(made, tmp_path / "link")
  assert (tmp_path / "real").read_bytes() == b"new" and os.readlink(tmp_path / "link") == "real"
  assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_bits_of_what_is_not_there_are_told_and_left(tmp_path, trunk, recipe):
  place, pictures = commands(), folder(tmp_path / "p", count=20)
  done = fit(pictures, "--from", trunk, "--head", "new", "--members", "1", "--weights", "experts=4", "-o", tmp_path / "m.e3", "--recipe", recipe,
             "--commands", place)
  assert done.returncode == 0, done.stderr
  assert "e3-train: note: --weights experts=4 changes nothing: there are no experts\n" in done.stderr
  assert "| weights | int8 |" in (tmp_path / "m.md").read_text()


def test_weights_are_said_in_the_words_of_pack(tmp_path):
  for text, more in (("experts=5", ""), ("4", ": experts=4,mlp=4"), ("attention=4", ""), ("experts=4,experts=8", ""), ("experts=4,", ""), ("mlp", "")):
    for words in (("fit", tmp_path, "-o", "m.e3"), ("check", tmp_path)):
      done = command(*words, "--weights", text)
      expected = f"--weights: {text!r}: expected experts=B, mlp=B and attention=8 with B 4 or 8, separated by commas{more}"
      assert done.returncode == 2 and done.stderr.splitlines()[-1].endswith(expected), done.stderr
  assert command("check", folder(tmp_path / "p", count=40), "--weights", "attention=8,mlp=4,experts=4").returncode == 0


def test_what_cannot_work_is_refused_in_one_line(tmp_path, trunk, recipe):
  place = commands()
  pictures = folder(tmp_path / "p", count=20)
  options = ("-o", tmp_path / "x.e3", "--recipe", recipe, "--commands", place)
  broken = folder(tmp_path / "t", count=2, first=900)
  taken = tmp_path / "taken.e3"
  taken.mkdir()
  (broken / "down/cut.png").write_bytes(b"cut")
  golden = ROOT / "Tests/E3Goldens/Data/e3_token"
  headless = tmp_path / "headless.safetensors"
  save_safetensors(headless, {name: value for name, value in load_safetensors(trunk).items() if not name.startswith("head/")}, {})
  headless.with_suffix(".json").write_text(json.dumps({name: value for name, value in SMALL.items() if name != "num_classes"}))
  cases = [
    ((pictures, "--from", trunk, *options), 1, "nothing tells its labels: --head new"),
    ((pictures, "--from", trunk, "--head", "keep", *options), 1, "its 5 classes are not those of"),
    ((pictures, "--from", headless, "--head", "keep", *options), 1, "headless.safetensors: has no head to keep: --head new makes one"),
    ((pictures, "--from", trunk, "--head", "new", "--train", "last:9", *options), 2, "but the model has 3 blocks"),
    ((pictures, "--from", golden / "e3_token", "--config", golden / "config.json", "--head", "new", "--train", "last:1", *options), 2,
     "is too few: every block with experts must learn, which takes last:"),
    ((pictures, "--train", "last:1", *options), 2, "needs --from"),
    ((pictures, "--head", "new", *options), 2, "belongs to --from"),
    ((pictures, "--from", tmp_path / "none.safetensors", *options), 1, "e3-convert: "),
    ((pictures, "--from", trunk, "-o", tmp_path / "x.bin"), 2, "ends in .e3"),
    ((pictures, "--from", trunk, "-o", tmp_path / "trunk.e3"), 2, "trunk.safetensors would be written over"),
    ((pictures, "-o", tmp_path / "x.e3", "--commands", tmp_path), 1, "e3-convert: not in"),
    ((pictures, "--unknown", tmp_path / "none", *options), 1, "none: not there"),
    ((pictures, "--unknown", tmp_path, *options), 1,
     f"move their pictures up (e3-train check {pictures} --unknown {tmp_path} --commands {place} lists all that is wrong)"),
    ((pictures, "--unknown", broken, *options), 1, "cut.png: no JPEG"),
    ((pictures, "-o", tmp_path / "x.e3", "--commands", place), 1, "28 pictures to train on, of 40, make no batch of 32"),
    ((pictures, "-o", taken, "--commands", place), 1, "taken.e3: is a folder"),
    ((pictures, "--value-norm", "0.485,58.4", *options), 2, "--value-norm: '0.485,58.4': expected means and deviations of pixels in 0...1"),
    ((pictures, "--from", trunk, "--head", "new", "--value-norm", "nan,1", *options), 2, "--value-norm: 'nan,1': expected MEAN,STD"),
    ((pictures, "--resize", "fast:3", *options), 2, "--resize: 'fast:3': expected FILTER:SIDE"),
    ((pictures, "--from", trunk, "--head", "new", "--resize", "bicubic:31", *options), 2, "'bicubic:31' is smaller than the image size, 32x32"),
    ((pictures, "--test", broken, *options), 1, "cut.png: no JPEG"),
    # What is wrong with the command is told before what is wrong with a picture.
    ((broken, "--from", tmp_path / "none.safetensors", *options), 1, "e3-convert: "),
    ((broken, "--from", trunk, "--head", "new", "--train", "last:9", *options), 2, "but the model has 3 blocks"),
    ((broken, "--from", trunk, "--head", "new", *options), 1, "and 2 more: e3-train check"),
  ]
  for words, status, problem in cases:
    done = fit(*words)
    said = [line for line in done.stderr.splitlines() if line.startswith("e3-train: ") and "note" not in line]
    assert (done.returncode, len(said)) == (status, 1) and problem in said[0], (words, done.stderr)
    # Nothing stays of a refusal.
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(("x.", "taken.e3."))], words


def test_a_refusal_leaves_what_was_there_before(tmp_path, trunk, recipe):
  place, pictures, work = commands(), folder(tmp_path / "p", count=20), tmp_path / "x.e3.work"
  work.mkdir()
  (work / "training.state").write_bytes(b"kept")
  words = (pictures, "--from", trunk, "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands", place)
  assert fit(*words).returncode == 1 and [path.name for path in work.iterdir()] == ["training.state"]
  (work / "lock").write_bytes(b"")
  assert fit(*words).returncode == 1 and sorted(path.name for path in work.iterdir()) == ["lock", "training.state"]


def locking(folder):
  fitting = Fit.__new__(Fit)
  fitting.group, fitting.work = Group(), folder
  return fitting


def test_a_lock_that_another_took_away_is_made_anew(tmp_path, monkeypatch):
  fitting, take, taken = locking(tmp_path / "x.e3.work"), fcntl.flock, []

  def late(file, kind):
    if not taken:  # it was refused, and left, between the opening and the lock
      shutil.rmtree(fitting.work)
    taken.append(file)
    take(file, kind)

  monkeypatch.setattr(fcntl, "flock", late)
  fitting.lock()
  assert len(taken) == 2 and os.path.samestat(os.fstat(fitting.held.fileno()), os.stat(fitting.work / "lock"))
  fitting.leave()
  assert not fitting.work.exists()
  fitting.held.close()


@pytest.mark.parametrize("step", ["mkdir", "iterdir"])
def test_a_work_folder_that_another_takes_away_is_made_anew(tmp_path, monkeypatch, step):
  work, take, calls = tmp_path / "x.e3.work", getattr(Path, step), []

  def late(path, **options):
    calls.append(path)
    if len(calls) == 1 and step == "mkdir":  # it was there, and no longer is when it is looked at
      raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if len(calls) == 1:
      path.rmdir()
    return take(path, **options)

  monkeypatch.setattr(Path, step, late)
  fitting = locking(work)
  fitting.lock()
  assert calls == [work, work] and fitting.is_new and (work / "lock").is_file()
  fitting.held.close()


def test_a_folder_that_cannot_be_locked_is_told_and_not_tried_for_ever(tmp_path, monkeypatch):
  work, make, made = tmp_path / "x.e3.work", Path.mkdir, []

  def counted(path, **options):
    made.append(path)
    assert len(made) < 1000
    make(path, **options)

  monkeypatch.setattr(Path, "mkdir", counted)
  make(work)
  (work / "lock").symlink_to("../none/lock")
  with pytest.raises(Fault, match="x.e3.work/lock: is a link: remove it$"):
    locking(work).lock()
  (tmp_path / "none").mkdir()
  with pytest.raises(Fault, match="x.e3.work/lock: is a link: remove it$"):
    locking(work).lock()
  assert not list((tmp_path / "none").iterdir())
  shutil.rmtree(work)
  monkeypatch.setattr(fcntl, "flock", lambda *_: shutil.rmtree(work))
  with pytest.raises(Fault, match="x.e3.work: is taken away again and again"):
    locking(work).lock()
  work.symlink_to("nowhere")
  with pytest.raises(Fault, match="x.e3.work: is no folder: remove it, or name another --output$"):
    locking(work).lock()


def test_means_and_deviations_may_be_of_bytes(tmp_path, trunk, recipe):
  place, pictures, weights = commands(), folder(tmp_path / "p", count=20), []
  for name, norm in (("share", "0.5,0.5"), ("bytes", "127.5,127.5")):
    done = fit(pictures, "--from", trunk, "--head", "new", "--value-norm", norm, "-o", tmp_path / f"{name}.e3", "--recipe", recipe,
               "--commands", place)
    note = f"--value-norm is taken as of pixels in 0...{'1' if name == 'share' else '255'}"
    assert done.returncode == 0 and f"e3-train: note: {note}\n" in done.stderr and f"- {note}\n" in (tmp_path / f"{name}.md").read_text()
    assert json.loads((tmp_path / f"{name}.fit.json").read_text())["value_norm"] == norm
    weights.append(load_safetensors(tmp_path / f"{name}.safetensors"))
    inspected = json.loads(subprocess.run([f"{place}/e3-convert", "inspect", tmp_path / f"{name}.e3", "--json"], capture_output=True).stdout)
    assert "[127.5, 127.5, 127.5]" in json.dumps(inspected)
  assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())
  again = fit(pictures, "--from", tmp_path / "bytes.safetensors", "-o", tmp_path / "again.e3", "--recipe", recipe, "--commands", place)
  assert again.returncode == 0 and json.loads((tmp_path / "again.fit.json").read_text())["value_norm"] == "127.5,127.5"


@pytest.mark.parametrize("change, problem", [
  ({"image_mean": [127.5] * 3, "image_std": [127.5] * 3}, "127.5,127.5,127.5,127.5,127.5,127.5, expected those of pixels in 0...1: give --value-norm, which"),
  ({"image_mean": [0.485] * 3, "image_std": [58.4] * 3}, "some are of one and some of the other: give --value-norm"),
  # Bytes that stay bytes, and shares by another factor: the numbers are those of the file, and so is the unit.
  ({"do_rescale": False}, "0.5,0.5,0.5,0.5,0.5,0.5, expected those of pixels in 0...255: give --value-norm, which"),
  ({"do_rescale": False, "do_normalize": False}, "0,1, expected those of pixels in 0...255: give --value-norm, which"),
  ({"rescale_factor": 2 / 255, "image_mean": [1, 1, 99], "image_std": [1, 1, 1]}, "1,1,99,1,1,1, expected those of pixels in 0...2: give --value-norm, which"),
])
def test_the_configuration_whose_means_have_another_unit_is_named(tmp_path, recipe, change, problem):
  place, source = commands(), tmp_path / "hf"
  shutil.copytree(ROOT / "Tests/E3Goldens/Libraries/hf_ViTForImageClassification", source)
  path = source / "preprocessor_config.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | change))
  done = fit(folder(tmp_path / "p", count=20), "--from", source, "--head", "new", "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands", place)
  said = done.stderr.splitlines()[-1]
  assert done.returncode == 1 and said.startswith(f"e3-train: {path}: ") and problem in said, done.stderr


def test_what_fit_wrote_beside_a_checkpoint_is_named_where_it_is_wrong(tmp_path, trunk, recipe):
  place, pictures, beside = commands(), folder(tmp_path / "p", count=20), trunk.with_suffix(".fit.json")
  right = {"labels": ["across", "down"], "resize": "bicubic:32x32", "value_norm": "0.5,0.5"}
  for change, problem in (({"value_norm": "0.5,58.4"}, "value_norm '0.5,58.4': expected means"), ({"resize": "bicubic:9"}, "resize 'bicubic:9' is smaller"),
                          ({"value_norm": 0.5}, "not what e3-train wrote beside a checkpoint"), ({"labels": [1, 2]}, "not what e3-train wrote")):
    beside.write_text(json.dumps(right | change))
    done = fit(pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands", place)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(f"e3-train: {beside}: {problem}"), done.stderr
  for text, problem in (("[" * 100_000, "nested too deeply"), (json.dumps(right | {"resize": "bilinear:\u0663\u0662"}), "resize '.*': expected FILTER:SIDE")):
    beside.write_text(text)
    done = fit(pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands", place)
    assert done.returncode == 1 and re.match(f"e3-train: {beside}: {problem}", done.stderr.splitlines()[-1]), done.stderr
    assert not (tmp_path / "x.e3.work").exists()


def test_a_full_disk_is_told_with_the_file(tmp_path, state, monkeypatch):
  kept = training(state=state)

  class Full:
    def write(self, data):
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self):
      pass

  def onto_a_full_disk(path, write):
    write(Full())

  monkeypatch.setattr("e3_train.state.write_atomically", onto_a_full_disk)
  with pytest.raises(OSError, match="No space left on device"):
    kept.save()


def features_of_no_pictures(tmp_path):
  model = VisionTransformer(SMALL, 3).eval()
  views = Views(None, [0] * 12, Recipe("bicubic:32x32", "0.5,0.5", (32, 32), 3), load()["view"], 1)
  return Features(tmp_path / "f.bin", model, 2, views, 3, "key")


def test_the_features_take_their_room_before_they_are_computed(tmp_path, monkeypatch):
  def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  features, word, taken = features_of_no_pictures(tmp_path), tmp_path / "f.0of1.json", []

  def taking(descriptor, offset, size):
    # What glibc does where the file system cannot reads from the file, and refuses to append.
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    assert flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_APPEND
    # A process that is killed here must not leave what looks like a file with its room.
    assert not features.is_there
    taken.append((offset, size))

  monkeypatch.setattr(os, "posix_fallocate", taking)
  features.allocate()
  # Once, whatever the disk says of the blocks that it has for them: one that compresses has fewer.
  features.allocate()
  assert taken == [(0, features.size)] and features.is_there
  features.path.unlink()
  # What was done of a file that is gone does not count.
  word.write_text(json.dumps({"key": features.key, "done": 8}))
  monkeypatch.setattr(os, "posix_fallocate", full)
  with pytest.raises(OSError, match="No space left on device: the features take .* GB: .*f.bin"):
    features.allocate()
  assert not features.path.exists() and not word.exists()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_features_go_where_no_room_can_be_taken_before(tmp_path, monkeypatch, number):
  def unable(*_):
    raise OSError(number, os.strerror(number))

  monkeypatch.setattr(os, "posix_fallocate", unable)
  features = features_of_no_pictures(tmp_path)
  for before in (b"", bytes(int(features.size) + 9)):
    features.path.write_bytes(before)
    features.allocate()
    assert features.is_there


def damaged(root):
  """Pictures that Pillow reads and the runtime refuses; -> {their names: why}"""
  draw(0, 0).save(root / "down/bit.jpg")
  for path, change in ((root / "down/end.png", lambda data: data[:-12]), (root / "down/two.ppm", lambda data: data + data),
                       (root / "down/bit.jpg", lambda data: data[:-11] + bytes([data[-11] ^ 1]) + data[-10:])):
    if not path.exists():
      draw(1, 900).save(path)
    path.write_bytes(change(path.read_bytes()))
  (root / "down/a b\n.png").write_bytes((root / "down/end.png").read_bytes())
  return {"a b\\n.png": "file ends early", "bit.jpg": "Corrupt JPEG data", "end.png": "file ends early", "two.ppm": "several pictures"}


def test_damage_that_the_runtime_refuses_is_told_before_training_and_all_at_once(tmp_path, recipe):
  place = commands()
  if not shutil.which("e3-run", path=place):
    pytest.skip("e3-run is not built")
  pictures, test, unknown = folder(tmp_path / "p"), folder(tmp_path / "t", count=2, first=700), folder(tmp_path / "u", ("x", "down"), 2, 500)
  expected = [(root, name, why) for root in (pictures, test, unknown) for name, why in damaged(root).items()]
  words = (pictures, "--test", test, "--unknown", unknown, "--commands", place, "--recipe", recipe)
  found = json.loads(command("check", *words, "--json").stdout)["faults"]
  assert len(found) == len(expected) and all(
    line.startswith(f"{root}/down/{name}: not a whole picture: ") and why in line for line, (root, name, why) in zip(found, expected)), found
  done = fit(*words, "-o", tmp_path / "x.e3")
  assert done.returncode == 1 and "and 11 more: e3-train check" in done.stderr
  assert "training" not in done.stderr


def test_more_damage_than_e3_run_names_at_once_is_named(tmp_path):
  place = commands()
  if not shutil.which("e3-run", path=place):
    pytest.skip("e3-run is not built")
  pictures = folder(tmp_path / "p", count=70)
  for path in list((pictures / "down").iterdir()):
    whole = path.with_suffix(".ppm")
    Image.open(path).save(whole)
    whole.write_bytes(whole.read_bytes() * 2)
    path.unlink()
  found = json.loads(command("check", pictures, "--commands", place, "--json").stdout)["faults"]
  assert found == [f"{pictures}/down/{number:03}.ppm: not a whole picture: several pictures, one after the other" for number in range(70)]


def test_an_e3_run_that_does_not_work_is_no_fault_of_the_pictures(tmp_path):
  for name, text in (("e3-convert", ""), ("e3-run", "echo 'e3-run: unknown option' >&2; exit 2")):
    (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
    (tmp_path / name).chmod(0o755)
  done = command("check", folder(tmp_path / "p", count=6), "--commands", tmp_path)
  assert (done.returncode, done.stdout, done.stderr) == (1, "", "e3-train: e3-run: unknown option\n")


@pytest.mark.parametrize("lines, problem", [
  (("e3-convert: note: one thing", "Error: a value is invalid", "Help:  a value", "  See 'e3-convert pack --help' for more information."), "a value is invalid"),
  (("e3-convert: warning: few", "e3-convert: m.e3: damaged", "more of it"), "m.e3: damaged"), (("one", "two"), "two"), ((), "ended with status 1"),
])
def test_of_a_command_that_fails_the_first_line_that_says_why_is_told(tmp_path, lines, problem):
  (tmp_path / "said").write_text("".join(f"{line}\n" for line in lines))
  convert = tmp_path / "e3-convert"
  convert.write_text(f"#!/bin/sh\ncat '{tmp_path}/said' >&2\nexit 1\n")
  convert.chmod(0o755)
  with pytest.raises(Fault, match=f"^e3-convert: {problem}$"):
    Commands(tmp_path).run("e3-convert")


def test_errors_of_commands_name_the_users_files(tmp_path):
  convert = tmp_path / "e3-convert"
  convert.write_text("#!/bin/sh\necho 'e3-convert: m.e3.work/train/down/1.png: damaged' >&2\nexit 1\n")
  convert.chmod(0o755)
  called = Commands(tmp_path)
  called.own["m.e3.work/train"] = "my pictures"
  with pytest.raises(Fault, match="^e3-convert: my pictures/down/1.png: damaged$"):
    called.run("e3-convert")


def test_unknown_pictures_that_are_of_a_class_are_told(tmp_path, trunk, recipe):
  place = commands()
  pictures, unknown = folder(tmp_path / "p", count=20), folder(tmp_path / "u", ("other",), 4, 500)
  (unknown / "other/known.png").write_bytes((pictures / "down/003.png").read_bytes())
  done = fit(pictures, "--from", trunk, "--head", "new", "--unknown", unknown, "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands",
             place)
  note = f"1 of the unknown pictures of {unknown} are in {pictures} too ({unknown}/other/known.png is {pictures}/down/003.png)"
  assert done.returncode == 0 and note in done.stderr and note in (tmp_path / "x.md").read_text()
  # Five are too few to divide, so that nothing but rearranged known ones chose what decides.
  few = f"{unknown}: 5 unknown pictures, too few to help to choose what decides, which takes 8: all of them measure it"
  card = (tmp_path / "x.md").read_text()
  assert few in done.stderr and f"- {few}\n" in card and " rearranged known images\n" in card and f"| `{unknown}`: AUROC" in card


def test_accuracy_at_chance_and_strangers_that_are_accepted_are_warned_of():
  labels = [0] * 6 + [1] * 6 + [2] * 6
  report = {"accuracy": 7 / 18, "ood": [{"dataset": "u", "signal": "unknown_score", "auroc": 0.5}],
            "ood_decisions": [{"dataset": "u", "accept": 0.85, "unsure": 0.1, "unknown": 0.05}]}
  assert card.doubts(report, labels, 40) == [
    "accuracy 38.9 % of 18 test pictures is no better than to name always the most frequent class (33.3 %), as far as so few can tell",
    "85.0 % of the unknown pictures of u are accepted as one of the classes"]
  report["ood_decisions"][0]["accept"] = 0.5
  assert card.doubts(report | {"accuracy": 11 / 18}, labels, 40) == []
  assert len(card.doubts(report | {"accuracy": 9 / 18}, labels, 40)) == 1
  # 10 of 18 or more: 0.0433 (binomial distribution, by exact fractions).
  assert abs(card.by_chance(10, 18, 1 / 3) - float(sum(math.comb(18, k) * Fraction(2) ** (18 - k) / 3**18 for k in range(10, 19)))) < 1e-12
  assert card.by_chance(3, 3, 1) == 1 and abs(card.by_chance(0, 500, 0.2) - 1) < 1e-9


def test_accepted_answers_that_are_mostly_wrong_are_warned_of():
  labels = [number % 300 for number in range(3000)]
  report = {"accuracy": 0.063, "calibrated": {"accept": 0.887, "accepted_accuracy": 0.068}}
  assert card.doubts(report, labels, 40) == [
    "of the accepted 88.7 % of the test pictures only 6.8 % are right: most accepted answers are wrong"]
  for right in (0.5, None):
    assert card.doubts(report | {"calibrated": {"accept": 0.887, "accepted_accuracy": right}}, labels, 40) == []


def test_a_temperature_that_makes_the_probabilities_worse_is_warned_of():
  labels = [0] * 6 + [1] * 6

  def found(plain, calibrated, count=12):
    return card.doubts({"accuracy": 1, "nll": plain, "calibrated": {"nll": calibrated}}, labels, count)

  assert found(0.365, 0.651) == [
    "the temperature, fitted on 12 pictures, makes the NLL of the test pictures worse: 0.651 instead of 0.365"]
  assert found(0.365, 0.651, 1)[0].startswith("the temperature, fitted on 1 picture, makes ")
  assert len(found(0.365, 0.402)) == 1 and len(found(0, 0.011)) == 1
  # A tenth is no matter, nor what hardly shows; better is better.
  for calibrated in (0.401, 0.365, 0.1):
    assert found(0.365, calibrated) == []
  assert found(0.002, 0.011) == []


def test_a_bar_in_a_name_begins_no_cell():
  assert card.table([("classes", "a|b (3)\n")]).splitlines()[2:] == ["| classes | a\\|b (3)\\n |"]


def test_warnings_of_commands_are_kept_and_a_long_wait_is_told(tmp_path, monkeypatch, capsys):
  command = tmp_path / "e3-convert"
  command.write_text("#!/bin/sh\nsleep 1\necho done\necho 'e3-convert: warning: the temperature lies at its bound' >&2\n")
  command.chmod(0o755)
  monkeypatch.setattr(Meter, "PAUSE", 0.2)
  called = Commands(tmp_path)
  assert called.run("e3-convert", meter=Meter("calibrating")) == "done\n"
  assert called.warnings == ["the temperature lies at its bound"]
  said = capsys.readouterr().err.splitlines()
  assert said[0] == "calibrating: 0 s so far" and said[-1] == "e3-convert: warning: the temperature lies at its bound"


def test_off_a_terminal_a_line_comes_now_and_then(monkeypatch, capsys):
  monkeypatch.setattr(Meter, "PAUSE", 0)
  meter = Meter("reading")
  meter.update(1, 4)
  monkeypatch.setattr(Meter, "PAUSE", 3600)
  meter.update(2, 4)
  assert capsys.readouterr().err == "reading: 25 %\n"


def test_two_trainings_in_one_folder_are_refused(tmp_path):
  place = commands()
  (tmp_path / "x.e3.work").mkdir()
  with open(tmp_path / "x.e3.work/lock", "w") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    done = fit(folder(tmp_path / "p", count=6), "-o", tmp_path / "x.e3", "--commands", place)
  assert done.returncode == 1 and done.stderr == f"e3-train: {tmp_path}/x.e3.work: another e3-train works in it\n"


def test_the_state_of_another_training_is_known(state):
  assert not is_of_another(state, "key")
  training(state=state).save()
  assert not is_of_another(state, "key") and is_of_another(state, "other")
  state.write_bytes(b"cut")
  with pytest.raises(Fault, match="remove it to begin anew"):
    is_of_another(state, "key")


def training(pictures=24, seed=1, state=None, members=2, group=None, bits={}, **numbers):
  """A training on features that are random numbers."""
  recipe = load() | {"epochs": 3, "batch": 8} | numbers
  config = json.loads(json.dumps(SMALL)) | {"num_classes": 3}
  config["encoder"]["moe"] = {
    "layers": [1, 2], "num_experts": 2 * members, "ensemble_size": members,
    "router": {"num_selected_experts": 1, "noise_std": 1.0, "importance_loss_weight": 0.05, "load_loss_weight": 0.05}}
  torch.manual_seed(5)
  model = VisionTransformer(config, 3)
  torch.nn.init.normal_(model.parameter["head/kernel"], std=0.1)
  for name, value in model.parameter.items():
    value.requires_grad_("encoderblock_0" not in name and not name.startswith(("embedding", "cls", "Encoder/pos")))
  features = torch.randn(pictures, 2, model.tokens, 16, generator=torch.Generator().manual_seed(1))
  labels = torch.arange(pictures) % 3
  return Training(model, AdamW(model, recipe), 1, lambda places, numbers: features[places, numbers], labels, 2, recipe, seed, state,
                  group or Group(), "key", kernels(model, bits))


@pytest.fixture
def state(tmp_path):
  return tmp_path / "training.state"


def test_a_stopped_training_goes_on_with_the_same_numbers(state, tmp_path):
  whole = training(state=tmp_path / "whole.state")
  assert whole.run(lambda *_: True)
  first = training(state=state)
  assert not first.run(lambda step, *_: step < 4)
  second = training(state=state)
  assert second.step == 4 and second.run(lambda *_: True)
  assert second.history == whole.history
  for name, value in whole.model.parameter.items():
    assert torch.equal(value, second.model.parameter[name]), name


@pytest.mark.parametrize("share, rounded", [(0.5, 4), (0.05, 0), (1, 9), (0, 0)])
def test_the_steps_that_are_told_are_those_of_the_training(state, share, rounded):
  numbers = {"epochs": 3, "batch": 8, "rounded_share": share}
  assert step_counts(31, load() | numbers, ["a kernel"]) == (9, rounded) and step_counts(31, load() | numbers, []) == (9, 0)
  for bits in ({"experts": 4}, {}):
    one, fitting = training(31, state=state, bits=bits, **numbers), Fit.__new__(Fit)
    fitting.group, fitting.notes, fitting.parts, fitting.recipe = Group(), [], [range(31)], one.recipe
    fitting.model, fitting.rounded = one.model, list(one.rounded)
    fitting.say_rounded()
    assert one.steps == 9 and one.first_rounded == 9 - fitting.rounded_steps and fitting.rounded_steps == (rounded if bits else 0)


def test_mixup_asks_mixed_representations_for_mixed_labels(monkeypatch):
  model = training(state=Path("nowhere"), mixup=0.4).model.eval()
  inputs, labels = torch.randn(8, 2, model.tokens, 16), torch.arange(16).view(8, 2) % 3
  for weight in (1.0, 0.25):
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda beta, shape: torch.full(shape, weight))
    with torch.no_grad():
      found, _ = Loss(model, 1, 0.0, 0.4)(inputs, labels)
      represented, _ = model.represented(inputs, 1)
      partners = [4, 5, 6, 7, 0, 1, 2, 3]
      wanted = torch.nn.functional.one_hot(labels, 3).float()
      wanted = weight * wanted + (1 - weight) * wanted[partners]
      logits = model.head(weight * represented + (1 - weight) * represented[partners])
    torch.testing.assert_close(found, -(wanted * logits.log_softmax(-1)).sum(-1).mean())
  plain, _ = Loss(model, 1, 0.0, 0.0)(inputs, labels)
  torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(model.head(represented).flatten(0, 1), labels.flatten()))


def test_experts_are_only_where_blocks_learn():
  source = type("Source", (), {"config": SMALL, "moe": None, "path": "x"})
  for learning, layers in ((1, [2]), (2, [1, 2]), (3, [1, 2]), (None, [1, 2])):
    assert start.target_config(source, 3, 3, load() | {"expert_blocks": 2}, 2, learning)["encoder"]["moe"]["layers"] == layers


def test_members_that_start_alike_learn_to_differ(tmp_path):
  config = start.target_config(type("Source", (), {"config": SMALL, "moe": None, "path": "x"}), 3, 3, load() | {"expert_blocks": 2}, 2)
  assert config["encoder"]["moe"]["num_experts"] == 2 and config["encoder"]["moe"]["layers"] == [1, 2]
  torch.manual_seed(0)
  dense = VisionTransformer(SMALL, 3)
  tensors = {name: value.detach().numpy() for name, value in dense.parameter.items()}
  images = torch.rand(4, 32, 32, 3)
  for noise in (0.0, 0.5):
    source = type("Source", (), {"tensors": tensors, "path": "x"})
    model = start.initial_model(source, config, load() | {"expert_noise": noise}, torch.Generator().manual_seed(1), False)
    found = model.eval().representation(*model.embedded(images), 0, False)[0]
    expected = dense.eval().representation(*dense.embedded(images), 0, False)[0]
    apart = (found[:, 0] - found[:, 1]).abs().max().item()
    if noise:
      assert apart > 1e-3
    else:
      torch.testing.assert_close(found, expected.expand_as(found), atol=1e-5, rtol=1e-5)


def test_a_grey_trunk_answers_grey_pictures_as_the_coloured_one(tmp_path):
  torch.manual_seed(0)
  dense = VisionTransformer(SMALL, 3)
  tensors = {name: value.detach().numpy() for name, value in dense.parameter.items()}
  grey = VisionTransformer(SMALL | {"channels": 1}, 1)
  grey.load_parameters(start.grey(tensors))
  images = torch.rand(2, 32, 32, 1)
  torch.testing.assert_close(grey.trunk(images, 2), dense.trunk(images.expand(-1, -1, -1, 3), 2), atol=1e-5, rtol=1e-5)


def test_features_are_those_of_the_trunk_and_are_not_computed_twice(tmp_path):
  torch.manual_seed(0)
  model = VisionTransformer(SMALL, 3).eval()
  pictures = Folder(folder(tmp_path / "p", count=6))
  recipe = Recipe("bicubic:32x32", "0.5,0.5", (32, 32), 3)
  views = Views(pictures, list(range(12)), recipe, load()["view"], 1)
  features = Features(tmp_path / "f.bin", model, 2, views, 3, "key")
  calls = []
  assert not features.compute(1, lambda done, total: done < 16)
  again = Features(tmp_path / "f.bin", model, 2, views, 3, "key")
  assert again.compute(1, lambda done, total: calls.append(done) or True)
  assert calls == [24, 32, 36]
  pixels = np.stack([views.view(7, number) for number in range(3)])
  expected = model.trunk(torch.from_numpy(recipe.values(pixels)), 2).bfloat16()
  # Products of other shapes may round in another way, which bfloat16 shows.
  torch.testing.assert_close(again.take(np.array([7, 7, 7]), np.arange(3)), expected, atol=1e-2, rtol=1e-2)
  other = Features(tmp_path / "f.bin", model, 2, views, 3, "other key")
  calls.clear()
  assert not other.compute(1, lambda done, total: calls.append(done))
  assert calls == [8]


def test_features_that_others_were_written_over_are_computed_anew(tmp_path):
  torch.manual_seed(0)
  model = VisionTransformer(SMALL, 3).eval()
  pictures = Folder(folder(tmp_path / "p", count=6))
  recipe = Recipe("bicubic:32x32", "0.5,0.5", (32, 32), 3)

  def features(seed):
    return Features(tmp_path / "f.bin", model, 2, Views(pictures, list(range(12)), recipe, load()["view"], seed), 3, f"seed {seed}")

  def killed(*_):
    raise KeyboardInterrupt

  first = features(1)
  assert first.compute(1, lambda *_: True)
  expected = first.take(np.arange(12), np.ones(12, int))
  with pytest.raises(KeyboardInterrupt):
    features(2).compute(1, killed)
  again = features(1)
  assert again.compute(1, lambda *_: True)
  torch.testing.assert_close(again.take(np.arange(12), np.ones(12, int)), expected, atol=1e-2, rtol=1e-2)


def test_the_forward_pass_is_that_of_the_converter(tmp_path):
  place = commands()
  goldens = ROOT / "Tests/E3Goldens"
  found = [(path, None) for path in goldens.glob("Libraries/*_*") if path.is_dir() and path.name != "big_vision"]
  found += [(goldens / "Data" / name / name, goldens / "Data" / name / "config.json") for name in ("e3_token", "vmoe_first", "vmoe_map")]
  assert len(found) > 12
  for path, given in sorted(found):
    source = start.Source(path, tmp_path, Commands(place), config=given)
    config = source.config
    model = VisionTransformer(config, config["channels"])
    model.load_parameters(source.tensors)
    height, width = config["image_size"]
    images = torch.rand(2, height, width, config["channels"], generator=torch.Generator().manual_seed(1)) * 2 - 1
    np.save(tmp_path / "x.npy", images.numpy())
    options = ["--config", given] if given else []
    out = subprocess.run([f"{place}/e3-convert", "reference", path, "--capacity", "none", *options, "--tensor", tmp_path / "x.npy",
                          "--json"], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    expected = [[m["logits"] for m in json.loads(line)["members"]] for line in out.stdout.splitlines()]
    with torch.no_grad():
      found = model.eval()(images)[0].numpy()
    np.testing.assert_allclose(found, np.array(expected).reshape(found.shape), atol=1e-4, err_msg=path.name)


DISTRIBUTED = """
import json, os, sys
sys.path[:0] = [{tests!r}]
import test_fit
from pathlib import Path
group = test_fit.Group()
one = test_fit.training(state=Path({folder!r}) / "state", group=group, batch=8)
one.run(lambda *_: True)
if group.is_first: Path({folder!r}, "history.json").write_text(json.dumps(one.history))
group.close()
"""


def test_two_processes_have_the_losses_of_one(tmp_path):
  alone = training(state=tmp_path / "alone.state", batch=8)
  alone.run(lambda *_: True)
  script = tmp_path / "two.py"
  script.write_text(DISTRIBUTED.format(tests=os.path.dirname(__file__), folder=str(tmp_path)))
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  # What torchrun sets for each process.
  common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
  started = [
    subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True,
                     env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    for rank in range(2)
  ]
  said = [process.communicate(timeout=500)[1] for process in started]
  assert [process.returncode for process in started] == [0, 0], said
  np.testing.assert_allclose(json.loads((tmp_path / "history.json").read_text()), alone.history, atol=2e-5)


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path):
  group = Group()
  group.world = 3
  with pytest.raises(Fault, match="a batch of 8 cannot be divided among 3 processes"):
    training(state=tmp_path / "s", group=group)


def test_ctrl_c_keeps_what_was_done(tmp_path, trunk, recipe):
  place = commands()
  pictures = folder(tmp_path / "p", count=40)
  recipe.write_text(json.dumps(RECIPE | {"epochs": 4000}))
  words = process(pictures, "--from", trunk, "--head", "new", "-o", tmp_path / "m.e3", "--recipe", recipe, "--commands", place)
  running = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
  state = tmp_path / "m.e3.work/training.state"
  lines = []
  for line in running.stderr:
    lines.append(line)
    if line.startswith("starting the head"):
      time.sleep(1)
      running.send_signal(signal.SIGINT)
  assert running.wait() == 130 and "the same command goes on" in lines[-1], lines
  assert load_state(state)[1]["step"] > 0
  assert not (tmp_path / "m.e3").exists()


def test_ctrl_c_ends_what_keeps_nothing_at_once_and_the_command_that_runs(tmp_path):
  (tmp_path / "e3-eval").write_text("#!/bin/sh\n")
  convert, running = tmp_path / "e3-convert", tmp_path / "running"
  convert.write_text(f"#!/bin/sh\ntrap 'rm {running}; exit 1' TERM\necho > {running}\nwhile sleep 0.1; do :; done\n")
  for path in (tmp_path / "e3-eval", convert):
    path.chmod(0o755)
  words = [sys.executable, "-m", "e3_train", "fit", str(folder(tmp_path / "p")), "--from", "x", "-o", str(tmp_path / "m.e3"),
           "--commands", str(tmp_path)]
  process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
  while process.poll() is None and not running.exists():
    time.sleep(0.1)
  process.send_signal(signal.SIGINT)
  said = process.communicate(timeout=120)[1]
  assert process.returncode == 130 and said.endswith(f"stopped; the same command goes on where it was ({tmp_path}/m.e3.work)\n")
  assert not running.exists()


def test_a_signal_while_a_command_starts_ends_the_command(tmp_path, monkeypatch):
  convert, started, start = tmp_path / "e3-convert", [], subprocess.Popen
  convert.write_text("#!/bin/sh\nexec sleep 60\n")
  convert.chmod(0o755)

  def interrupted(*words, **options):
    started.append(start(*words, **options))
    signal.raise_signal(signal.SIGINT)
    return started[0]

  monkeypatch.setattr(subprocess, "Popen", interrupted)
  before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
  try:
    with pytest.raises(KeyboardInterrupt):
      Commands(str(tmp_path)).run("e3-convert")
  finally:
    signal.signal(signal.SIGINT, before)
  assert started[0].returncode == -signal.SIGTERM


def test_the_arithmetic_that_was_measured_once_is_kept(tmp_path, monkeypatch):
  def chosen(is_fast, float32=False):
    monkeypatch.setattr("e3_train.fit.fast_bfloat16", lambda: is_fast)
    fitting = Fit.__new__(Fit)
    fitting.group, fitting.work, fitting.options = Group(), tmp_path, types.SimpleNamespace(float32=float32)
    return fitting.arithmetic()

  assert chosen(True, float32=True) == torch.float32
  assert [chosen(True), chosen(False), chosen(False, float32=True), chosen(False)] == [
    torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]
  (tmp_path / "arithmetic").write_text("cut")
  assert chosen(False) == chosen(True) == torch.float32


def test_a_signal_waits_only_for_what_keeps_what_was_done():
  fitting = Fit.__new__(Fit)
  fitting.group, fitting.work, fitting.keeps, fitting.stopped = Group(), "work", False, False
  with pytest.raises(Stopped):
    fitting.stop()
  with pytest.raises(Stopped), fitting.keeping():
    fitting.stop()
    kept = True
  assert kept
