"""What training starts from: a checkpoint as `e3-convert export` writes it, brought to the model that is to be trained."""

import copy
import json
from pathlib import Path

import numpy as np
import torch

from .checkpoint import load_safetensors
from .faults import Fault, UsageFault
from .model import VisionTransformer
from .pictures import ValueNorm

# Pixels in 0...1 become values of -1...1: what models without a known recipe have.
PLAIN_NORM = "0.5,0.5"


class Source:
  """An exported checkpoint: configuration, tensors, labels, recipe of the images."""

  def __init__(self, path, work, commands, image_size=None, members=None, config=None, ignore=()):
    self.path = path
    output = work / "from.safetensors"
    options = [part for pattern in ignore for part in ("--ignore", pattern)]
    options += ["--config", config] if config else []
    options += ["--image-size", f"{image_size[0]}x{image_size[1]}"] if image_size else []
    options += ["--ensemble-size", members] if members else []
    found = json.loads(commands.run("e3-convert", "export", path, *options, "--json", "-o", output))
    self.labels, self.resize, self.value_norm = found["labels"], found["resize"], found["value_norm"]
    # The file that a fault of the recipe is in, means and deviations as it writes them, the largest value of the pixels that they
    # are of, and whether it is a library's, which brings pixels to 0...1 first.
    self.recipe_file, self.written, self.largest = as_written(config or commands.noted("configuration") or path, self.value_norm)
    self.is_librarys = True
    self.config = json.loads(output.with_suffix(".json").read_text())
    self.tensors = load_safetensors(output)
    output.unlink()
    # What an earlier fit wrote beside its weights.
    beside = Path(path).with_suffix(".fit.json")
    if beside.is_file():
      try:
        own = json.loads(beside.read_text())
        self.labels, self.resize, self.value_norm = own["labels"], own["resize"], own["value_norm"]
        if not all(isinstance(text, str) for text in (*self.labels, self.resize, self.value_norm)):
          raise ValueError
        self.recipe_file, self.is_librarys = beside, False
      except RecursionError:
        raise Fault(beside, "nested too deeply: it is not what e3-train wrote beside a checkpoint; remove it, or fit anew")
      except (OSError, ValueError, KeyError, TypeError):
        raise Fault(beside, "not what e3-train wrote beside a checkpoint")

  def require_shares(self):
    """Refuses means and deviations of a library's configuration that are not, brought to its pixels, those of pixels in 0...1, as
    `e3-convert pack` does. Numbers that are none in its unit are left to whoever reads `value_norm`."""
    try:
      is_right = ValueNorm(self.value_norm).largest == 1
    except ValueError:
      is_right = self.largest == 1
    if not is_right:
      raise Fault(self.recipe_file, f"its means and deviations are {self.written}, expected those of pixels in 0...{self.largest:g}: give "
                  "--value-norm, which takes those of pixels in 0...1 and in 0...255")

  @property
  def moe(self):
    return self.config["encoder"].get("moe")

  @property
  def members(self):
    return (self.moe or {}).get("ensemble_size", 1)


def as_written(configuration, value_norm):
  """The file that has means and deviations, these as it writes them, and the largest value of its pixels: the configuration, or
  what Hugging Face writes beside it, which may leave bytes as they are or scale them by a factor of its own."""
  beside = Path(configuration).with_name("preprocessor_config.json")
  try:
    found = json.loads(beside.read_text("utf-8-sig"))
    said = [0, 1] if found.get("do_normalize") is False else [*found["image_mean"], *found["image_std"]]
    factor = found.get("rescale_factor")
    largest = 255 if found.get("do_rescale") is False else 1 if factor is None or abs(factor * 255 - 1) <= 1e-6 else 255 * factor
    if np.allclose(np.float32(said) / largest, np.float32(value_norm.split(",")), rtol=1e-6, atol=0):
      return beside, ",".join(map(str, said)), largest
  except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
    pass
  return configuration, value_norm, 1


def grey(tensors):
  """A trunk for colours as one for grey pictures: a grey pixel has three equal values."""
  kernel = tensors["embedding/kernel"]
  return tensors | {"embedding/kernel": kernel.sum(2, keepdims=True)} if kernel.shape[2] == 3 else tensors


def coloured(tensors):
  """A trunk for grey pictures as one for colours, which answers a grey picture as before."""
  kernel = tensors["embedding/kernel"]
  return tensors | {"embedding/kernel": kernel.repeat(3, 2) / 3} if kernel.shape[2] == 1 else tensors


def target_config(source, classes, channels, recipe, members, learning=None):
  """The configuration of the model to train. Of a dense checkpoint the last `expert_blocks` of the recipe get experts, but
  none of those that do not learn: `learning` blocks do, or all."""
  config = copy.deepcopy(source.config)
  config["num_classes"], config["channels"] = classes, channels
  encoder = config["encoder"]
  if not source.moe and members > 1:
    if encoder.get("attention_qk_norm"):
      raise UsageFault("--members", f"norms of queries and keys, which {source.path} has, are not for ensembles: --members 1")
    experts, blocks = recipe["experts_per_member"] * members, encoder["num_layers"]
    with_experts = min(recipe["expert_blocks"], blocks if learning is None else learning)
    encoder["moe"] = {
      "layers": list(range(max(0, blocks - with_experts), blocks)),
      "num_experts": experts,
      "ensemble_size": members,
      "router": {"num_selected_experts": recipe["selected_experts"]},
    }
    config["name"] = "VisionTransformerMoeEnsemble"
  if moe := encoder.get("moe"):
    moe["dropout_rate"] = recipe["expert_dropout"]
    moe["router"] |= {
      "noise_std": recipe["router_noise"],
      "importance_loss_weight": recipe["router_loss"],
      "load_loss_weight": recipe["router_loss"],
    }
  return config


def initial_model(source, config, recipe, generator, keeps_head):
  """The model of `config` with the checkpoint's weights. Experts of a dense checkpoint are copies of the block's MLP,
  each with noise of its own; the router's start is small, so that the sum over experts is the block's MLP still."""
  model = VisionTransformer(config, config["channels"])
  tensors = coloured(source.tensors) if config["channels"] == 3 else grey(source.tensors)
  share = model.selected / (model.experts // model.members)
  for name, value in model.parameter.items():
    if name.startswith("head/") and not keeps_head:
      continue
    if name in tensors:
      found = torch.from_numpy(tensors[name].copy())
      if found.shape != value.shape:
        raise Fault(source.path, f"{name}: shape {list(found.shape)}, expected {list(value.shape)}")
      value.data = found
    elif "/Moe/Router/" in name:
      value.data *= recipe["router_start"]
    else:
      found = torch.from_numpy(tensors[name.replace("/Moe/Mlp/", "/Mlp/")].copy()).expand_as(value).clone()
      if name.endswith("kernel"):
        found += recipe["expert_noise"] * found.std() * torch.randn(found.shape, generator=generator)
      # Gates are shares of one member's experts.
      value.data = found / share if "/Dense_1/" in name else found
  return model
