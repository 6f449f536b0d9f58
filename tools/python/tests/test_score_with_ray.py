"""tools/examples/score_with_ray.py gives the same rows however many workers there are, and goes on where it stopped."""

import os
import shutil
import subprocess
import sys

import numpy
import pytest
from PIL import Image

import e3
from conftest import PICTURES, ROOT

parquet = pytest.importorskip("pyarrow.parquet", reason="no Ray, which is 620 MB: tools/python/test --ray installs it")
MODEL = ROOT / "models/fashion-e3.e3"


@pytest.fixture
def pictures(tmp_path):
    """Two folders: pictures, two of them transparent, a damaged one and one of a mode that is refused."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for path in PICTURES[:9]:
        shutil.copy(path, folder)
    Image.open(PICTURES[0]).convert("RGBA").save(folder / "deeper/alpha.png")
    Image.new("RGB", (40, 30), (200, 0, 200)).save(folder / "deeper/colour.png", transparency=(200, 0, 200))
    Image.fromarray(numpy.zeros((30, 40), numpy.uint16)).save(folder / "deeper/sixteen.png")
    (folder / "deeper/damaged.jpg").write_bytes(PICTURES[0].read_bytes()[:700])
    (folder / "deeper/notes.txt").write_text("no picture")
    return folder


def score(pictures, output, *options, workers=0, model=MODEL):
    words = [sys.executable, ROOT / "tools/examples/score_with_ray.py", model, pictures, "--output", output, "--part", "5"]
    # Ray starts workers with the least priority, and a busy machine would let them wait for minutes.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    return subprocess.run(
        [*words, "--workers", str(workers), *options], capture_output=True, text=True, env=environment, timeout=900)


def rows(output):
    return parquet.read_table(output).to_pylist()


def test_rows_are_the_answers_of_the_binding(pictures, tmp_path):
    done = score(pictures, tmp_path / "answers")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "answers")
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.[jp][pn]g"))
    assert [row["picture"] for row in found] == names and len(names) == 13
    assert [row["picture"] for row in found if row["error"]] == ["deeper/damaged.jpg", "deeper/sixteen.png"]
    assert all(row["decision"] is None and row["probabilities"] is None for row in found if row["error"])
    model = e3.Model(MODEL)
    white = numpy.full((30, 40, 3), 255, numpy.uint8)
    assert found[1]["picture"] == "deeper/colour.png" and found[1]["probabilities"] == model(white).probabilities.tolist()
    for row in found[4:]:
        answer = model(Image.open(pictures / row["picture"]))
        assert row["probabilities"] == answer.probabilities.tolist() and row["label"] == answer.label
        assert row["member_probabilities"] == answer.member_probabilities.tolist()
        assert (row["decision"], row["prediction_set"]) == (answer.decision, answer.prediction_set)
        assert row["relative_distance"] == answer.relative_distance


def test_a_second_run_makes_the_missing_parts_alone(pictures, tmp_path):
    output = tmp_path / "answers"
    assert "3 parts, 3 of them new" in score(pictures, output).stdout
    before = rows(output)
    kept, lost = output / "part-000000.parquet", output / "part-000001.parquet"
    time = kept.stat().st_mtime_ns
    lost.unlink()
    assert "3 parts, 1 of them new" in score(pictures, output).stdout
    assert rows(output) == before and kept.stat().st_mtime_ns == time
    (pictures / PICTURES[0].name).unlink()
    refused = score(pictures, output)
    assert refused.returncode == 1 and "holds answers of another model, of other pictures" in refused.stderr


def test_two_workers_of_ray_give_the_rows_of_one_process(pictures, tmp_path):
    pytest.importorskip("ray", reason="no Ray, which is 620 MB: tools/python/test --ray installs it")
    one, two = score(pictures, tmp_path / "one"), score(pictures, tmp_path / "two", workers=2)
    assert one.returncode == 0 and two.returncode == 0, two.stderr
    assert parquet.read_table(tmp_path / "one").equals(parquet.read_table(tmp_path / "two"))
