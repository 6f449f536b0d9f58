"""Claims about `e3-train fit`: from a folder of pictures to a calibrated model file."""

import fcntl
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import numpy as np
from conftest import ROOT
from e3_train import card, start
from e3_train.checkpoint import load_safetensors, save_safetensors
from e3_train.commands import Commands
from e3_train.faults import Fault
from e3_train.features import Features, Views
from e3_train.fit import Fit, Stopped, is_of_another
from e3_train.folder import Folder
from e3_train.model import VisionTransformer
from e3_train.parallel import Group
from e3_train.pictures import Recipe
from e3_train.progress import Meter
from e3_train.recipe import load
from e3_train.state import load as load_state
from e3_train.training import AdamW, Loss, Training
from pictures import folder


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


def fit(*arguments, **options):
  command = [sys.executable, "-m", "e3_train", "fit", *map(str, arguments), "--threads", "1", "--float32"]
  return subprocess.run(command, capture_output=True, text=True, **options)


def test_one_command_makes_a_calibrated_file_from_pictures_and_a_trunk(tmp_path, trunk, recipe):
  place = commands()
  pictures, unknown = folder(tmp_path / "p", count=40), folder(tmp_path / "u", ("blue", "other"), 6, 500)
  done = fit(pictures, "--from", trunk, "--head", "new", "--unknown", unknown, "-o", tmp_path / "mine.e3", "--recipe", recipe,
             "--commands", place)
  assert done.returncode == 0, done.stderr
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
     f"move their pictures up (e3-train check {pictures} --unknown {tmp_path} lists all that is wrong)"),
    ((pictures, "--unknown", broken, *options), 1, "cut.png: no JPEG"),
    ((pictures, "-o", tmp_path / "x.e3", "--commands", place), 1, "28 pictures to train on, of 40, make no batch of 32"),
    ((pictures, "-o", taken, "--commands", place), 1, "taken.e3: is a folder"),
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
    assert not (tmp_path / "x.e3").exists()


def test_unknown_pictures_that_are_of_a_class_are_told(tmp_path, trunk, recipe):
  place = commands()
  pictures, unknown = folder(tmp_path / "p", count=20), folder(tmp_path / "u", ("other",), 4, 500)
  (unknown / "other/known.png").write_bytes((pictures / "down/003.png").read_bytes())
  done = fit(pictures, "--from", trunk, "--head", "new", "--unknown", unknown, "-o", tmp_path / "x.e3", "--recipe", recipe, "--commands",
             place)
  note = f"1 of the unknown pictures of {unknown} are in {pictures} too ({unknown}/other/known.png is {pictures}/down/003.png)"
  assert done.returncode == 0 and note in done.stderr and note in (tmp_path / "x.md").read_text()


def test_accuracy_at_chance_and_strangers_that_are_accepted_are_warned_of():
  labels = [0] * 6 + [1] * 6 + [2] * 6
  report = {"accuracy": 7 / 18, "ood": [{"dataset": "u", "signal": "unknown_score", "auroc": 0.5}],
            "ood_decisions": [{"dataset": "u", "accept": 0.85, "unsure": 0.1, "unknown": 0.05}]}
  assert card.doubts(report, labels) == [
    "accuracy 38.9 % of 18 test pictures is no better than to name always the most frequent class (33.3 %), as far as so few can tell",
    "85.0 % of the unknown pictures of u are accepted as one of the classes"]
  report["ood_decisions"][0]["accept"] = 0.5
  assert card.doubts(report | {"accuracy": 11 / 18}, labels) == []
  assert len(card.doubts(report | {"accuracy": 9 / 18}, labels)) == 1
  # 10 of 18 or more: 0.0433 (binomial distribution, by exact fractions).
  assert abs(card.by_chance(10, 18, 1 / 3) - float(sum(math.comb(18, k) * Fraction(2) ** (18 - k) / 3**18 for k in range(10, 19)))) < 1e-12
  assert card.by_chance(3, 3, 1) == 1 and abs(card.by_chance(0, 500, 0.2) - 1) < 1e-9


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


def training(pictures=24, seed=1, state=None, members=2, group=None, **numbers):
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
                  group or Group(), "key")


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
  words = [sys.executable, "-m", "e3_train", "fit", str(pictures), "--from", str(trunk), "--head", "new", "-o", str(tmp_path / "m.e3"),
           "--recipe", str(recipe), "--commands", place, "--threads", "1", "--float32"]
  process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
  state = tmp_path / "m.e3.work/training.state"
  lines = []
  for line in process.stderr:
    lines.append(line)
    if line.startswith("starting the head"):
      time.sleep(1)
      process.send_signal(signal.SIGINT)
  assert process.wait() == 130 and "the same command goes on" in lines[-1], lines
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


def test_a_signal_waits_only_for_what_keeps_what_was_done():
  fitting = Fit.__new__(Fit)
  fitting.group, fitting.work, fitting.keeps, fitting.stopped = Group(), "work", False, False
  with pytest.raises(Stopped):
    fitting.stop()
  with pytest.raises(Stopped), fitting.keeping():
    fitting.stop()
    kept = True
  assert kept
