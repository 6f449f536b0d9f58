"""Muon for the matrices inside the blocks, AdamW for everything else."""

import torch

# Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks": a quintic whose iteration drives
# singular values towards one.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalised(x, compute_dtype):
  """Matrices [B, m, n], each replaced by a nearly orthogonal one with the same singular vectors."""
  a, b, c = QUINTIC
  tall = x.shape[1] > x.shape[2]
  x = (x.mT if tall else x).to(compute_dtype)
  x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
  for _ in range(ITERATIONS):
    square = torch.bmm(x, x.mT)
    x = a * x + torch.bmm(torch.baddbmm(square, square, square, beta=b, alpha=c), x)
  return (x.mT if tall else x).float()


def matrices(name, value):
  """A kernel as matrices [B, in, out]: one per expert; a projection to or from heads is one matrix."""
  if "/SelfAttention/out/" in name:
    return value.reshape(1, -1, value.shape[-1])
  if "/SelfAttention/" in name:
    return value.reshape(1, value.shape[0], -1)
  return value.reshape(-1, *value.shape[-2:])


class Optimizer:
  """One step of both. `rate(share)` scales the two learning rates of the recipe."""

  def __init__(self, model, recipe):
    hidden, kernels, others = [], [], []
    for name, value in model.parameter.items():
      inside = name.startswith("Encoder/encoderblock") and name.endswith("kernel") and "/Router/" not in name
      (hidden.append((name, value)) if inside else (kernels if name.endswith("kernel") else others).append(value))
    groups = [{"params": kernels, "weight_decay": recipe["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    # Fused on processors since PyTorch 2.4.
    fused = {"fused": True} if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4) else {}
    self.adam = torch.optim.AdamW(groups, lr=0.0, betas=tuple(recipe["betas"]), **fused)
    self.hidden, self.recipe, self.model = hidden, recipe, model
    self.momentum = {name: torch.zeros_like(value) for name, value in hidden}
    self.share = 0.0

  def rate(self, share):
    self.share = share
    for group in self.adam.param_groups:
      group["lr"] = share * self.recipe["learning_rate"]

  @torch.no_grad()
  def step(self):
    self.adam.step()
    rate, keep = self.share * self.recipe["muon_learning_rate"], self.recipe["muon_momentum"]
    by_shape = {}
    for name, value in self.hidden:
      momentum = self.momentum[name].lerp_(value.grad, 1 - keep)
      update = matrices(name, value.grad.lerp(momentum, keep))
      by_shape.setdefault(update.shape[1:], []).append((value, update))
    for (rows, columns), entries in by_shape.items():
      found = orthogonalised(torch.cat([update for _, update in entries]), self.model.compute_dtype)
      step = -rate * max(1, columns / rows) ** 0.5
      for (value, update), direction in zip(entries, found.split([len(update) for _, update in entries])):
        value.mul_(1 - rate * self.recipe["weight_decay"]).add_(direction.reshape(value.shape), alpha=step)

  def zero_grad(self):
    self.model.zero_grad()

  def state_dict(self):
    return {"adam": self.adam.state_dict()["state"], "momentum": self.momentum}

  def load_state_dict(self, state):
    self.adam.load_state_dict({"state": state["adam"], "param_groups": self.adam.state_dict()["param_groups"]})
    self.momentum = state["momentum"]
