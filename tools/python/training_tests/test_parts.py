"""Claims about the training on pictures of machine parts."""

import contextlib
import io
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from e3_train.__main__ import arguments
from e3_train.checkpoint import load_safetensors, save_safetensors
from e3_train.model import VisionTransformer
from e3_train.parts import companions, data, recipes, teacher, train

STILL = {name: 0 for name in recipes.TRAINING["augmentation"]} | {
  "saturation": (1, 1), "strip_start": (0.3, 0.9), "strip_width": (0.1, 0.2),
}


def pictures(count=16, side=112):
  """Coloured pictures, smooth as photographs are."""
  coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(4))
  smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
  return (255 * smooth).byte().permute(0, 2, 3, 1)


class Augmentation(unittest.TestCase):
  def augmented(self, images, **changes):
    return data.augment(images, STILL | changes, torch.Generator().manual_seed(1))

  def test_it_gives_inputs_of_the_model_within_the_range(self):
    varied = data.augment(pictures(), recipes.TRAINING["augmentation"], torch.Generator().manual_seed(2))
    self.assertEqual(tuple(varied.shape), (16, 96, 96, 3))
    self.assertLessEqual(varied.abs().max().item(), 1)

  def test_turning_keeps_the_middle_where_it_is(self):
    images = torch.zeros(8, 112, 112, 3, dtype=torch.uint8)
    images[:, 52:60, 52:60] = 255
    varied = self.augmented(images)
    self.assertTrue((varied[:, 46:50, 46:50] > 0.8).all())
    self.assertTrue((varied[:, :36] < -0.9).all() and (varied[:, 60:] < -0.9).all())

  def test_a_strip_has_one_colour_and_spares_the_middle(self):
    whole, covered = self.augmented(pictures()), self.augmented(pictures(), covered=1)
    changed = (whole - covered).abs().amax(-1) > 0.02
    for picture, mask in zip(covered, changed):
      colours = picture[mask]
      self.assertGreater(len(colours), 50)
      self.assertLess((colours.median(0).values - colours).abs().max().item(), 1e-4)
    self.assertFalse(changed[:, 44:52, 44:52].any())

  def test_recolouring_exchanges_whole_channels(self):
    plain, other = self.augmented(pictures()), self.augmented(pictures(), recoloured=1)
    # White balance is drawn anew for each channel, 8 % at most: compared by what they correlate with.
    for one, two in zip(plain.flatten(1, 2), other.flatten(1, 2)):
      together = torch.corrcoef(torch.cat([one, two], 1).T)[:3, 3:]
      self.assertEqual(sorted(together.argmax(0).tolist()), [0, 1, 2])


class Start(unittest.TestCase):
  def test_patches_become_components_of_little_correlation(self):
    inputs = data.augment(pictures(64), recipes.TRAINING["augmentation"], torch.Generator().manual_seed(3))
    kernel, bias = data.whitened(inputs, 12, 96)
    patches = inputs.view(64, 8, 12, 8, 12, 3).transpose(2, 3).reshape(-1, 432)
    values = (patches @ kernel.view(432, 96) + bias)[:, -8:]
    self.assertLess(values.mean(0).abs().max().item(), 1e-2)
    self.assertLess(torch.corrcoef(values.T).fill_diagonal_(0).abs().max().item(), 0.02)

  def test_a_model_starts_the_same_each_time_and_keeps_its_shapes(self):
    models = []
    for _ in range(2):
      torch.manual_seed(7)
      model = VisionTransformer(recipes.model("parts-e3"), channels=3)
      shapes = {name: value.shape for name, value in model.parameter.items()}
      data.start(model, pictures(), recipes.TRAINING)
      self.assertEqual(shapes, {name: value.shape for name, value in model.parameter.items()})
      models.append(model)
    for name, value in models[0].parameter.items():
      self.assertTrue(torch.equal(value, models[1].parameter[name]), name)
    logits, _ = models[0](torch.rand(2, 96, 96, 3))
    self.assertEqual(tuple(logits.shape), (2, 2, 12))


class Files(unittest.TestCase):
  def test_pictures_that_are_not_there_are_named_in_one_line(self):
    with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(SystemExit, "train.npy.*; --data names"):
      data.load("train", folder)

  def test_a_split_is_what_the_files_hold(self):
    with tempfile.TemporaryDirectory() as folder:
      np.save(Path(folder, "test.npy"), pictures(5, 96).numpy())
      np.save(Path(folder, "test-labels.npy"), np.arange(5))
      images, labels = data.load("test", folder)
      self.assertTrue(torch.equal(images, pictures(5, 96)))
      self.assertEqual(labels.tolist(), [0, 1, 2, 3, 4])



class Training(unittest.TestCase):
  def setUp(self):
    self.folder = tempfile.TemporaryDirectory()
    self.addCleanup(self.folder.cleanup)
    known, others = np.arange(12), np.arange(16, 16 + recipes.COMPANIONS)
    for split, count, side, kinds in (("train", 70, 112, known), ("companions", 48, 112, others), ("validation", 12, 96, known)):
      np.save(Path(self.folder.name, f"{split}.npy"), pictures(count, side).numpy())
      np.save(Path(self.folder.name, f"{split}-labels.npy"), np.resize(kinds, count))

  def run_with(self, model, *more):
    words = ["e3-train", "parts", "--model", model, "--float32", "--threads", "1", "--data", self.folder.name]
    words += ["--epochs", "1", "--output", self.folder.name, "--teacher", f"{self.folder.name}/teacher.pt", *more]
    with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(io.StringIO()) as out:
      train.run(arguments())
    return out.getvalue()

  def test_a_teacher_is_trained_first_and_kept(self):
    with mock.patch.object(teacher.trained, "__defaults__", (1,)):
      first = self.run_with("parts-e3")
    self.assertIn("teacher_epoch", first)
    self.assertIn("validation_accuracy", first)
    tensors = load_safetensors(Path(self.folder.name, "parts-e3-s1.safetensors"))
    shapes = {name: value.shape for name, value in VisionTransformer(recipes.model("parts-e3"), channels=3).parameter.items()}
    self.assertEqual({name: value.shape for name, value in tensors.items()}, shapes)
    self.assertNotIn("teacher_epoch", self.run_with("parts-vit"))

  def test_the_second_training_goes_on_from_the_first(self):
    first = Path(self.folder.name, "first.safetensors")
    start = VisionTransformer(recipes.model("parts-vit"), channels=3)
    save_safetensors(first, {name: value.detach().numpy() for name, value in start.parameter.items()}, {})
    with mock.patch.dict(recipes.BESIDE, {"muon_learning_rate": 1e-7, "learning_rate": 1e-7}):
      self.run_with("parts-vit", "--begin", str(first))
    found = load_safetensors(Path(self.folder.name, "parts-vit-companions-s1.safetensors"))
    self.assertEqual({name: value.shape for name, value in found.items()},
                     {name: tuple(value.shape) for name, value in start.parameter.items()})
    for name, value in start.parameter.items():
      self.assertLess(np.abs(found[name] - value.detach().numpy()).max(), 1e-4, name)

  def test_a_second_training_from_another_model_is_refused_in_one_line(self):
    other = Path(self.folder.name, "other.safetensors")
    save_safetensors(other, {"head/kernel": np.zeros((96, 12), np.float32)}, {})
    with self.assertRaisesRegex(SystemExit, "other.safetensors: "):
      self.run_with("parts-vit", "--begin", str(other))

  def test_guidance_pulls_tokens_towards_the_teachers_features(self):
    torch.manual_seed(1)
    path = Path(self.folder.name, "teacher.pt")
    torch.save(teacher.Teacher(12).state_dict(), path)
    images = pictures(32)
    inputs = data.augment(images, recipes.TRAINING["augmentation"], torch.Generator().manual_seed(3))
    features = teacher.guide(path, images)(inputs)
    model = train.Guided(recipes.model("parts-vit"), channels=3)
    data.start(model, images, recipes.TRAINING)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(12):
      model(inputs)
      losses.append(torch.nn.functional.mse_loss(model.last_tokens, features))
      optimizer.zero_grad()
      losses[-1].backward()
      optimizer.step()
    self.assertLess(losses[-1].item(), 0.95 * losses[0].item())


class Companions(unittest.TestCase):
  """Kinds that a model learns to tell apart and does not answer."""

  def model(self, name="parts-e3"):
    torch.manual_seed(5)
    model = companions.Beside(recipes.model(name), channels=3)
    for name in ("head/kernel", "head/bias"):
      model.parameter[name].data.normal_()
    return model

  def test_their_labels_follow_those_of_the_models_kinds(self):
    run = companions.Run.__new__(companions.Run)
    with tempfile.TemporaryDirectory() as folder:
      for split, kinds in (("train", np.arange(12)), ("companions", np.array([17, 16, 39]))):
        np.save(Path(folder, f"{split}.npy"), pictures(len(kinds)).numpy())
        np.save(Path(folder, f"{split}-labels.npy"), kinds)
      run.options = types.SimpleNamespace(data=folder)
      images, labels = run.to_train_on()
    self.assertEqual(labels.tolist(), [*range(12), 13, 12, 35])
    self.assertTrue(torch.equal(images, torch.cat([pictures(12), pictures(3)])))

  def test_they_are_told_apart_in_training_and_not_answered(self):
    model, inputs = self.model(), torch.rand(2, 96, 96, 3)
    self.assertEqual(model.train()(inputs)[0].shape[-1], 12 + recipes.COMPANIONS)
    self.assertEqual(model.eval()(inputs)[0].shape[-1], 12)

  def test_what_is_written_answers_as_the_model_did(self):
    model, inputs = self.model().eval(), torch.rand(3, 96, 96, 3)
    written = VisionTransformer(recipes.model("parts-e3"), channels=3).eval()
    written.load_parameters(model.answering())
    for name, parameter in written.parameter.items():
      whole = model.parameter[name]
      self.assertTrue(torch.equal(parameter, whole[..., : recipes.CLASSES] if name.startswith("head/") else whole), name)
    # A product of more columns may round in another way: bit for bit where the companions' are cut off before it.
    torch.testing.assert_close(written(inputs)[0], model(inputs)[0], atol=1e-5, rtol=1e-5)
    for name in ("head/kernel", "head/bias"):
      model.parameter[name].data = model.parameter[name].data[..., : recipes.CLASSES].contiguous()
    model.config["num_classes"] = recipes.CLASSES
    self.assertTrue(torch.equal(written(inputs)[0], model(inputs)[0]))

  def test_likeness_reads_the_features_that_learned_classes_compare(self):
    # The rule of CLASSES.md, section 2, with a grid of 1: mean of the tokens that enter the last block, its norm, length 1.
    model, inputs = self.model().eval(), torch.rand(2, 96, 96, 3)
    model(inputs)
    x, y, _ = model.blocks_from(*model.embedded(inputs), 0, model.blocks - 1, False)
    mean = (x + y).view(2, 2, 64, 96).mean(2)
    name = "Encoder/encoderblock_5/LayerNorm_0"
    normal = (mean - mean.mean(-1, keepdim=True)) / (mean.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    expected = normal * model.parameter[f"{name}/scale"] + model.parameter[f"{name}/bias"]
    expected = expected / expected.norm(dim=-1, keepdim=True)
    self.assertLess((model.features() - expected).abs().max().item(), 1e-5)

  def test_likeness_falls_as_features_turn_to_the_directions_of_their_kinds(self):
    model, inputs = self.model("parts-vit").eval(), torch.rand(4, 96, 96, 3)
    labels = torch.tensor([[3], [20], [35], [5]])
    model(inputs)
    before = model.likeness(labels, 12.0)
    for row, label in zip(model.features()[:, 0].detach(), labels[:, 0]):
      model.parameter[companions.KINDS].data[0, :, label] = row
    after = model.likeness(labels, 12.0)
    self.assertLess(after.item(), before.item() - 1)
