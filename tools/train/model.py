"""ViT, V-MoE and E3 as google-research/vmoe defines them, with its parameter names and shapes.

Shapes: N images, M members, T tokens, H hidden, A heads, D = H/A, E experts in all, Em = E/M per member, K selected,
F MLP, C classes.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import operations


class VisionTransformer(nn.Module):
  """A vision transformer described by a `config.json` with V-MoE field names (classifier `token` or `gap`).

  Without `encoder.moe` it is the dense ViT; with it and `ensemble_size` 1, V-MoE; otherwise E3. Parameters keep their
  checkpoint names ("Encoder/encoderblock_0/..."), so saving is writing them out.
  """

  def __init__(self, config, channels=1):
    super().__init__()
    encoder = config["encoder"]
    moe = encoder.get("moe") or {}
    self.config = config
    self.patch, self.hidden = config["patch_size"], config["hidden_size"]
    self.heads, self.mlp_dim = encoder["num_heads"], encoder["mlp_dim"]
    self.blocks = encoder["num_layers"]
    self.moe_blocks = sorted(moe.get("layers", ()))
    self.experts, self.members = moe.get("num_experts", 1), moe.get("ensemble_size", 1)
    router = moe.get("router", {})
    self.selected = router.get("num_selected_experts", 1)
    self.noise_std = router.get("noise_std", 1.0)
    self.expert_dropout = moe.get("dropout_rate", 0.0)
    self.importance_weight = router.get("importance_loss_weight", 0.0)
    self.load_weight = router.get("load_loss_weight", 0.0)
    if config["classifier"] not in ("token", "gap"):
      raise ValueError(f"classifier {config['classifier']!r}: expected token or gap")
    if self.experts % self.members or self.selected > self.experts // self.members:
      raise ValueError(f"{self.experts} experts do not serve {self.members} members with {self.selected} selected each")
    self.parameter = nn.ParameterDict(initial_parameters(self, channels))
    self.tokens = self.parameter["Encoder/posembed_input/pos_embedding"].shape[1]
    self.compute_dtype = torch.float32
    self.fused = None  # the module `fused`, to compute with it while the type is bfloat16

  @property
  def operations(self):
    return self.fused if self.fused and self.compute_dtype == torch.bfloat16 else operations

  def load_parameters(self, tensors):
    """Takes {name: array}, which must be exactly this model's names and shapes."""
    if unmatched := set(tensors) ^ set(self.parameter.keys()):
      raise ValueError(f"{min(unmatched)}: is in only one of checkpoint and configuration")
    for name, value in tensors.items():
      if value.shape != self.parameter[name].shape:
        raise ValueError(f"{name}: shape {value.shape}, expected {tuple(self.parameter[name].shape)}")
      self.parameter[name].data = torch.from_numpy(value.copy())

  def upcycle(self, tensors):
    """Starts from a dense model of the same size, {name: array}: every expert is a copy of its block's MLP (Komatsuzaki
    et al. 2023, "Sparse Upcycling"); routers keep their own start."""
    for name, value in self.parameter.items():
      if "/Moe/Router/" in name:
        continue
      source = name.replace("/Moe/Mlp/", "/Mlp/")
      shape = value.shape if source == name else value.shape[1:]
      if source not in tensors or tensors[source].shape != shape:
        raise ValueError(f"{source}: the dense model has no such tensor of shape {tuple(shape)}")
      value.data = torch.from_numpy(tensors[source]).expand_as(value).to(value.device).clone()

  def weight(self, name):
    """A parameter in the type that matrix products compute in."""
    return self.parameter[name].to(self.compute_dtype)

  def linear(self, x, name):
    """x [..., in] through the kernel `name` [in..., out...], its trailing axes taken as one."""
    bias = self.weight(f"{name}/bias").reshape(-1)
    kernel = self.weight(f"{name}/kernel").reshape(x.shape[-1], bias.numel())
    return torch.addmm(bias, x.reshape(-1, x.shape[-1]).to(self.compute_dtype), kernel).view(*x.shape[:-1], -1)

  def add_norm(self, x, y, name):
    """x [R, H] plus y (or None), and the layer normalisation `name` of the sum."""
    return self.operations.add_norm(x, y, self.parameter[f"{name}/scale"], self.parameter[f"{name}/bias"])

  def attention(self, x, name):
    """Self-attention of x [R, H] over the tokens of each sequence."""
    parts = [f"{name}/{part}" for part in ("query", "key", "value")]
    kernel = torch.cat([self.weight(f"{part}/kernel").reshape(self.hidden, self.hidden) for part in parts], 1)
    bias = torch.cat([self.weight(f"{part}/bias").reshape(-1) for part in parts])
    qkv = torch.addmm(bias, x.to(self.compute_dtype), kernel)
    return self.linear(self.operations.attention(qkv, self.tokens, self.heads), f"{name}/out")

  def mlp(self, x, name):
    return self.linear(self.operations.gelu(self.linear(x, f"{name}/Dense_0")), f"{name}/Dense_1")

  def forward(self, images):
    """Images in [-1, 1] -> logits [N, M, C] and the weighted auxiliary loss of the routers.

    images: [N, h, w, channels], which all members answer, or [N, M, h, w, channels], one for each member.
    """
    own = images.dim() == 5
    images = images.flatten(0, 1) if own else images
    count, height, width, channels = images.shape
    (ph, pw), hidden = self.patch, self.hidden
    gh, gw = height // ph, width // pw
    patches = images[:, : gh * ph, : gw * pw].reshape(count, gh, ph, gw, pw, channels).permute(0, 1, 3, 2, 4, 5)
    x = self.linear(patches.reshape(count, gh * gw, ph * pw * channels), "embedding").float()
    if self.config["classifier"] == "token":
      x = torch.cat([self.parameter["cls"].expand(count, 1, hidden), x], 1)
    x = (x + self.parameter["Encoder/posembed_input/pos_embedding"]).view(-1, hidden)
    y, auxiliary = None, x.new_zeros(())  # The residual stream is x + y.
    for block in range(self.blocks):
      name = f"Encoder/encoderblock_{block}"
      x, normal = self.add_norm(x, y, f"{name}/LayerNorm_0")
      y = self.attention(normal, f"{name}/SelfAttention")
      if block in self.moe_blocks:
        if block == self.moe_blocks[0] and not own:  # Sequence n*M + m is member m of image n. Until here the copies are the same.
          x, y = self.repeated(x), self.repeated(y)
        x, normal = self.add_norm(x, y, f"{name}/LayerNorm_1")
        y, loss = self.mixture(normal, f"{name}/Moe")
        auxiliary = auxiliary + loss
      else:
        x, normal = self.add_norm(x, y, f"{name}/LayerNorm_1")
        y = self.mlp(normal, f"{name}/Mlp")
    _, x = self.add_norm(x, y, "Encoder/encoder_norm")
    x = x.view(-1, self.tokens, hidden)
    x = x[:, 0] if self.config["classifier"] == "token" else x.mean(1)
    if self.config.get("representation_size"):
      x = torch.tanh(self.linear(x, "pre_logits"))
    return self.linear(x, "head").float().view(-1, self.members, self.config["num_classes"]), auxiliary

  def repeated(self, x):
    """Each sequence of x [S*T, H] once per member, [S*M*T, H]."""
    x = x.view(-1, 1, self.tokens, self.hidden).expand(-1, self.members, -1, -1)
    return x.reshape(-1, self.hidden)

  def mixture(self, x, name):
    """The sparse mixture of experts on x [N*M*T, H], dropping nothing: the same shape, and the auxiliary loss."""
    per_member = self.experts // self.members
    kernel = self.parameter[f"{name}/Router/dense/kernel"].view(self.hidden, self.members, per_member)
    members = x.view(-1, self.members, self.tokens, self.hidden)
    logits = torch.einsum("nmth,hme->nmte", members.float(), kernel)
    noise_std = self.noise_std / per_member
    noisy = logits + noise_std * torch.randn_like(logits) if self.training and noise_std > 0 else logits
    gates = noisy.softmax(-1)
    weight, choice = gates.topk(self.selected)
    expert = choice + per_member * torch.arange(self.members, device=x.device).view(1, -1, 1, 1)
    expert, weight = expert.view(-1, self.selected), weight.view(-1, self.selected)
    y = self.expert_mlps(x, expert, weight, f"{name}/Mlp")
    loss = logits.new_zeros(())
    if self.training:
      loss = self.importance_weight * importance_loss(logits)
      if noise_std > 0 and per_member > 1:
        loss = loss + self.load_weight * load_loss(logits, noisy, choice[..., -1:], noise_std)
    return y, loss

  def expert_mlps(self, x, expert, weight, name):
    """Rows x [R, H] through their experts [R, K], summed with weights; one product per expert over its rows."""
    flat = expert.reshape(-1)
    counts = torch.bincount(flat, minlength=self.experts)
    # Runs are padded to whole multiples: the matrix library prepares code per shape, and that costs more than rows.
    padded = (counts + RUN - 1) // RUN * RUN
    order = flat.argsort(stable=True)
    gap = (padded.cumsum(0) - padded) - (counts.cumsum(0) - counts)
    place = torch.empty_like(flat)
    place[order] = torch.arange(flat.numel(), device=x.device) + gap[flat[order]]
    sizes = padded.tolist()
    repeated = x.to(self.compute_dtype).unsqueeze(1).expand(-1, self.selected, -1).reshape(flat.numel(), -1)
    hidden = self.grouped(Scatter.apply(repeated, place, sum(sizes)), f"{name}/Dense_0", sizes)
    out = self.grouped(self.dropped(self.operations.gelu(hidden)), f"{name}/Dense_1", sizes)
    out = self.dropped(Gather.apply(out, place)).view(*expert.shape, -1)
    return (out.float() * weight.unsqueeze(-1)).sum(1)

  def dropped(self, x):
    """Expert dropout, in training: after the GELU and after the second layer, as in the reference's MlpBlock."""
    return F.dropout(x, self.expert_dropout, self.training) if self.expert_dropout else x

  def grouped(self, x, name, sizes):
    """Consecutive runs of rows, one per expert, each through its own linear layer."""
    kernels, biases = self.weight(f"{name}/kernel"), self.weight(f"{name}/bias")
    runs = zip(x.split(sizes), kernels.unbind(), biases.unbind())
    return torch.cat([torch.addmm(bias, run, kernel) for run, kernel, bias in runs])


# Rows of one expert are padded to a multiple of this many.
RUN = 64


def scattered(x, place, rows):
  return x.new_zeros(rows, x.shape[1]).index_copy_(0, place, x)


class Scatter(torch.autograd.Function):
  """Row r of x goes to row place[r] (all different) of `rows` rows; the others are zero."""

  @staticmethod
  def forward(context, x, place, rows):
    context.place = place
    return scattered(x, place, rows)

  @staticmethod
  def backward(context, gradient):
    return gradient.index_select(0, context.place), None, None


class Gather(torch.autograd.Function):
  """x[place] for different places: its gradient is copied back, not accumulated."""

  @staticmethod
  def forward(context, x, place):
    context.place, context.rows = place, len(x)
    return x.index_select(0, place)

  @staticmethod
  def backward(context, gradient):
    return scattered(gradient, context.place, context.rows), None


def squared_variation(x):
  """The squared coefficient of variation over the last axis (biased variance)."""
  return x.var(-1, unbiased=False) / x.mean(-1) ** 2


def importance_loss(logits):
  """V-MoE's importance loss of noiseless logits [N, M, T, Em], mean over members; the batch is one routing group."""
  return squared_variation(logits.softmax(-1).sum((0, 2))).mean()


def load_loss(logits, noisy, last_choice, noise_std):
  """V-MoE's load loss: how evenly experts would be chosen if the noise were drawn again; mean over members."""
  threshold = noisy.gather(-1, last_choice)
  chosen = torch.special.ndtr((logits - threshold) / noise_std)
  return squared_variation(chosen.mean((0, 2))).mean()


def initial_parameters(model, channels):
  """Freshly drawn parameters, with the reference's initialisers."""
  config, hidden, heads = model.config, model.hidden, model.heads
  head_size, mlp, experts = hidden // heads, model.mlp_dim, model.experts
  gh, gw = (size // patch for size, patch in zip(config["image_size"], model.patch))
  tokens = gh * gw + (config["classifier"] == "token")
  parameters = {}

  def lecun(name, shape, inputs):
    # As flax: a normal truncated at two standard deviations, divided by the standard deviation that is left.
    normal = nn.init.trunc_normal_(torch.empty(shape), std=1.0, a=-2, b=2)
    parameters[name] = normal * (inputs**-0.5 / 0.87962566103423978)

  def xavier(name, shape, inputs, outputs):
    bound = math.sqrt(6 / (inputs + outputs))
    parameters[name] = torch.empty(shape).uniform_(-bound, bound)

  def norm(name):
    parameters[f"{name}/scale"], parameters[f"{name}/bias"] = torch.ones(hidden), torch.zeros(hidden)

  def mlp_pair(name, leading):
    xavier(f"{name}/Dense_0/kernel", (*leading, hidden, mlp), hidden, mlp)
    xavier(f"{name}/Dense_1/kernel", (*leading, mlp, hidden), mlp, hidden)
    parameters[f"{name}/Dense_0/bias"] = 1e-6 * torch.randn(*leading, mlp)
    parameters[f"{name}/Dense_1/bias"] = 1e-6 * torch.randn(*leading, hidden)

  lecun("embedding/kernel", (*model.patch, channels, hidden), model.patch[0] * model.patch[1] * channels)
  parameters["embedding/bias"] = torch.zeros(hidden)
  if config["classifier"] == "token":
    parameters["cls"] = torch.zeros(1, 1, hidden)
  parameters["Encoder/posembed_input/pos_embedding"] = 0.02 * torch.randn(1, tokens, hidden)
  for block in range(model.blocks):
    name = f"Encoder/encoderblock_{block}"
    norm(f"{name}/LayerNorm_0")
    norm(f"{name}/LayerNorm_1")
    for part in ("query", "key", "value"):
      xavier(f"{name}/SelfAttention/{part}/kernel", (hidden, heads, head_size), hidden, hidden)
      parameters[f"{name}/SelfAttention/{part}/bias"] = torch.zeros(heads, head_size)
    xavier(f"{name}/SelfAttention/out/kernel", (heads, head_size, hidden), hidden, hidden)
    parameters[f"{name}/SelfAttention/out/bias"] = torch.zeros(hidden)
    if block in model.moe_blocks:
      mlp_pair(f"{name}/Moe/Mlp", (experts,))
      shape = (hidden, experts) if model.members == 1 else (hidden, model.members, experts // model.members)
      lecun(f"{name}/Moe/Router/dense/kernel", shape, hidden)
    else:
      mlp_pair(f"{name}/Mlp", ())
  norm("Encoder/encoder_norm")
  representation = config.get("representation_size")
  if representation:
    lecun("pre_logits/kernel", (hidden, representation), hidden)
    parameters["pre_logits/bias"] = torch.zeros(representation)
  parameters["head/kernel"] = torch.zeros(representation or hidden, config["num_classes"])
  parameters["head/bias"] = torch.full((config["num_classes"],), float(config.get("head_bias_init", 0.0)))
  return parameters
