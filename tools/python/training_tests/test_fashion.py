"""Claims about the network and about the training on Fashion-MNIST.

Tests on numbers of the reference implementation run where E3_GOLDENS names their folder.
"""

import gzip
import json
import math
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from conftest import command

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from e3_train import metrics, operations
from e3_train.__main__ import arguments
from e3_train.checkpoint import load_safetensors, save_safetensors
from e3_train.fashion import data, recipes, train
from e3_train.model import VisionTransformer, importance_loss, load_loss
from e3_train.optimizers import Optimizer, orthogonalised

GOLDENS = Path(os.environ.get("E3_GOLDENS", "/nonexistent"))


def golden(name):
  folder = GOLDENS / name
  model = VisionTransformer(json.loads((folder / "config.json").read_text()), channels=3)
  model.load_parameters(load_safetensors(folder / "params.safetensors"))
  with torch.no_grad():
    logits, _ = model.eval()(torch.from_numpy(np.load(folder / "inputs.npy")))
  return logits.numpy(), np.load(folder / "expected/logits.npy")


@unittest.skipUnless(GOLDENS.is_dir(), "E3_GOLDENS names no folder of goldens")
class Reference(unittest.TestCase):
  def test_logits_are_those_of_the_reference(self):
    for name in ("vit_tiny", "vmoe_tiny_k1", "eee_tiny_k1_m2", "eee_tiny_k2_m2", "eee_odd"):
      with self.subTest(name):
        logits, expected = golden(name)
        self.assertLess(np.abs(logits - expected).max(), 1e-4)


class Model(unittest.TestCase):
  def setUp(self):
    torch.manual_seed(0)
    self.images = torch.rand(6, 28, 28, 1) * 2 - 1

  def test_gradients_reach_every_parameter_that_a_batch_can_touch(self):
    model = VisionTransformer(recipes.vision_transformer(layers=(3, 5), members=2, selected=2))
    torch.nn.init.normal_(model.parameter["head/kernel"])
    logits, auxiliary = model(self.images)
    (logits.square().mean() + auxiliary).backward()
    for name, value in model.parameter.items():
      self.assertGreater(value.grad.abs().sum().item(), 0, name)

  def test_expert_gradients_are_those_of_the_plain_formula(self):
    model = VisionTransformer(recipes.vision_transformer(layers=(3, 5), members=2, selected=2))
    name = "Encoder/encoderblock_3/Moe/Mlp"
    expert = torch.randint(0, 8, (40, 2))
    weight = torch.rand(40, 2)

    def plain(x):
      total = 0
      for k in range(2):
        first, second = (f"{name}/Dense_0", f"{name}/Dense_1")
        kernel = [model.parameter[f"{part}/kernel"][expert[:, k]] for part in (first, second)]
        bias = [model.parameter[f"{part}/bias"][expert[:, k]] for part in (first, second)]
        y = torch.nn.functional.gelu(torch.einsum("rh,rhf->rf", x, kernel[0]) + bias[0], approximate="tanh")
        total = total + weight[:, k : k + 1] * (torch.einsum("rf,rfh->rh", y, kernel[1]) + bias[1])
      return total

    results = []
    for forward in (plain, lambda x: model.expert_mlps(x, expert, weight, name)):
      x = torch.randn(40, 96, generator=torch.Generator().manual_seed(1)).requires_grad_()
      y = forward(x)
      y.square().sum().backward()
      kernel = model.parameter[f"{name}/Dense_0/kernel"]
      results.append((y.detach(), x.grad, kernel.grad.clone()))
      kernel.grad = None
    for one, other in zip(*results):
      torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)

  def test_even_routing_has_no_auxiliary_loss_and_a_collapsed_router_has_the_largest(self):
    even = torch.zeros(4, 2, 4, 4) + 9 * torch.eye(4)
    collapsed = torch.zeros(4, 2, 4, 4)
    collapsed[..., 0] = 30
    self.assertAlmostEqual(importance_loss(even).item(), 0, places=6)
    self.assertAlmostEqual(importance_loss(collapsed).item(), 3, places=4)
    for logits, expected in ((even, 0), (collapsed, 3)):
      self.assertAlmostEqual(load_loss(logits, logits, logits.argmax(-1, True), 0.25).item(), expected, places=4)

  def test_members_with_images_of_their_own_answer_as_for_the_same_images(self):
    model = VisionTransformer(recipes.model("fashion-e3")).eval()
    torch.nn.init.normal_(model.parameter["head/kernel"])
    own = self.images.view(3, 2, 28, 28, 1)
    logits, shared = model(own)[0], model(self.images)[0]
    for member in range(2):
      torch.testing.assert_close(logits[:, member], shared[member::2, member])

  def test_expert_dropout_is_for_training_only_and_keeps_the_mean(self):
    model, plain = (
      VisionTransformer(recipes.vision_transformer(layers=(3, 5), members=2, expert_dropout=share)) for share in (0.25, 0)
    )
    plain.load_state_dict(model.state_dict())
    for name in ("head/kernel", "Encoder/encoderblock_5/Moe/Mlp/Dense_1/bias"):
      torch.nn.init.normal_(model.parameter[name])
      plain.parameter[name].data = model.parameter[name].data
    answers = []
    for each in (model, plain):
      torch.manual_seed(0)  # the router noise of both
      answers.append((each.train()(self.images)[0], each.eval()(self.images)[0]))
    (trained, answered), (plain_trained, plain_answered) = answers
    self.assertTrue(torch.equal(answered, plain_answered))
    self.assertFalse(torch.equal(trained, plain_trained))
    dropped = model.train().dropped(torch.ones(100_000))
    self.assertEqual(set(dropped.tolist()), {0, torch.tensor(1 / 0.75).item()})
    self.assertAlmostEqual(dropped.mean().item(), 1, delta=0.01)

  def test_an_upcycled_model_starts_as_the_dense_one_scaled_by_its_gates(self):
    dense = VisionTransformer(recipes.model("fashion-vit")).eval()
    for value in dense.parameter.values():
      torch.nn.init.normal_(value, std=0.1)
    sparse = VisionTransformer(recipes.vision_transformer(layers=(5,), experts=2, members=2)).eval()
    tensors = {name: value.detach().numpy() for name, value in dense.parameter.items()}
    sparse.upcycle(tensors)
    # One expert for each member: its gate is 1, so both members answer as the dense model.
    expected, logits = dense(self.images)[0], sparse(self.images)[0]
    torch.testing.assert_close(logits, expected.expand_as(logits), atol=1e-5, rtol=1e-5)
    del tensors["Encoder/encoderblock_5/Mlp/Dense_0/kernel"]
    with self.assertRaisesRegex(ValueError, "Encoder/encoderblock_5/Mlp/Dense_0/kernel"):
      sparse.upcycle(tensors)

  def test_an_untrained_model_says_nothing(self):
    for name in recipes.MODELS:
      model = VisionTransformer(recipes.model(name)).eval()
      probabilities = metrics.member_probabilities(model, self.images)
      torch.testing.assert_close(probabilities, torch.full_like(probabilities, 0.1))


class Operations(unittest.TestCase):
  """Each fused operation against the plain one in float32, on the same bfloat16 values: outputs and gradients."""

  def setUp(self):
    try:
      from e3_train import fused
    except (ImportError, OSError, RuntimeError) as error:
      self.skipTest(f"no fused operations: {error}")
    self.fused = fused
    torch.manual_seed(0)

  def check(self, name, inputs, *sizes):
    results = []
    for module, kind in ((self.fused, torch.bfloat16), (operations, torch.float32)):
      # A residual stream and the parameters of a normalisation are float32 in both.
      given = [x.detach().to(kind if x.dtype == torch.bfloat16 else x.dtype).requires_grad_() for x in inputs]
      out = getattr(module, name)(*given, *sizes)
      out = out if isinstance(out, tuple) else (out,)
      generator = torch.Generator().manual_seed(1)
      weights = [torch.randn(o.shape, generator=generator).bfloat16().to(o.dtype) for o in out]
      results.append((*out, *torch.autograd.grad(out, given, weights)))
    for one, other in zip(*results):
      self.assertEqual(one.shape, other.shape)
      self.assertLess((one.float() - other).norm().item(), 0.01 * other.norm().item())

  def test_sum_and_layer_normalisation(self):
    x, y = torch.randn(34, 96) + 1, torch.randn(34, 96).bfloat16()
    self.check("add_norm", (x, y, torch.rand(96) + 0.5, torch.randn(96)))

  def test_gelu(self):
    for scale in (3, 30, 1000):
      self.check("gelu", (scale * torch.randn(7, 50).bfloat16(),))

  def test_attention_of_any_number_of_tokens(self):
    for tokens in (1, 3, 16, 17, 32, 50, 64):
      with self.subTest(tokens):
        self.check("attention", (torch.randn(3 * tokens, 3 * 96).bfloat16(),), tokens, 3)


class Optimizers(unittest.TestCase):
  def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_scales(self):
    torch.manual_seed(0)
    for rows, columns in ((96, 96), (96, 256), (256, 96)):
      left, _, right = torch.linalg.svd(torch.randn(2, rows, columns), full_matrices=False)
      x = left * torch.linspace(0.1, 2, 96) @ right
      scales = torch.diagonal(left.mT @ orthogonalised(x, torch.float32) @ right.mT, dim1=1, dim2=2)
      self.assertGreater(scales.min().item(), 0.5)
      self.assertLess(scales.max().item(), 1.3)

  def test_every_parameter_moves(self):
    model = VisionTransformer(recipes.model("fashion-e3"))
    torch.nn.init.normal_(model.parameter["head/kernel"])
    before = {name: value.detach().clone() for name, value in model.parameter.items()}
    optimizer = Optimizer(model, recipes.TRAINING)
    optimizer.rate(1)
    logits, auxiliary = model(torch.rand(16, 28, 28, 1) * 2 - 1)
    (logits.square().mean() + auxiliary).backward()
    optimizer.step()
    for name, value in model.parameter.items():
      self.assertGreater((value - before[name]).abs().max().item(), 0, name)


STILL = {name: 0 for name in recipes.TRAINING["augmentation"]} | {"erased_size": (0.25, 0.5)}


class Data(unittest.TestCase):
  @unittest.skipUnless(data.DIRECTORY.is_dir(), "dataset-fashion-mnist is not installed")
  def test_splits_are_disjoint_parts_of_the_right_size(self):
    sizes = {split: tuple(data.load(split)[0].shape) for split in ("train", "validation", "test")}
    self.assertEqual(sizes, {"train": (55000, 28, 28), "validation": (5000, 28, 28), "test": (10000, 28, 28)})

  def test_files_that_cannot_be_read_are_named_in_one_line(self):
    whole = gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")
    bad = [b"text", whole[:-9], whole[:12] + b"\xff" * 9 + whole[21:], gzip.compress(b"\0\0\x0d\x01\0\0\0\0")]
    bad.append(gzip.compress(b"\0\0\x08\x01\0\0\0\x03ab"))
    with tempfile.TemporaryDirectory() as folder:
      path = Path(folder) / "train-images-idx3-ubyte.gz"
      with self.assertRaisesRegex(SystemExit, f"^{path}: not there; --data names its folder"):
        data.load("train", folder)
      for content in bad:
        path.write_bytes(content)
        with self.assertRaisesRegex(SystemExit, f"^{path}: .+$"):
          data.read_idx(path)

  def test_augmentation_without_freedom_changes_nothing_but_flips(self):
    images = torch.randint(0, 256, (8, 28, 28), dtype=torch.uint8)
    varied, plain = data.augment(images, STILL, torch.Generator().manual_seed(1)), data.value_range(images)
    for one, other in zip(varied, plain):
      difference = min((one - other).abs().max(), (one - other.flip(1)).abs().max())
      self.assertLess(difference.item(), 1e-4)

  def test_an_erased_rectangle_has_one_grey_and_a_size_of_the_range(self):
    images = torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    whole = data.augment(images, STILL, generators[0])
    erased = data.augment(images, STILL | {"erased": 1}, generators[1])
    for one, other in zip(whole[..., 0], erased[..., 0]):
      changed = ((one - other).abs() > 1e-4).nonzero()
      (top, left), (bottom, right) = changed.min(0).values, changed.max(0).values + 1
      covered = other[top:bottom, left:right]
      self.assertLess((covered.max() - covered.min()).item(), 1e-4)
      for length in (bottom - top, right - left):
        self.assertIn(length.item(), range(6, 16))  # 7 to 14, and a pixel more or less for where it starts

  def test_augmented_values_stay_in_range(self):
    images = torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8)
    varied = data.augment(images, recipes.TRAINING["augmentation"], torch.Generator().manual_seed(2))
    self.assertEqual(tuple(varied.shape), (64, 28, 28, 1))
    self.assertLessEqual(varied.abs().max().item(), 1)


class Metrics(unittest.TestCase):
  def test_ece_of_a_model_that_is_always_too_sure(self):
    probabilities = torch.tensor([[0.9, 0.1]] * 10)
    labels = torch.tensor([0] * 6 + [1] * 4)
    self.assertAlmostEqual(metrics.expected_calibration_error(probabilities, labels), 0.3, places=6)

  def test_auroc_counts_pairs_and_half_of_ties(self):
    self.assertAlmostEqual(metrics.auroc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])), 0.875)

  def test_members_that_never_agree_disagree_always(self):
    members = torch.tensor([[[0.8, 0.2], [0.1, 0.9]]])
    self.assertAlmostEqual(metrics.summary(members, torch.tensor([0]))["disagreement"], 1)


class Files(unittest.TestCase):
  def test_safetensors_come_back_as_written(self):
    with tempfile.TemporaryDirectory() as folder:
      path, value = Path(folder) / "x.safetensors", np.arange(6, dtype=np.float32).reshape(2, 3)
      save_safetensors(path, {"b/kernel": value, "a": value[0]}, {"seed": 1})
      read = load_safetensors(path)
      self.assertEqual(list(read), ["a", "b/kernel"])
      np.testing.assert_array_equal(read["b/kernel"], value)
      self.assertEqual(os.listdir(folder), ["x.safetensors"])

  def test_bfloat16_rounds_to_nearest_and_ties_to_even(self):
    with tempfile.TemporaryDirectory() as folder:
      path = Path(folder) / "x.safetensors"
      value = torch.cat([torch.randn(1000), torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -0.0, 3e38])])
      save_safetensors(path, {"x": value.numpy()}, {}, bfloat16=True)
      np.testing.assert_array_equal(load_safetensors(path)["x"], value.bfloat16().float().numpy())


class Training(unittest.TestCase):
  def setUp(self):
    # Of pictures that are looked at after an epoch, few do.
    held_out = mock.patch.object(data, "HELD_OUT", 20)
    held_out.start()
    self.addCleanup(held_out.stop)

  def test_members_see_the_same_pictures_or_each_its_own(self):
    with tempfile.TemporaryDirectory() as folder:
      small_data(Path(folder))
      for pictures, count in (("same", 1), ("own", 2)):
        words = ["e3-train", "fashion", "--model", "fashion-e3", "--float32", "--threads", "1", "--data", folder]
        words += ["--output", f"{folder}/{pictures}"]
        with mock.patch.object(sys, "argv", [*words, "--pictures", pictures]):
          run = train.Run(arguments())
        images, labels = run.batch()
        self.assertEqual(images.shape, (256, count, 28, 28, 1))
        self.assertEqual(labels.shape, (256, count))
        for order in run.orders.T:  # every member goes through all pictures
          self.assertEqual(sorted(order.tolist()), list(range(300)))
        self.assertEqual(len({tuple(order.tolist()) for order in run.orders.T}), count)
        run.train_step()
        self.assertTrue(math.isfinite(run.loss_sum))
        run.save()
      words += ["--pictures", "same"]  # where the state is of members that saw pictures of their own
      with mock.patch.object(sys, "argv", words), self.assertRaisesRegex(SystemExit, "another configuration"):
        train.Run(arguments())

  def test_a_stopped_training_goes_on_with_the_same_numbers(self):
    with tempfile.TemporaryDirectory() as folder:
      small_data(Path(folder))
      words = ["fashion", "--model", "fashion-e3", "--float32", "--threads", "1", "--data", folder, "--epochs", "2", "--output"]
      self.assertEqual(command(*words, f"{folder}/whole").returncode, 0)
      # The learning rate depends on the length of the schedule, so the first part must be stopped, not shortened.
      with mock.patch.object(sys, "argv", ["e3-train", *words, f"{folder}/parted"]):
        run = train.Run(arguments())
      run.model.train()
      for _ in range(3):
        run.train_step()
      run.save()
      self.assertEqual(command(*words, f"{folder}/parted").returncode, 0)
      one, other = (load_safetensors(f"{folder}/{part}/fashion-e3-s1.safetensors") for part in ("whole", "parted"))
      for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def small_data(folder):
  """A data set of the right form: two batches to train on."""
  generator = np.random.default_rng(0)
  for prefix, count in (("train", data.HELD_OUT + 300), ("t10k", 10)):
    for kind, shape, high in (("images-idx3", (count, 28, 28), 256), ("labels-idx1", (count,), 10)):
      header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
      with gzip.open(folder / f"{prefix}-{kind}-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(header + generator.integers(0, high, shape, np.uint8).tobytes())
