"""Learned classes: the same bytes as e3-run teaches, and what they do to answers."""

import os
import platform
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

import e3

CAT = (ROOT / "models/frames/other-cat-160x120.yuyv").read_bytes()
TROUSER = (ROOT / "models/frames/garment-trouser-160x120.yuyv").read_bytes()
MODEL = ROOT / "models/fashion-e3.e3"


def frame(pixels):
    return e3.Frame("yuyv", np.frombuffer(pixels, np.uint8).reshape(120, 160, 2))


def test_a_class_is_learned_as_e3_run_teaches_it(tmp_path):
    path = tmp_path / "run.e3c"
    program = ROOT / f"build/{platform.machine()}/bin/e3-run"
    command = [program, MODEL, "-", "--size", "160x120", "--pixel-format", "yuyv", "--classes", path]
    command += ["--teach", "cat", "--shots", "3"]
    subprocess.run(command, input=CAT * 3, check=True, stdout=subprocess.DEVNULL)
    model = e3.Model(MODEL)
    learned = model.learn("cat", [frame(CAT)] * 3)
    assert learned.pictures == 3 and learned.label == "cat" and not learned.is_unlike
    model.save_classes(tmp_path / "python.e3c")
    assert (tmp_path / "python.e3c").read_bytes() == path.read_bytes()


def test_a_learned_class_is_the_answer_and_other_answers_stay(tmp_path):
    plain = e3.Model(MODEL)
    model = e3.Model(MODEL)
    model.learn("cat", [frame(CAT)] * 3)
    answer = model(frame(CAT))
    assert (answer.learned, answer.nearest_learned, answer.decision) == ("cat", "cat", "accept")
    top = plain(frame(CAT)).label
    assert (answer.label, answer.top_label, answer.top()[0][1]) == ("cat", top, top) and top in model.labels
    assert answer.learned_distance < 0.01 < answer.learned_radius
    assert "cat" in repr(answer) and "learned class cat" in answer._repr_html_()
    other, before = model(frame(TROUSER)), plain(frame(TROUSER))
    assert other.label == other.top_label == before.label
    assert other.learned is None and other.nearest_learned == "cat" and other.decision == before.decision
    assert (other.probabilities == before.probabilities).all() and (other.member_logits == before.member_logits).all()
    assert before.nearest_learned is None and before.learned_distance is None

    model.learn_unlike([frame(TROUSER)])
    model.save_classes(tmp_path / "my.e3c")
    again = e3.Model(MODEL, classes=tmp_path / "my.e3c")
    assert again.learned == model.learned and [learned.label for learned in again.learned] == ["cat", "unlike"]
    assert again(frame(CAT)).learned_distance == model(frame(CAT)).learned_distance


def test_a_class_is_forgotten_as_if_it_had_never_been_learned(tmp_path):
    def saved(model, name):
        model.save_classes(tmp_path / name)
        return (tmp_path / name).read_bytes()

    model, plain = e3.Model(MODEL), e3.Model(MODEL)
    model.learn("shape", [frame(TROUSER)] * 2)
    for either in (model, plain):
        either.learn("cat", [frame(CAT)] * 3)
    model.forget("shape")
    assert [learned.label for learned in model.learned] == ["cat"] and model(frame(CAT)).learned == "cat"
    assert saved(model, "a.e3c") == saved(plain, "b.e3c")
    with pytest.raises(KeyError):
        model.forget("shape")
    with pytest.raises(KeyError):
        e3.Model(MODEL).forget("cat")


def test_what_does_not_serve_is_refused(tmp_path):
    model = e3.Model(MODEL)
    with pytest.raises(ValueError, match="no learned classes"):
        model.save_classes(tmp_path / "my.e3c")
    with pytest.raises(ValueError, match="is a class of the model"):
        model.learn(model.labels[0], [frame(CAT)])
    with pytest.raises(e3.E3Error, match="label of a learned class is empty"):
        model.learn("", [frame(CAT)])
    with pytest.raises(e3.E3Error, match="^xx*: the label of a learned class is longer than 40 bytes"):
        model.learn("x" * 41, [frame(CAT)])
    for label in (" \u2003", "\u2800\u3164", "\ue000"):
        with pytest.raises(e3.E3Error, match="the label of a learned class is not one line that can be seen"):
            model.learn(label, [frame(CAT)])
    for label, written in (("two\nlines", r"two\\nlines"), ("a\x1b[2J", r"a\\x1b\[2J"), ("a\0b", r"a\\x00b"), ("a\u202eb", r"a\\u202eb")):
        with pytest.raises(e3.E3Error, match=f"^{written}: the label of a learned class is not one line"):
            model.learn(label, [frame(CAT)])
    with pytest.raises(e3.E3Error, match=r"^\\ud800: the label of a learned class is no UTF-8$"):
        model.learn("\ud800", [frame(CAT)])
    for capacity in (0, 65, -1, 2**32 + 1):
        for learn in (lambda: model.learn("cat", [frame(CAT)], capacity=capacity), lambda: model.learn_unlike([frame(CAT)], capacity=capacity)):
            with pytest.raises(ValueError, match=f"^capacity is {capacity}, expected 1 to 64$"):
                learn()
    for label in ("unlike", " Unlike", "UNLIKE\u200b"):
        with pytest.raises(ValueError, match="^'.*' is what pictures of other things are called"):
            model.learn(label, [frame(CAT)])
    with pytest.raises(TypeError, match="the label of a learned class is a str, not NoneType"):
        model.learn(None, [frame(CAT)])
    with pytest.raises(ValueError, match="no frames to learn 'none' from"):
        model.learn("none", [])
    assert model.learned == []
    with pytest.raises(FileNotFoundError, match="/nope/x.e3c"):
        model.save_classes("/nope/x.e3c")
    with pytest.raises(ValueError, match="a deep ensemble learns no classes"):
        e3.Model(ROOT / "models/fashion-vit-ensemble.e3").learn("cat", [frame(CAT)])
    with pytest.raises(e3.E3Error, match="no room"):
        for index in range(17):
            model.learn(f"class {index}", [frame(CAT)])
    model.save_classes(tmp_path / "my.e3c")
    with pytest.raises(e3.E3Error, match="my.e3c: the classes were learned with another model"):
        e3.Model(ROOT / "models/fashion-vit.e3", classes=tmp_path / "my.e3c")
    with pytest.raises(e3.E3Error, match="not learned classes"):
        e3.Model(MODEL, classes=b"x" * 200)


def test_a_frame_that_is_refused_leaves_nothing_learned():
    model = e3.Model(MODEL)
    model.learn("cat", [frame(CAT)] * 3)
    before = model.learned
    for label in ("cat", "legs"):
        with pytest.raises(TypeError):
            model.learn(label, [frame(TROUSER), None])
    assert model.learned == before and model(frame(CAT)).learned == "cat"
    assert model.learn("legs", [frame(TROUSER)]).pictures == 1


def test_a_link_stays_one_and_what_is_no_file_is_not_replaced(tmp_path):
    model = e3.Model(MODEL)
    model.learn("cat", [frame(CAT)] * 3)
    target, link = tmp_path / "my.e3c", tmp_path / "link.e3c"
    link.symlink_to(target.name)
    model.save_classes(target)
    target.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(target, 1234, 567)
    owner = target.stat().st_uid, target.stat().st_gid
    model.save_classes(link)
    after = target.stat()
    assert link.is_symlink() and after.st_mode & 0o777 == 0o600 and (after.st_uid, after.st_gid) == owner
    other = tmp_path / "other"
    other.write_bytes(b"a picture")
    with pytest.raises(ValueError, match="holds no learned classes"):
        model.save_classes(other)
    assert other.read_bytes() == b"a picture"
    other.write_bytes(b"")
    model.save_classes(other)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        model.save_classes(tmp_path / "pipe")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.e3c", "my.e3c", "other", "pipe"]


def test_a_file_that_is_write_protected_is_not_replaced(tmp_path):
    model = e3.Model(MODEL)
    model.learn("cat", [frame(CAT)] * 3)
    path = tmp_path / "my.e3c"
    path.write_bytes(b"as it was")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="is write-protected: make it writable, or give another file: .*my.e3c"):
        model.save_classes(path)
    assert path.read_bytes() == b"as it was"


SAVE_AND_END = """
import os, signal, e3
frame = e3.Frame("yuyv", __import__("numpy").zeros((120, 160, 2), "uint8"))
model = e3.Model({model!r})
model.learn("black", [frame] * 3)
replace = os.replace
def end(*arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    replace(*arguments, **options)
os.replace = end
model.save_classes({path!r})
"""


def test_a_signal_that_ends_the_process_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "my.e3c"
    program = SAVE_AND_END.format(model=str(MODEL), path=str(path))
    done = subprocess.run([sys.executable, "-c", program])
    assert done.returncode == -signal.SIGTERM
    assert [left.name for left in tmp_path.iterdir()] == ["my.e3c"]
    assert [learned.label for learned in e3.Model(MODEL, classes=path).learned] == ["black"]
