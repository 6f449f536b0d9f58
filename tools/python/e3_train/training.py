"""The steps of a training: which pictures, which loss, how far; stopped at any time, it goes on with the same numbers."""

import math
import time
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import nn

from . import state
from .faults import Fault
from .int4 import Grids


class Loss(nn.Module):
  """The loss of a share of a batch. Every member learns on its own from the label; the ensemble is never averaged.

  With mixup the head reads mixtures of two pictures' representations and is asked for the same mixture of their labels
  (Verma et al. 2019, "Manifold Mixup"). A picture's partner lies half a batch further, so that several processes make
  the pairs that one would, as long as half a batch can be divided among them."""

  def __init__(self, model, start, smoothing, mixup):
    super().__init__()
    self.model, self.start, self.smoothing, self.mixup = model, start, smoothing, mixup

  def forward(self, inputs, labels):
    """inputs: features or images [N, M, …] or [N, …]; labels: [N, M] or [N, 1]. -> loss of the labels, of the routers"""
    found, auxiliary = self.model.represented(inputs, self.start)
    labels = labels.expand(found.shape[:2])
    if not self.mixup:
      return self.of(self.model.head(found), labels).mean(), auxiliary
    rank, world = self.model.share
    weights = torch.distributions.Beta(self.mixup, self.mixup).sample((world * len(found), 1))[rank::world].to(found)
    partner = len(found) // 2
    mixed = self.model.head(torch.lerp(found.roll(partner, 0), found, weights.unsqueeze(-1)))
    losses = torch.lerp(self.of(mixed, labels.roll(partner, 0)), self.of(mixed, labels), weights)
    return losses.mean(), auxiliary

  def of(self, logits, labels):
    """The losses [N, M] of logits [N, M, C]."""
    return F.cross_entropy(
      logits.flatten(0, 1), labels.flatten(), label_smoothing=self.smoothing, reduction="none").view(labels.shape)


class AdamW:
  """AdamW with the recipe's rates; `rate(share)` scales them all."""

  def __init__(self, model, recipe):
    groups = []
    for name, value in model.parameter.items():
      if value.requires_grad:
        kind = "head_" if name.startswith("head/") else "router_" if "/Router/" in name else ""
        decay = recipe["weight_decay"] if name.endswith("kernel") else 0.0
        groups.append({"params": [value], "weight_decay": decay, "full": recipe[f"{kind}learning_rate"], "lr": 0.0})
    self.adam = torch.optim.AdamW(groups, betas=tuple(recipe["betas"]))
    self.zero_grad, self.step = self.adam.zero_grad, self.adam.step

  def state_dict(self):
    return self.adam.state_dict()["state"]

  def load_state_dict(self, state):
    self.adam.load_state_dict({"state": state, "param_groups": self.adam.state_dict()["param_groups"]})

  def rate(self, share):
    for group in self.adam.param_groups:
      group["lr"] = share * group["full"]


def learning_rate_share(step, steps, warm_up):
  """Linear warm-up, then a cosine to zero: the share of the full learning rates, 0 to 1."""
  warm = max(1, round(steps * warm_up))
  if step < warm:
    return (step + 1) / warm
  return 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / max(1, steps - warm))))


def step_counts(pictures, recipe, rounds):
  """The steps of a training on so many pictures, and how many of them, the last ones, compute with rounded weights where it
  `rounds` any: of few steps a small share is none."""
  steps = recipe["epochs"] * (pictures // recipe["batch"])
  return steps, round(steps * recipe["rounded_share"]) if rounds else 0


class Training:
  """One training. `inputs(places, numbers)` gives what the loss takes of views, [N, M, …] for places [N, M].

  A step is a function of the seed, its number and the weights, so that a state that was kept goes on as if nothing had
  been. In a group every process takes its share of each batch. The last steps, a share `rounded_share` of the recipe, compute
  with the kernels `rounded` as 4 bits round them; their levels are chosen anew after as many steps as an epoch has."""

  def __init__(self, model, optimizer, start, inputs, labels, views, recipe, seed, state_path, group, key, rounded=()):
    self.model, self.optimizer, self.inputs, self.labels = model, optimizer, inputs, labels
    self.views, self.recipe, self.seed, self.state_path, self.group, self.key = views, recipe, seed, state_path, group, key
    self.loss = Loss(model, start, recipe["label_smoothing"], recipe["mixup"])
    self.batch = recipe["batch"]
    self.steps_per_epoch = len(labels) // self.batch
    if self.batch % group.world:
      raise Fault("torchrun", f"a batch of {self.batch} cannot be divided among {group.world} processes")
    self.rounded = rounded
    self.steps, rounded_steps = step_counts(len(labels), recipe, rounded)
    self.first_rounded = self.steps - rounded_steps
    self.step, self.history = 0, []
    model.share = (group.rank, group.world)
    if group.world > 1:
      self.loss = nn.parallel.DistributedDataParallel(self.loss, find_unused_parameters=True)
    self.trained = [value for value in model.parameter.values() if value.requires_grad]
    if state_path.exists():
      self.resume()

  def resume(self):
    try:
      tensors, rest = state.load(self.state_path)
    except ValueError as error:
      raise Fault(self.state_path, error)
    if rest["key"] != self.key:
      return
    self.model.load_state_dict(tensors["model"], strict=False)
    self.optimizer.load_state_dict(tensors["optimizer"])
    self.model.grids = {name: Grids(**tensors["grids"][name]) for name in tensors["grids"]}
    self.step, self.history = rest["step"], rest["history"]

  def save(self):
    if self.group.is_first:
      names = {name for name, value in self.model.named_parameters() if value.requires_grad}
      tensors = {
        "model": {name: value for name, value in self.model.state_dict().items() if name in names},
        "optimizer": self.optimizer.state_dict(),
        "grids": {name: vars(grids) for name, grids in self.model.grids.items()},
      }
      state.save(self.state_path, tensors, {"key": self.key, "step": self.step, "history": self.history})
    self.group.wait()

  def chosen(self, step):
    """Places and view numbers of a step, [batch, M], or [batch, 1] where all members see the same."""
    epoch, position = divmod(step, self.steps_per_epoch)
    if getattr(self, "ordered", None) != epoch:
      generator = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
      count = self.model.members if self.recipe["own_pictures"] else 1
      self.orders = torch.stack([torch.randperm(len(self.labels), generator=generator) for _ in range(count)], 1)
      self.ordered = epoch
    places = self.orders[position * self.batch : (position + 1) * self.batch]
    generator = torch.Generator().manual_seed(self.seed * 1_000_000_007 + step)
    numbers = torch.randint(0, self.views or 1 << 40, places.shape, generator=generator)
    return places[self.group.rank :: self.group.world], numbers[self.group.rank :: self.group.world]

  def load(self, step):
    places, numbers = self.chosen(step)
    inputs = self.inputs(places.numpy(), numbers.numpy())
    return inputs if places.shape[1] > 1 else inputs.squeeze(1), self.labels[places]

  def train_step(self, inputs, labels):
    self.optimizer.rate(learning_rate_share(self.step, self.steps, self.recipe["warm_up"]))
    after = self.step - self.first_rounded
    if after >= 0 and after % self.steps_per_epoch == 0:
      self.model.fit_grids(self.rounded)
    torch.manual_seed(self.seed * 1_000_000_009 + self.step)  # the router noise
    loss, auxiliary = self.loss(inputs, labels)
    self.optimizer.zero_grad()
    (loss + auxiliary).backward()
    torch.nn.utils.clip_grad_norm_(self.trained, self.recipe["clip"])
    self.optimizer.step()
    self.step += 1
    return self.group.mean(loss.item())

  def run(self, progress):
    """Trains to the end; `progress(step, steps, loss)` says whether to go on. -> whether the end was reached"""
    self.model.train()
    saved = time.monotonic()
    with ThreadPoolExecutor(1) as pool:  # the next batch is made while this one is learnt
      waiting = pool.submit(self.load, self.step) if self.step < self.steps else None
      while self.step < self.steps:
        inputs, labels = waiting.result()
        waiting = pool.submit(self.load, self.step + 1) if self.step + 1 < self.steps else None
        loss = self.train_step(inputs, labels)
        if not math.isfinite(loss):
          raise Fault("fit", f"the loss is no number any more at step {self.step}: lower the learning rates of the recipe")
        self.history.append(round(loss, 6))
        goes_on = progress(self.step, self.steps, loss)
        if self.group.any(not goes_on):
          self.save()
          return False
        if self.group.first_says(time.monotonic() - saved > 60) and self.step < self.steps:
          self.save()
          saved = time.monotonic()
    self.save()
    self.model.eval()
    self.model.grids = {}  # the weights themselves are what is kept
    return True


@torch.no_grad()
def probe(model, representations, labels, weight_decay):
  """Starts the head as a logistic regression on representations [N, R]."""
  classes = model.config["num_classes"]
  kernel = torch.zeros(representations.shape[1], classes, requires_grad=True)
  bias = torch.zeros(classes, requires_grad=True)
  optimizer = torch.optim.LBFGS([kernel, bias], max_iter=200, line_search_fn="strong_wolfe")

  def closure():
    with torch.enable_grad():
      optimizer.zero_grad()
      loss = F.cross_entropy(representations @ kernel + bias, labels) + weight_decay * kernel.square().sum()
      loss.backward()
    return loss

  optimizer.step(closure)
  model.parameter["head/kernel"].data, model.parameter["head/bias"].data = kernel.detach(), bias.detach()
