"""Claims about `tools/python/compare`, with commands that say what they were asked."""

import json
import subprocess
import sys

from conftest import ROOT

ANSWER = {
  "accuracy": 0.9, "nll": 0.3, "ece": 0.02, "disagreement": 0.01, "members": 2, "multiply_accumulates": 5e6, "file_bytes": 1e6,
  "calibrated": {"nll": 0.2, "ece": 0.01, "ece_by_chance": 0.01}, "corrupted_mean": {"nll": 0.5, "ece": 0.1}, "latency_ms": {"min": 1.5},
  "ood": [{"dataset": "x/unseen.npy", "signal": "relative_distance", "auroc": 0.95}],
  "ood_decisions": [{"dataset": "x/unseen.npy", "accept": 0.1, "unsure": 0.3, "unknown": 0.6}],
}
COMMAND = f"""#!{sys.executable}
import json, pathlib, sys
here = pathlib.Path(sys.argv[0])
with open(here.with_name("asked"), "a") as file:
  print(here.name, *sys.argv[1:], file=file)
if here.name == "e3-convert":
  pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).touch()
print({json.dumps(ANSWER)!r})
"""


def compared(tmp_path, *names):
  binaries, runs = tmp_path / "bin", tmp_path / "runs"
  for folder in (binaries, runs):
    folder.mkdir()
  for name in ("e3-convert", "e3-eval", "e3-bench"):
    (binaries / name).write_text(COMMAND)
    (binaries / name).chmod(0o755)
  for name in names:
    (runs / f"{name}.safetensors").touch()
  command = [sys.executable, ROOT / "tools/python/compare", "parts", runs, "--data", tmp_path / "data", "--binaries", binaries,
             "--ood", "x/unseen.npy"]
  done = subprocess.run(command, capture_output=True, text=True)
  return done, (binaries / "asked").read_text().splitlines() if (binaries / "asked").exists() else []


def test_seeds_stand_beside_each_other_and_neighbours_are_an_ensemble(tmp_path):
  done, asked = compared(tmp_path, "parts-e3-s1", "parts-vit-s1", "parts-vit-s2", "parts-vit-s3", "fashion-e3-s1")
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith("| | parts-e3 (1) | parts-vit (3) | parts-vit x 2, deep ensemble (3) |\n")
  assert "| unseen: called unknown, % | 60.00 | 60.00 | 60.00 |" in done.stdout
  packed = [line.split(" --config")[0].replace(str(tmp_path), "") for line in asked if " pack " in line]
  assert len(packed) == 7 and "e3-convert pack /runs/parts-vit-s3.safetensors /runs/parts-vit-s1.safetensors" in packed
  assert not any("fashion" in line for line in asked)


def test_dense_models_of_the_second_training_are_ensembles_of_their_own(tmp_path):
  done, asked = compared(tmp_path, *(f"parts-vit{kind}-s{seed}" for kind in ("", "-companions") for seed in (1, 2)))
  assert done.returncode == 0, done.stderr
  assert "| parts-vit x 2, deep ensemble (1) | parts-vit-companions x 2, deep ensemble (1) |\n" in done.stdout
  packed = [line.split(" --config")[0].replace(str(tmp_path), "") for line in asked if " pack " in line]
  assert "e3-convert pack /runs/parts-vit-companions-s1.safetensors /runs/parts-vit-companions-s2.safetensors" in packed


def test_parts_are_calibrated_and_measured_with_their_own_pictures(tmp_path):
  _, asked = compared(tmp_path, "parts-e3-s1")
  data = tmp_path / "data"
  calibration, evaluation = (next(line for line in asked if word in line) for word in (" calibrate ", "e3-eval "))
  assert f"{data}/validation.npy --labels {data}/validation-labels.npy --statistics {data}/statistics.npy" in calibration
  assert f"--unknown {data}/choosing.npy --unknown-labels {data}/choosing-labels.npy --unknown {data}/strangers.npy" in calibration
  assert f"{data}/test.npy --labels {data}/test-labels.npy --ood x/unseen.npy" in evaluation


def test_a_folder_without_models_is_refused(tmp_path):
  done, _ = compared(tmp_path, "fashion-e3-s1")
  assert done.returncode == 1 and "no parts-NAME-sSEED.safetensors" in done.stderr
