"""Claims about training for 4-bit weights: they are rounded as `e3-convert pack` rounds them."""

import json
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import numpy as np
from e3_train.checkpoint import save_safetensors
from e3_train.int4 import Grids, Rounded, kernels
from e3_train.model import VisionTransformer
from test_fit import SMALL, commands, state, training  # noqa: F401

# 16 inputs, fewer than share a grid; 72, of which the last grid has eight.
CONFIG = SMALL | {"name": "VisionTransformerMoeEnsemble", "encoder": {"num_layers": 3, "num_heads": 2, "mlp_dim": 72, "moe": {
  "layers": [1, 2], "num_experts": 4, "ensemble_size": 2, "router": {"num_selected_experts": 1}}}}


def layer(data, inputs, outputs):
  """Levels [K, N] of a layer of 4-bit weights as FORMAT.md 4.2 has them, its scales [N], and the bytes that follow."""
  rows, groups = -(-inputs // 8) * 8, -(-inputs // 32)
  first = -(-16 * groups // 64) * 64
  panels = data[: -(-outputs // 16) * (first + 8 * rows + 192)]
  levels, scales = [], []
  for panel in panels.reshape(-(-outputs // 16), -1):
    grids = panel[: 16 * groups].reshape(groups, 16).repeat(32, 0)[:inputs].astype(int)
    bytes_ = panel[first : first + 8 * rows].reshape(-1, 16, 4)
    codes = np.stack([bytes_ & 15, bytes_ >> 4], 1).transpose(0, 1, 3, 2).reshape(rows, 16)[:inputs].astype(int)
    levels.append((grids & 15) * (codes - (grids >> 4)))
    scales.append(panel[first + 8 * rows :][:64].view(np.float32))
  return np.concatenate(levels, 1)[:, :outputs], np.concatenate(scales)[:outputs], data[len(panels) :]


def test_weights_are_rounded_as_pack_rounds_them_to_nearest(tmp_path):
  place = commands()
  torch.manual_seed(2)
  model = VisionTransformer(CONFIG, 3)
  path, packed = tmp_path / "m.safetensors", tmp_path / "m.e3"
  for name in kernels(model, {"experts": 4, "mlp": 4}):
    value = model.parameter[name].data
    # Outputs of all sizes; of some most weights are far from the middle of their grid, of one all are 0, of one a group.
    value *= torch.logspace(-3, 1, value.shape[-1])
    value[..., 3] += value[..., 3].abs().max()
    value[..., 5] = 0
    value[..., :32, 7] = 0
  tensors = {name: value.detach().numpy() for name, value in model.parameter.items()}
  save_safetensors(path, tensors, {})
  path.with_suffix(".json").write_text(json.dumps(CONFIG))
  words = ("--quantize-with", "nearest", "--weights", "experts=4,mlp=4", "-o", packed)
  subprocess.run([f"{place}/e3-convert", "pack", path, *words], check=True, capture_output=True)
  data = np.fromfile(packed, np.uint8)
  found = json.loads(subprocess.run([f"{place}/e3-convert", "inspect", packed, "--json"], capture_output=True).stdout)
  extents = [extent for extent in found["extents"] if extent["encoding"] == "int4"]
  assert [extent["kind"] for extent in extents].count("expert") == 8 and len(extents) == 9
  for extent in extents:
    rest = data[extent["offset"] :][: extent["length"]]
    for dense in ("Dense_0", "Dense_1"):
      part = "Moe/Mlp" if extent["kind"] == "expert" else "Mlp"
      kernel = tensors[f"Encoder/encoderblock_{extent['block']}/{part}/{dense}/kernel"]
      kernel = torch.from_numpy(kernel[extent["index"]] if extent["kind"] == "expert" else kernel)
      levels, scales, rest = layer(rest, *kernel.shape)
      grids = Grids.fitting(kernel)
      np.testing.assert_array_equal(grids.scale.numpy().ravel(), scales)
      expected = levels * scales.astype(np.float64)
      np.testing.assert_allclose(grids.nearest(kernel).numpy(), expected, rtol=1e-6, atol=0)
    assert not rest.size


def test_all_experts_at_once_are_rounded_as_each_alone():
  kernel = torch.randn(3, 40, 20, generator=torch.Generator().manual_seed(1))
  together, alone = Grids.fitting(kernel), [Grids.fitting(one) for one in kernel]
  assert torch.equal(together.nearest(kernel), torch.stack([grids.nearest(one) for grids, one in zip(alone, kernel)]))
  # Where 15 steps span what 32 normal numbers do, about four deviations, the error is a twelfth of one.
  assert 0.06 < (together.nearest(kernel) - kernel).square().mean().sqrt() < 0.1


def test_gradients_pass_the_rounding():
  kernel = torch.randn(32, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
  rounded = Rounded.apply(kernel, Grids.fitting(kernel))
  rounded.square().sum().backward()
  assert torch.equal(kernel.grad, 2 * rounded.detach()) and not torch.equal(kernel, rounded)


def test_the_kernels_of_4_bits_are_those_of_pack():
  model = VisionTransformer(CONFIG, 3)
  mlp = [f"Encoder/encoderblock_0/Mlp/Dense_{dense}/kernel" for dense in (0, 1)]
  experts = [f"Encoder/encoderblock_{block}/Moe/Mlp/Dense_{dense}/kernel" for block in (1, 2) for dense in (0, 1)]
  assert sorted(kernels(model, {"experts": 4, "mlp": 8})) == experts and sorted(kernels(model, {"mlp": 4})) == mlp


def test_the_last_steps_compute_with_rounded_weights_and_go_on_after_a_stop(state, tmp_path):
  plain = training(state=tmp_path / "plain.state")
  assert plain.run(lambda *_: True) and len(plain.history) == 9
  whole = training(state=tmp_path / "whole.state", bits={"experts": 4}, rounded_share=0.5)
  assert whole.first_rounded == 5 and whole.run(lambda *_: True) and whole.model.grids == {}
  assert whole.history[:5] == plain.history[:5] and whole.history[5] != plain.history[5]
  # Levels were chosen at the steps 5 and 8: those of the stop at 7 are the ones of step 5.
  first = training(state=state, bits={"experts": 4}, rounded_share=0.5)
  assert not first.run(lambda step, *_: step < 7)
  second = training(state=state, bits={"experts": 4}, rounded_share=0.5)
  assert second.step == 7 and len(second.model.grids) == 4 and second.run(lambda *_: True)
  assert second.history == whole.history
  for name, value in whole.model.parameter.items():
    assert torch.equal(value, second.model.parameter[name]), name
  # What is kept are the weights themselves.
  kernel = whole.model.parameter[kernels(whole.model, {"experts": 4})[0]].detach()
  assert not torch.equal(Grids.fitting(kernel).nearest(kernel), kernel)


def test_nothing_is_rounded_where_all_weights_have_8_bits_or_the_share_is_0(tmp_path):
  for number, options in enumerate(({"bits": {"experts": 8, "mlp": 8}}, {"bits": {"experts": 4}, "rounded_share": 0.0})):
    found = training(state=tmp_path / f"{number}.state", **options)
    assert found.first_rounded == found.steps == 9
