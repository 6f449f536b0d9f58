"""Claims about `e3-train check`, and about what `fit` refuses before it needs PyTorch."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from conftest import command as run
from e3_train import pictures as reading
from e3_train import recipe
from e3_train.checkpoint import write_atomically
from e3_train.faults import Fault, UsageFault
from e3_train.folder import Folder
from PIL import Image
from pictures import draw, folder


def of_pictures(text):
  """What was said, without the line that the commands which decode are not there; these tests do not need them."""
  return [line for line in text.splitlines() if not line.startswith("e3-train: note: e3-run and e3-convert are not found")]


def check(*words):
  done = run("check", *words, "--json")
  assert done.returncode in (0, 1) and not of_pictures(done.stderr), done.stderr
  return done.returncode, json.loads(done.stdout)


def test_a_good_folder_is_counted_and_ends_with_status_0(tmp_path):
  status, found = check(folder(tmp_path / "p"))
  assert (status, found["classes"], found["faults"]) == (0, {"across": 30, "down": 30}, [])
  assert found["shorter_side"] == [40, 40, 40] and found["suggested_image_size"] == 32


def test_pictures_that_the_runtime_does_not_read_before_are_said(tmp_path):
  done = run("check", folder(tmp_path / "p"), "--commands", tmp_path)
  assert done.returncode == 0 and not of_pictures(done.stderr) and done.stderr.count("note: e3-run and e3-convert are not found") == 1


def test_broken_empty_and_contradictory_pictures_are_named_and_end_with_status_1(tmp_path):
  root = folder(tmp_path / "p")
  (root / "empty").mkdir()
  whole = (root / "down/000.png").read_bytes()
  (root / "down/cut.png").write_bytes(whole[: len(whole) // 2])
  (root / "down/text.jpg").write_bytes(b"hello")
  (root / "down/twin.png").write_bytes((root / "across/001.png").read_bytes())
  status, found = check(root)
  text = "\n".join(found["faults"])
  assert status == 1
  for part in ("empty: no pictures", "cut.png: not a whole picture", "text.jpg: no JPEG", "twin.png: the same picture as"):
    assert part in text
  assert len(found["faults"]) == 4


def test_a_png_without_its_end_is_named_without_the_commands_too(tmp_path, monkeypatch):
  monkeypatch.setenv("E3_COMMANDS", str(tmp_path))
  root = folder(tmp_path / "p")
  path = root / "down/003.png"
  path.write_bytes(path.read_bytes()[:-12])
  assert check(root)[1]["faults"] == [f"{path}: not a whole picture: the file ends early"]


def test_few_pictures_and_doubles_are_notes(tmp_path):
  root = folder(tmp_path / "p", count=8)
  (root / "down/double.png").write_bytes((root / "down/001.png").read_bytes())
  recipe = tmp_path / "r.json"
  recipe.write_text('\ufeff{"batch": 8}', encoding="utf-8")  # as some editors begin a text
  status, found = check(root, "--recipe", recipe)
  assert status == 0 and len(found["notes"]) == 2
  assert "few pictures of across (8), down (9)" in found["notes"][0]
  assert found["notes"][1] == "1 picture is there more than once: down/double.png is down/001.png"


def test_what_is_no_picture_is_told_apart_from_what_is_cut_and_from_names_without_endings(tmp_path):
  root = folder(tmp_path / "p", ("across", "down", "Down"))
  draw(0, 0).save(tmp_path / "x.jpg")
  (root / "down/empty.jpg").write_bytes(b"")
  (root / "down/cut.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:20])
  (root / "bare").mkdir()
  for index in range(2):
    (root / f"bare/{index}").write_bytes((tmp_path / "x.jpg").read_bytes())
  status, found = check(root)
  assert status == 1 and [line.removeprefix(f"{root}") for line in found["faults"]] == [
    "/bare: no pictures: the names of 2 files (0, 1) end in no .jpg, .png or the like",
    "/down/cut.jpg: not a whole picture: it is cut or damaged in its header", "/down/empty.jpg: the file is empty"]
  assert "down and Down are two classes: their names differ in capitals alone" in found["notes"]


def test_what_makes_no_batch_or_cannot_be_divided_is_a_fault(tmp_path):
  root = folder(tmp_path / "p", count=8)
  assert check(root) == (1, check(root)[1] | {
    "faults": [f"{root}: 12 pictures to train on, of 16, make no batch of 32: give more pictures, or a recipe with a smaller batch"]})
  for path in (root / "down").iterdir():
    path.write_bytes((root / "down/000.png").read_bytes())
  assert check(root)[1]["faults"] == [f"{root}/down: 1 different pictures, too few to divide"]


def test_folders_of_test_and_unknown_pictures_are_judged_too(tmp_path):
  root, test, unknown = folder(tmp_path / "p"), folder(tmp_path / "t", count=2, first=900), folder(tmp_path / "u", ("x", "other"), 4, 500)
  status, found = check(root, "--test", test, "--unknown", unknown)
  assert (status, found["faults"], found["notes"]) == (0, [], [])
  assert (found["test_pictures"], found["unknown_pictures"]) == (4, {str(unknown): 8})
  done = run("check", root, "--test", test, "--unknown", unknown)
  assert f"\n4 pictures to test with in {test}\n8 unknown pictures in {unknown}\n" in done.stdout and done.returncode == 0
  # What an earlier fit told only after the training.
  (unknown / "empty").mkdir()
  (unknown / "x/inner").mkdir()
  (unknown / "x/cut.png").write_bytes(b"cut")
  draw(0, 0).save(unknown / "beside.png")
  draw(0, 0).save(unknown / "other/x.bmp")
  (test / "down/text.png").write_bytes(b"hello")
  nothing = tmp_path / "nothing"
  nothing.mkdir()
  status, found = check(root, "--test", test, "--unknown", unknown, "--unknown", nothing)
  assert status == 1 and [line.removeprefix(f"{tmp_path}/") for line in found["faults"]] == [
    "u: holds pictures beside folders (beside.png): move each into a folder",
    "u/empty: no pictures",
    "u/other: holds other than JPEG, PNG and PNM pictures (x.bmp): convert them, for instance with ImageMagick or Pillow",
    "u/x: a folder within others that holds folders (inner): move their pictures up",
    "nothing: no pictures", "t/down/text.png: no JPEG, PNG or PNM picture", "u/x/cut.png: no JPEG, PNG or PNM picture"]


def test_test_and_unknown_pictures_that_are_pictures_of_a_class_are_notes(tmp_path):
  root, test, unknown = folder(tmp_path / "p"), folder(tmp_path / "t", count=2), tmp_path / "u"
  unknown.mkdir()
  (unknown / "known.png").write_bytes((root / "down/003.png").read_bytes())
  (tmp_path / "others.npy").write_bytes(b"")
  status, found = check(root, "--test", test, "--unknown", unknown, "--unknown", tmp_path / "others.npy")
  assert status == 0 and found["notes"] == [
    f"4 of the test pictures are in {root} too: what is measured on them is too good",
    f"{unknown}: 1 unknown picture, too few to help to choose what decides, which takes 8: all of them measure it",
    f"1 of the unknown pictures of {unknown} are in {root} too ({unknown}/known.png is {root}/down/003.png): remove them, they are not unknown",
    f"{tmp_path}/others.npy: a file, which e3-eval reads after the training, and which does not help to choose what decides; pictures of a "
    "folder are looked at before, and help"]


def test_a_test_folder_of_other_classes_or_without_a_picture_is_a_fault(tmp_path):
  root, other, empty = folder(tmp_path / "p"), folder(tmp_path / "o", ("across", "up"), 2), folder(tmp_path / "e", count=0)
  assert check(root, "--test", other)[1]["faults"] == [f"{other}: its classes are not those of {root}"]
  assert check(root, "--test", empty)[1]["faults"] == [f"{empty}/{name}: no pictures" for name in ("across", "down")]
  gone = run("check", root, "--unknown", tmp_path / "gone")
  assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", f"e3-train: {tmp_path}/gone: not there\n")


def test_one_of_a_thing_is_no_plural(tmp_path):
  root = folder(tmp_path / "p", ("across",), 1)
  assert "1 picture of 1 class; shorter sides of 40 pixels\n" in run("check", root).stdout
  next((root / "across").iterdir()).write_bytes(b"")
  assert "1 picture of 1 class\n" in run("check", root).stdout


def test_every_double_is_named_up_to_twenty(tmp_path):
  root = folder(tmp_path / "p")
  for index in range(22):
    (root / f"down/x{index:02}.png").write_bytes((root / f"down/{index:03}.png").read_bytes())
  note, = check(root)[1]["notes"]
  assert "22 pictures" in note and note.count(" is ") == 20 and note.endswith("x19.png is down/019.png and 2 more")


def test_all_that_is_wrong_with_folders_is_said_at_once(tmp_path):
  root = folder(tmp_path / "p")
  draw(0, 0).save(root / "beside.png")
  (root / "down/inner").mkdir()
  for ending in ("bmp", "gif"):
    draw(0, 0).save(root / f"across/x.{ending}")
  (root / "across/cut.png").write_bytes(b"cut")
  status, found = check(root)
  assert status == 1 and [line.removeprefix(f"{root}") for line in found["faults"]] == [
    ": holds pictures beside folders (beside.png): move each into the folder of its class",
    "/across: holds other than JPEG, PNG and PNM pictures (x.bmp, x.gif): convert them, for instance with ImageMagick or Pillow",
    "/down: a class that holds folders (inner): move their pictures up, or name the folder whose folders are the classes",
    "/across/cut.png: no JPEG, PNG or PNM picture"]


def test_every_ending_of_jpeg_is_read_and_other_pictures_and_films_are_named(tmp_path):
  root = folder(tmp_path / "p")
  for index, ending in enumerate(("jif", "JFI", "pjpeg", "pjp", "jfif", "jpe", "mpo")):
    draw(0, 100 + index).save(root / f"across/x.{ending}", "JPEG")
  status, found = check(root)
  assert status == 0 and found["classes"]["across"] == 37
  for ending in ("tga", "CR2", "mp4"):
    (root / f"down/x.{ending}").write_bytes(b"")
  fault, = check(root)[1]["faults"]
  assert fault.startswith(f"{root}/down: holds other than JPEG, PNG and PNM pictures (x.CR2, x.mp4, x.tga): convert them")


def test_endings_are_those_of_e3_eval():
  text = (ROOT / "Sources/E3DataSets/PictureFolder.swift").read_text()
  for name, endings in (("endings", reading.ENDINGS), ("otherEndings", reading.OTHERS)):
    found = re.search(rf"private let {name} = \[(.*?)\]", text, re.DOTALL).group(1)
    assert tuple(re.findall(r'"([.a-z0-9]+)"', found)) == endings


def test_folders_of_operating_systems_are_no_classes(tmp_path):
  root = folder(tmp_path / "p")
  for path in ("__MACOSX", "down/@eaDir", ".DS_Store"):
    (root / path).mkdir()
  status, found = check(root)
  assert (status, list(found["classes"]), found["faults"]) == (0, ["across", "down"], [])
  assert found["notes"] == [f"{root}/__MACOSX: an operating system's folder, not a class: left out"]


@pytest.mark.parametrize("name, problem", [
  ("one", "one class, across"), ("none", "holds no folders"), ("gone", "not there"), ("beside", "beside folders"),
  ("nested", "a class that holds folders (inner)"), ("other", "other than JPEG, PNG and PNM pictures (x.bmp)"), ("tiny", "4 pictures, expected 5 or more"),
])
def test_folders_that_cannot_be_trained_on_are_refused_in_one_line(tmp_path, name, problem):
  root = tmp_path / name
  if name != "gone":
    folder(root, ("across",) if name == "one" else () if name == "none" else ("across", "down"), 4 if name == "tiny" else 6)
    root.mkdir(exist_ok=True)
  if name == "beside":
    draw(0, 0).save(root / "x.png")
  if name == "nested":
    (root / "down/inner").mkdir()
  if name == "other":
    draw(0, 0).save(root / "down/x.bmp")
  done = run("check", root)
  assert done.returncode == 1
  assert problem in (done.stderr + done.stdout)
  assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 1


@pytest.mark.parametrize("name", ["a\u009b31m", "a\u202eb", "a\u2028b", "ac\u0301ross"])
def test_classes_whose_names_no_label_can_have_are_refused(tmp_path, name):
  root = folder(tmp_path / "p", ("\u00e1cross", "a\u0107ross", name), 5)
  done = run("check", root)
  assert done.returncode == 1 and not of_pictures(done.stderr)
  assert all(letter.isascii() or letter in "\u00e1\u0107\u0301" for letter in done.stdout)
  assert "a control character" in done.stdout or "reads the same as" in done.stdout


def test_names_of_files_command_no_terminal(tmp_path):
  root = folder(tmp_path / "p")
  (root / "down/x\x1b[2J\nfault: y.jpg").write_bytes(b"hello")
  done = run("check", root)
  assert done.returncode == 1 and "\x1b" not in done.stdout
  assert [line for line in done.stdout.splitlines() if line.startswith("fault")] == [
    f"fault: {root}/down/x\\x1b[2J\\nfault: y.jpg: no JPEG, PNG or PNM picture"]


def test_pipes_and_devices_are_not_read(tmp_path):
  root = folder(tmp_path / "p")
  os.mkfifo(root / "down/pipe.png")
  (root / "down/zero.png").symlink_to("/dev/zero")
  status, found = check(root)
  assert status == 1 and [line.split(": ")[1] for line in found["faults"]] == ["no regular file"] * 2
  held = socket.socket(socket.AF_UNIX)
  held.bind(os.path.relpath(root / "down/socket.png"))
  assert f"{root}/down/socket.png: no regular file" in check(root)[1]["faults"]
  held.close()
  for path in (root / "down/pipe.png", root / "down/socket.png", "/dev/zero"):
    done = run("check", folder(tmp_path / f"q{Path(path).stem}"), "--unknown", path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"e3-train: {path}: no regular file\n")


def test_links_to_nothing_are_named_and_not_left_out(tmp_path):
  root, test, unknown = folder(tmp_path / "p"), folder(tmp_path / "t", count=2, first=900), folder(tmp_path / "u", ("x",), 4, 500)
  left = ["p/third", "p/notes.txt", "p/down/inner", "p/down/x.png", "t/third", "u/strangers", "u/x/inner"]
  for path in left:
    (tmp_path / path).symlink_to(f"/nowhere/{Path(path).name}")
  (root / ".hidden").symlink_to("/nowhere")
  (root / "across/loop").symlink_to("loop")
  status, found = check(root, "--test", test, "--unknown", unknown)
  # No word of test pictures of other classes, which nobody can know.
  assert status == 1 and sorted(found["faults"]) == sorted(
    [f"{tmp_path}/{path}: a link to /nowhere/{Path(path).name}, which is not there: mount or copy it, or remove the link" for path in left]
    + [f"{root}/across/loop: Too many levels of symbolic links"])
  assert list(found["classes"]) == ["across", "down"]
  for path in left:
    (tmp_path / path).unlink()
  (root / "across/loop").unlink()
  assert check(root, "--test", test, "--unknown", unknown) == (0, found | {"faults": []})


def test_a_folder_of_nothing_but_links_to_nothing_is_told_so(tmp_path):
  root, lost = folder(tmp_path / "p"), tmp_path / "lost"
  lost.mkdir()
  (lost / "third").symlink_to("/nowhere/third")
  (tmp_path / "link").symlink_to("/nowhere")
  problem = "which is not there: mount or copy it, or remove the link"
  for words, said in (((lost,), f"{lost}/third: a link to /nowhere/third, {problem}"),
                      ((tmp_path / "link",), f"{tmp_path}/link: a link to /nowhere, {problem}"),
                      ((root, "--test", tmp_path / "link"), f"{tmp_path}/link: a link to /nowhere, {problem}"),
                      ((root, "--unknown", tmp_path / "link"), f"{tmp_path}/link: a link to /nowhere, {problem}")):
    done = run("check", *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"e3-train: {said}\n")
  assert check(root, "--unknown", lost)[1]["faults"] == [f"{lost}/third: a link to /nowhere/third, {problem}"]


def test_entries_that_cannot_be_looked_at_are_named(tmp_path, monkeypatch):
  # As a folder without the right to enter it, or a disk that fails; the superuser meets neither.
  root, look = folder(tmp_path / "p"), os.stat

  def failing(path, *more, **options):
    if str(path) == f"{root}/third":
      raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    if str(path) == f"{root}/down/.":
      raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return look(path, *more, **options)

  (root / "third").mkdir()
  monkeypatch.setattr(os, "stat", failing)
  faults = check(root)[1]["faults"]
  assert f"{root}/third: Input/output error" in faults and f"{root}/down: Permission denied" in faults


def test_a_full_disk_is_told_once(tmp_path):
  root = folder(tmp_path / "p")
  with open("/dev/full", "w") as full:
    words = [sys.executable, "-m", "e3_train", "check", str(root), "--commands", str(tmp_path)]
    done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "tools/python")})
  assert done.returncode == 1 and of_pictures(done.stderr) == ["e3-train: No space left on device"]


def test_an_error_of_the_system_names_its_file_in_one_line(monkeypatch):
  def failing(options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "two\nlines")

  monkeypatch.setattr("e3_train.__main__.run_check", failing)
  done = run("check", "x")
  assert (done.returncode, done.stderr) == (1, "e3-train: two\\nlines: No space left on device\n")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
  def failing(file):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with pytest.raises(OSError, match="No space left on device: .*x.json"):
    write_atomically(tmp_path / "x.json", failing)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text, largest", [
  ("0.5,0.5", 1), ("0.485,0.456,0.406,0.229,0.224,0.225", 1), ("0,1", 1), ("0.5,1", 1), ("0.5,0.015625", 1), ("-0.5,1", 1),
  ("127.5,127.5", 255), ("123.675,116.28,103.53,58.395,57.12,57.375", 255), ("0,255", 255), ("0,127.5", 255), ("0,110,120,50,50,50", 255),
])
def test_means_and_deviations_are_of_pixels_up_to_1_or_of_bytes(text, largest):
  for channels in (1, 3):
    recipe = reading.Recipe("bicubic:32x32", text, (32, 32), channels)
    assert recipe.largest == largest
  numbers = np.array(text.split(","), np.float64).reshape(2, -1) / largest
  assert recipe.value_norm == text
  np.testing.assert_allclose(recipe.mean, numbers[0], rtol=1e-6)
  np.testing.assert_allclose(recipe.deviation, numbers[1], rtol=1e-6)
  assert str(reading.ValueNorm("+.5,50.e-2")) == "0.5,0.5"


@pytest.mark.parametrize("text, problem", [
  ("nan,1", "expected MEAN,STD, or"), ("0.5,nan", "expected MEAN,STD, or"), ("inf,1", "expected MEAN,STD, or"), ("0.5", "expected MEAN,STD, or"),
  ("0.5,1e39", "expected MEAN,STD, or"), ("a,b", "expected MEAN,STD, or"), ("1,2,3,4", "expected MEAN,STD, or"),
  ("1_0,2_0", "expected MEAN,STD, or"), ("0.5, 0.5", "expected MEAN,STD, or"), ("\uff11\uff12\uff17.5,127.5", "expected MEAN,STD, or"),
  ("0.5,-0.5", "deviations above 0"), ("0.5,0", "deviations above 0"), ("0.5,1e-60", "deviations above 0"),
  ("0.485,58.4", "some are of one and some of the other"), ("123.7,0.229", "some are of one and some of the other"),
  ("127,1", "some are of one"), ("0.485,116.3,103.5,58.4,57.1,57.4", "some are of one"), ("123.7,116.3,103.5,58.4,57.1,0.2", "some are of one"),
  ("0.5,0.0156", "values would reach 32.05"), ("123.7,2", "values would reach 65.65"),
])
def test_means_and_deviations_of_no_unit_are_refused(text, problem):
  with pytest.raises(UsageFault, match=f"^--value-norm: '{text}': .*{problem}"):
    reading.Recipe("bicubic:32x32", text, (32, 32), 3)
  with pytest.raises(Fault, match=f"^x.json: value_norm '{text}': .*{problem}.*: give --value-norm$"):
    reading.Recipe("bicubic:32x32", text, (32, 32), 3, None, "x.json")


def test_the_file_that_asks_for_a_resize_is_named():
  # The digits of other scripts, which e3-convert does not read.
  others = [(f"bilinear:{side}", "expected FILTER:SIDE") for side in ("\u0663\u0662", "\uff13\uff12", "32x\u0663\u0662")]
  for text, problem in (("bicubic:20", "is smaller than the image size, 32x32"), ("fast:40", "expected FILTER:SIDE"), *others):
    with pytest.raises(Fault, match=f"^x.json: resize '{text}':? {problem}.*: give --resize$"):
      reading.Recipe(text, "0.5,0.5", (32, 32), 3, "x.json")
    with pytest.raises(UsageFault, match=f"^--resize: '{text}':? {problem}"):
      reading.Recipe(text, "0.5,0.5", (32, 32), 3)


def test_what_the_runtime_refuses_is_refused_before_training(tmp_path):
  for size in ((1, 16385), (8193, 8192)):
    Image.new("1", size).save(tmp_path / "x.png")
    with pytest.raises(Fault, match="pixels, more than"):
      reading.read(tmp_path / "x.png", 3)
  with pytest.raises(Fault, match="a side of more than 16384"):
    reading.Recipe("bicubic:16385", "0.5,0.5", (32, 32), 3)


def test_mistakes_on_the_command_line_end_with_status_2():
  for words in ((), ("fly",), ("fit", "x"), ("fit", "x", "-o", "y.e3", "--train", "first:2"), ("fit", "x", "-o", "y.e3", "--seed", "-1"), ("fit", "x", "-o", "y.e3", "--seed", "٣"),
                ("fit", "x", "-o", "y.e3", "--threads", "²"), ("fit", "x", "--output=-y.e3"), ("check",)):
    assert run(*words).returncode == 2
  assert run("--version").stdout.split(".")[:1] == (ROOT / "VERSION").read_text().split(".")[:1]
  assert "PICTURES" in run("fit", "--help").stdout


def test_ctrl_c_while_pytorch_is_imported_ends_in_one_line(tmp_path):
  # As PyTorch does it: what its C++ meets while it imports becomes a RuntimeError.
  (tmp_path / "torch.py").write_text(
    "import signal\ntry:\n  signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n  raise RuntimeError('KeyboardInterrupt: <EMPTY MESSAGE>')\n")
  path = os.pathsep.join((str(tmp_path), str(ROOT / "tools/python")))
  done = subprocess.run([sys.executable, "-m", "e3_train", "fit", "x", "-o", "y.e3"], env=os.environ | {"PYTHONPATH": path},
                        capture_output=True, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background job has it ignored
  assert (done.returncode, done.stdout, done.stderr) == (130, "", "e3-train: stopped\n")


def test_folders_with_numbers_are_in_the_order_of_the_numbers(tmp_path):
  root = folder(tmp_path / "p", tuple(map(str, range(12))), 5)
  assert Folder(root).classes == [str(number) for number in range(12)]
  (root / "12").rename(root / "x") if (root / "12").exists() else (root / "11").rename(root / "x")
  assert Folder(root).classes == ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9", "x"]


def test_a_split_has_every_class_in_every_part_and_doubles_in_one(tmp_path):
  root = folder(tmp_path / "p", count=10)
  (root / "down/double.png").write_bytes((root / "down/003.png").read_bytes())
  found = Folder(root)
  seen = found.examine(2)
  for seed in range(20):
    parts = seen.split((0.7, 0.15, 0.15), seed)
    assert sorted(sum(parts, [])) == list(range(21))
    for part in parts:
      assert {found.labels[index] for index in part} == {0, 1}
    twins = [index for index, name in enumerate(found.files) if name in ("down/003.png", "down/double.png")]
    assert any(set(twins) <= set(part) for part in parts)
  assert seen.split((0.7, 0.15, 0.15), 1) == seen.split((0.7, 0.15, 0.15), 1) != seen.split((0.7, 0.15, 0.15), 2)


def test_pictures_are_upright_and_on_white(tmp_path):
  image = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
  image.putpixel((0, 0), (0, 0, 0, 255))
  image.save(tmp_path / "a.png")
  read = reading.read(tmp_path / "a.png", 3)
  assert read.getpixel((0, 0)) == (0, 0, 0) and read.getpixel((3, 1)) == (255, 255, 255)
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.new("RGB", (8, 4)).save(tmp_path / "b.jpg", exif=exif)
  assert reading.read(tmp_path / "b.jpg", 1).size == (4, 8)


def test_the_size_of_a_claim_is_bounded(tmp_path):
  (tmp_path / "bomb.pgm").write_bytes(b"P5 60000 60000 255\n" + bytes(100))
  with pytest.raises(Fault, match="bomb.pgm: "):
    reading.read(tmp_path / "bomb.pgm", 3)


@pytest.mark.parametrize("text, problem", [
  ("[", "not JSON"), ("[" * 100_000, "r.json: nested too deeply"), ('{"split": [0.7, 0.3, NaN]}', "split is"), ('{"view": {"aspect": NaN}}', "aspect is NaN"),
  ('{"learning_rate": -1}', "learning_rate is -1"), ('{"learning_rate": 1e999}', "learning_rate is Infinity"), ('{"betas": [0.9]}', "betas is"),
  ('{"scratch": {"patches": 0}}', "scratch.patches is 0"), ('{"scratch": {"hidden_size": 20, "num_heads": 3}}', "3 heads do not divide"),
  ('{"scratch": {"expert_blocks": [6]}}', "expected blocks below 6"), ('{"selected_experts": 2}', "more than experts_per_member, 1"), ('{"epoch": 3}', "epoch is no number"), ('{"epochs": "3"}', "epochs is"), ('{"epochs": 0}', "epochs is 0"),
  ('{"mixup": -1}', "mixup is -1"),
  ('{"view": {"flip": true}}', "view.flip is true"), ('{"split": [1, 0, 0]}', "split is"), ('{"calibration": {"coverage": 1}}', "coverage is 1"),
])
def test_numbers_that_no_recipe_has_are_refused(tmp_path, text, problem):
  path = tmp_path / "r.json"
  path.write_text(text)
  with pytest.raises(Fault, match=problem):
    recipe.load(path)


def test_a_recipe_replaces_the_numbers_that_it_has(tmp_path):
  path = tmp_path / "r.json"
  path.write_text('{"epochs": 3, "view": {"flip": 0}}')
  own, given = recipe.load(), recipe.load(path)
  assert (given["epochs"], given["scratch"]["epochs"], given["view"]["flip"]) == (3, 3, 0)
  given["epochs"], given["view"]["flip"] = own["epochs"], own["view"]["flip"]
  given["scratch"]["epochs"] = own["scratch"]["epochs"]
  assert given == own
  path.write_text('{"epochs": 3, "scratch": {"epochs": 4}}')
  assert recipe.load(path)["scratch"]["epochs"] == 4
