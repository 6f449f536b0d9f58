"""Trains a model of models/ on Fashion-MNIST: e3-train fashion --model fashion-e3 --seed 1

Writes NAME-sSEED.safetensors, .json (its config) and .log (one JSON line per epoch) to --output. Stop it at any time;
the same command goes on where it was, with the same numbers as an undisturbed run.
"""

import json
import math
import signal
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from .. import metrics, state
from ..checkpoint import load_safetensors, save_safetensors, write_atomically
from ..faults import UsageFault
from ..model import VisionTransformer
from ..optimizers import Optimizer
from ..training import learning_rate_share
from . import data, recipes


def device(text):
  """A device that this PyTorch can compute on."""
  if not text:
    return "cuda" if torch.cuda.is_available() else "cpu"
  try:
    torch.zeros(1, device=text)
  except (RuntimeError, AssertionError) as error:
    raise UsageFault("--device", f"{text}: {str(error).splitlines()[0]}")
  return text


def fused_operations(options, model):
  """The module `fused` where it can be had and serves the model, or None."""
  if options.device != "cpu" or model.compute_dtype != torch.bfloat16:
    return None
  try:
    from .. import fused
  except (ImportError, OSError, RuntimeError) as error:
    print(f"e3-train: plain operations, which take twice as long: {str(error).splitlines()[0]}", file=sys.stderr)
    return None
  return fused if fused.serves(model) else None


class Run:
  """One training: the model, its optimizer and how far it got. Every step draws from generators of its own seed."""

  # What a training on other pictures replaces.
  data, recipes, network = data, recipes, VisionTransformer

  def __init__(self, options, recipe=None, name=None):
    self.options, self.recipe = options, recipe or self.recipes.TRAINING
    options.device = device(options.device)
    options.pictures = options.pictures or self.recipes.pictures(options.model)
    torch.set_num_threads(options.threads)  # Sums are the same from run to run only with the same number of threads.
    self.name = name or f"{options.model}-s{options.seed}"
    options.output.mkdir(parents=True, exist_ok=True)
    self.state_path = options.output / f"{self.name}.state"
    torch.manual_seed(options.seed)
    self.config = self.recipes.model(options.model)
    self.model = self.network(self.config, self.data.CHANNELS).to(options.device)
    if options.upcycle:
      try:
        self.model.upcycle(load_safetensors(options.upcycle))
      except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"e3-train: {options.upcycle}: {error}")
    self.model.compute_dtype = torch.float32 if options.float32 else torch.bfloat16
    self.model.fused = fused_operations(options, self.model)
    self.optimizer = Optimizer(self.model, self.recipe)
    self.images, self.labels = self.to_train_on()
    held_out, self.held_out_labels = self.data.load("validation", options.data)
    self.held_out = self.data.value_range(held_out)
    self.prepare()
    self.steps_per_epoch = len(self.images) // self.recipe["batch"]
    self.step, self.seconds, self.loss_sum, self.history = 0, 0.0, 0.0, []
    self.stopped = False
    if self.state_path.exists():
      self.resume()

  def to_train_on(self):
    """Pictures and labels that are trained on."""
    return self.data.load("train", self.options.data)

  def prepare(self):
    """What is to be done before the first step."""

  def other_loss(self, images, labels):
    """What a step's loss has beside that of labels and routers; images: [N, P, h, w, channels], labels: [N, P]."""
    return 0.0

  def validates(self, epoch):
    """Whether the held-out pictures are looked at after an epoch, counted from 1."""
    return True

  def resume(self):
    try:
      tensors, rest = state.load(self.state_path, self.options.device)
    except ValueError as error:
      raise SystemExit(f"e3-train: {self.state_path}: {error}")
    if (rest["config"], rest["pictures"]) != (self.config, self.options.pictures):
      raise SystemExit(f"e3-train: {self.state_path}: state of another configuration; remove it to start anew")
    self.model.load_state_dict(tensors["model"])
    self.optimizer.load_state_dict(tensors["optimizer"])
    for name in ("step", "seconds", "loss_sum", "history"):
      setattr(self, name, rest[name])

  def save(self):
    rest = {
      "config": self.config,
      "pictures": self.options.pictures,
      "step": self.step,
      "seconds": self.seconds,
      "loss_sum": self.loss_sum,
      "history": self.history,
    }
    tensors = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
    state.save(self.state_path, tensors, rest)

  def batch(self):
    """Images [N, P, h, w, 1] and labels [N, P] of the current step, augmented; P is 1 where all members see the same."""
    epoch, position = divmod(self.step, self.steps_per_epoch)
    if position == 0 or not hasattr(self, "orders"):
      generator = torch.Generator().manual_seed(self.options.seed * 100_003 + epoch)
      count = self.model.members if self.options.pictures == "own" else 1
      self.orders = torch.stack([torch.randperm(len(self.images), generator=generator) for _ in range(count)], 1)
    chosen = self.orders[position * self.recipe["batch"] : (position + 1) * self.recipe["batch"]]
    generator = torch.Generator().manual_seed(self.options.seed * 1_000_000_007 + self.step)
    augmented = self.data.augment(self.images[chosen.flatten()], self.recipe["augmentation"], generator)
    images = augmented.unflatten(0, chosen.shape)
    return images.to(self.options.device), self.labels[chosen].to(self.options.device)

  def train_step(self):
    started = time.process_time()
    steps = self.options.epochs * self.steps_per_epoch
    self.optimizer.rate(learning_rate_share(self.step, steps, self.recipe["warm_up"]))
    images, labels = self.batch()
    torch.manual_seed(self.options.seed * 1_000_000_009 + self.step)  # the router noise
    logits, auxiliary = self.model(images if images.shape[1] > 1 else images.squeeze(1))
    # Every member learns on its own from the label; the ensemble is never averaged in training.
    loss = F.cross_entropy(logits.flatten(0, 1), labels.expand(logits.shape[:2]).flatten())
    self.optimizer.zero_grad()
    (loss + auxiliary + self.other_loss(images, labels)).backward()
    torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe["clip"])
    self.optimizer.step()
    self.step += 1
    self.loss_sum += loss.item()
    self.seconds += time.process_time() - started

  def end_epoch(self):
    if not math.isfinite(self.loss_sum):
      raise SystemExit(f"e3-train: {self.name}: the loss is no number any more; the state on disk is of an earlier step")
    epoch, values = self.step // self.steps_per_epoch, {}
    if self.validates(epoch):
      values = metrics.summary(metrics.member_probabilities(self.model, self.held_out), self.held_out_labels)
    line = {"epoch": epoch, "loss": self.loss_sum / self.steps_per_epoch}
    line |= {"cpu_seconds": self.seconds} | {f"validation_{name}": value for name, value in values.items()}
    line = {name: round(value, 5) for name, value in line.items()}
    self.history.append(line)
    self.seconds = self.loss_sum = 0.0
    self.save()
    log = "".join(json.dumps(entry) + "\n" for entry in self.history).encode()
    write_atomically(self.options.output / f"{self.name}.log", lambda file: file.write(log))
    print(json.dumps(line), flush=True)

  def train(self):
    steps, saved = self.options.epochs * self.steps_per_epoch, time.monotonic()
    self.model.train()
    while self.step < steps and not self.stopped:
      self.train_step()
      if sys.stderr.isatty():
        print(f"\r{self.name}: step {self.step} of {steps}", end="", file=sys.stderr)
      if self.step % self.steps_per_epoch == 0:
        self.end_epoch()
      elif time.monotonic() - saved > 120:
        self.save()
        saved = time.monotonic()
    if self.stopped:
      self.save()
      raise SystemExit(f"e3-train: {self.name}: stopped at step {self.step} of {steps}; the same command goes on")
    self.export()

  def tensors(self):
    """What the checkpoint holds: {name: array}."""
    return {name: value.detach().cpu().numpy() for name, value in self.model.parameter.items()}

  def export(self):
    metadata = {name: getattr(self.options, name) for name in ("model", "seed", "epochs", "pictures")}
    if self.options.upcycle:
      metadata["upcycled from"] = self.options.upcycle.name
    save_safetensors(self.options.output / f"{self.name}.safetensors", self.tensors(), metadata)
    text = json.dumps(self.config, indent=2).encode() + b"\n"
    write_atomically(self.options.output / f"{self.name}.json", lambda file: file.write(text))


def run(options, kind=Run):
  training = kind(options)

  def stop(*_):
    training.stopped = True

  signal.signal(signal.SIGTERM, stop)
  signal.signal(signal.SIGINT, stop)
  training.train()
  return 0
