"""ViT, V-MoE and E3 as google-research/vmoe defines them, with its parameter names and shapes.

Shapes: N images, M members, T tokens, H hidden, A heads, D = H/A, E experts in all, Em = E/M per member, K selected,
F MLP, C classes.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.nn import functional as dist_functions

from . import operations
from .int4 import Grids, Rounded

# What a configuration may name as classifier; `fused` serves those that read every token alike.
CLASSIFIERS = ("token", "0", "gap", "map", "patch_mean", "token_and_patch_mean", "token_pair")


class VisionTransformer(nn.Module):
  """A vision transformer described by a `config.json` with V-MoE field names, and those that `e3-convert export` writes.

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
    self.classifier = config["classifier"]
    if self.classifier not in CLASSIFIERS:
      raise ValueError(f"classifier {self.classifier!r}: expected one of {', '.join(CLASSIFIERS)}")
    self.class_token = config.get("class_token", self.classifier in ("token", "token_and_patch_mean", "token_pair"))
    self.registers = config.get("register_tokens", 0)
    self.norm_after_pooling = config.get("final_norm") == "after_pooling"
    self.epsilon = config.get("layer_norm_epsilon", 1e-6)
    self.exact_gelu = config.get("activation") == "gelu"
    self.query_key_norm = encoder.get("attention_qk_norm", False)
    if (encoder.get("position_emb") or {}).get("name", "learned") != "learned":
      raise ValueError("position embeddings that are not learned: e3-convert export makes them so")
    # Of the last block only these tokens are read; attention still reads all of them.
    self.reads_first = self.classifier in ("token", "0")
    if self.experts % self.members or self.selected > self.experts // self.members:
      raise ValueError(f"{self.experts} experts do not serve {self.members} members with {self.selected} selected each")
    self.parameter = nn.ParameterDict(initial_parameters(self, channels))
    self.tokens = self.parameter["Encoder/posembed_input/pos_embedding"].shape[1]
    self.compute_dtype = torch.float32
    self.share = (0, 1)  # which share of a batch this process computes, of how many
    self.fused = None  # the module `fused`, to compute with it while the type is bfloat16
    self.grids = {}  # {name: Grids} of the weights that are computed with as 4 bits round them

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
    """A parameter in the type that matrix products compute in, rounded where it has grids."""
    value, grids = self.parameter[name], self.grids.get(name)
    return (Rounded.apply(value, grids) if grids else value).to(self.compute_dtype)

  def fit_grids(self, names):
    """Rounds the kernels `names` from here on, to levels that fit them as they are."""
    self.grids = {name: Grids.fitting(self.parameter[name]) for name in names}

  def linear(self, x, name):
    """x [..., in] through the kernel `name` [in..., out...], its trailing axes taken as one."""
    bias = self.weight(f"{name}/bias").reshape(-1)
    kernel = self.weight(f"{name}/kernel").reshape(x.shape[-1], bias.numel())
    return torch.addmm(bias, x.reshape(-1, x.shape[-1]).to(self.compute_dtype), kernel).view(*x.shape[:-1], -1)

  def add_norm(self, x, y, name):
    """x [R, H] plus y (or None), and the layer normalisation `name` of the sum."""
    return self.operations.add_norm(
      x, y, self.parameter[f"{name}/scale"], self.parameter[f"{name}/bias"], self.epsilon)

  def attention(self, x, name):
    """Self-attention of x [R, H] over the tokens of each sequence."""
    if self.query_key_norm:
      return self.attend(x, x, name)
    parts = [f"{name}/{part}" for part in ("query", "key", "value")]
    kernel = torch.cat([self.weight(f"{part}/kernel").reshape(self.hidden, self.hidden) for part in parts], 1)
    bias = torch.cat([self.weight(f"{part}/bias").reshape(-1) for part in parts])
    qkv = torch.addmm(bias, x.to(self.compute_dtype), kernel)
    return self.linear(self.operations.attention(qkv, self.tokens, self.heads), f"{name}/out")

  def attend(self, queries, x, name):
    """Attention of queries [S*Q, H] to the tokens of x [S*T, H], sequence by sequence: [S*Q, H]."""
    sequences = len(x) // self.tokens

    def heads(values, part):
      flat = self.linear(values, f"{name}/{part}").view(sequences, -1, self.heads, self.hidden // self.heads)
      if self.query_key_norm and f"{name}/{part}_ln/scale" in self.parameter:
        # Flax: no bias, and the mean is taken away.
        flat = F.layer_norm(flat.float(), flat.shape[-1:], self.parameter[f"{name}/{part}_ln/scale"], eps=self.epsilon)
      return flat.transpose(1, 2).to(self.compute_dtype)

    # Flash attention is for long sequences on GPUs; these products serve every version of PyTorch.
    q, k, v = heads(queries, "query"), heads(x, "key"), heads(x, "value")
    mixed = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1) @ v
    return self.linear(mixed.transpose(1, 2).reshape(len(queries), -1), f"{name}/out")

  def gelu(self, x):
    return F.gelu(x) if self.exact_gelu else self.operations.gelu(x)

  def mlp(self, x, name):
    return self.linear(self.gelu(self.linear(x, f"{name}/Dense_0")), f"{name}/Dense_1")

  def forward(self, images):
    """Images in the model's value range -> logits [N, M, C] and the weighted auxiliary loss of the routers.

    images: [N, h, w, channels], which all members answer, or [N, M, h, w, channels], one for each member.
    """
    found, auxiliary = self.represented(images)
    return self.head(found), auxiliary

  def represented(self, inputs, start=None):
    """What the head reads, [N, M, R], and the auxiliary loss, from images as `forward` takes them, or from the features
    [N, T, H], or [N, M, T, H] for members of their own, that `trunk` gives for block `start`."""
    if start is not None:
      return self.representation(inputs.float().reshape(-1, self.hidden), None, start, inputs.dim() == 4)
    own = inputs.dim() == 5
    return self.representation(*self.embedded(inputs.flatten(0, 1) if own else inputs), 0, own)

  def embedded(self, images):
    """The tokens of images [N, h, w, channels]: the residual stream, [N*T, H], and nothing to add to it yet."""
    count, height, width, channels = images.shape
    (ph, pw), hidden = self.patch, self.hidden
    gh, gw = height // ph, width // pw
    patches = images[:, : gh * ph, : gw * pw].reshape(count, gh, ph, gw, pw, channels).permute(0, 1, 3, 2, 4, 5)
    x = self.linear(patches.reshape(count, gh * gw, ph * pw * channels), "embedding").float()
    prefix = [name for name in ("cls", "registers") if name in self.parameter]
    x = torch.cat([*(self.parameter[name].expand(count, -1, hidden) for name in prefix), x], 1)
    return (x + self.parameter["Encoder/posembed_input/pos_embedding"]).view(-1, hidden), None

  def trunk(self, images, stop):
    """The residual stream where block `stop` takes it, [N, T, H]: what all members share."""
    x, y, _ = self.blocks_from(*self.embedded(images), 0, stop, False)
    return (x if y is None else x + y).view(len(images), self.tokens, self.hidden)

  def blocks_from(self, x, y, start, stop, own):
    """Blocks `start` up to `stop`; the residual stream is x + y."""
    auxiliary, tokens = x.new_zeros(()), self.tokens
    for block in range(start, stop):
      name = f"Encoder/encoderblock_{block}"
      x, normal = self.add_norm(x, y, f"{name}/LayerNorm_0")
      if block == self.blocks - 1 and self.reads_first:
        # From here on each sequence is one row.
        first = normal.view(-1, tokens, self.hidden)[:, 0]
        y = self.attend(first, normal, f"{name}/SelfAttention")
        x, tokens = x.view(-1, tokens, self.hidden)[:, 0], 1
      else:
        y = self.attention(normal, f"{name}/SelfAttention")
      if block in self.moe_blocks:
        # Sequence n*M + m is member m of image n. Until here the copies are the same.
        if block == self.moe_blocks[0] and not own:
          x, y = self.repeated(x, tokens), self.repeated(y, tokens)
        x, normal = self.add_norm(x, y, f"{name}/LayerNorm_1")
        y, loss = self.mixture(normal, f"{name}/Moe", tokens)
        auxiliary = auxiliary + loss
      else:
        x, normal = self.add_norm(x, y, f"{name}/LayerNorm_1")
        y = self.mlp(normal, f"{name}/Mlp")
    return x, y, auxiliary

  def representation(self, x, y, start, own):
    """What the head reads, [N, M, R], and the auxiliary loss, from the residual stream before block `start`."""
    x, y, auxiliary = self.blocks_from(x, y, start, self.blocks, own)
    if self.norm_after_pooling:
      x = x if y is None else x + y
      _, x = self.add_norm(self.pooled(x), None, "Encoder/encoder_norm")
    else:
      x = self.pooled(self.add_norm(x, y, "Encoder/encoder_norm")[1])
    if self.config.get("representation_size"):
      x = torch.tanh(self.linear(x, "pre_logits"))
    return x.view(-1, self.members, x.shape[-1]), auxiliary

  def head(self, x):
    """Logits [N, M, C] of what the head reads, [N, M, R]."""
    return self.linear(x.flatten(0, 1), "head").float().view(-1, self.members, self.config["num_classes"])

  def pooled(self, x):
    """Rows [S*T, H], or [S, H] where only the first token is left, as what the head reads of each sequence."""
    if self.reads_first:
      return x
    if self.classifier == "map":
      name = "MapHead/MultiHeadDotProductAttention"
      probe = self.parameter["MapHead/probe"].view(1, -1).expand(len(x) // self.tokens, -1)
      y = self.attend(probe, x, name).float()
      _, normal = self.add_norm(y, None, "MapHead/LayerNorm")
      return y + self.mlp(normal, "MapHead/Mlp").float()
    x = x.view(-1, self.tokens, self.hidden)
    patches = slice(self.class_token + self.registers, None)
    if self.classifier == "gap":
      return x.mean(1)
    if self.classifier == "patch_mean":
      return x[:, patches].mean(1)
    return torch.cat([x[:, 0], x[:, 1] if self.classifier == "token_pair" else x[:, patches].mean(1)], 1)

  def repeated(self, x, tokens):
    """Each sequence of x [S*T, H] once per member, [S*M*T, H]."""
    x = x.view(-1, 1, tokens, self.hidden).expand(-1, self.members, -1, -1)
    return x.reshape(-1, self.hidden)

  def mixture(self, x, name, tokens):
    """The sparse mixture of experts on x [N*M*T, H], dropping nothing: the same shape, and the auxiliary loss."""
    per_member = self.experts // self.members
    kernel = self.parameter[f"{name}/Router/dense/kernel"].view(self.hidden, self.members, per_member)
    members = x.view(-1, self.members, tokens, self.hidden)
    logits = torch.einsum("nmth,hme->nmte", members.float(), kernel)
    noise_std = self.noise_std / per_member
    noisy = logits + noise_std * self.noise(logits) if self.training and noise_std > 0 else logits
    gates = noisy.softmax(-1)
    weight, choice = gates.topk(self.selected)
    expert = choice + per_member * torch.arange(self.members, device=x.device).view(1, -1, 1, 1)
    expert, weight = expert.view(-1, self.selected), weight.view(-1, self.selected)
    y = self.expert_mlps(x, expert, weight, f"{name}/Mlp")
    loss = logits.new_zeros(())
    if self.training:
      loss = self.importance_weight * importance_loss(logits, self.summed)
      if noise_std > 0 and per_member > 1:
        loss = loss + self.load_weight * load_loss(logits, noisy, choice[..., -1:], noise_std, self.summed)
    return y, loss

  def noise(self, logits):
    """Normal noise for logits [N, …]: this process's share of that for the whole batch."""
    rank, world = self.share
    if world == 1:
      return torch.randn_like(logits)
    # In the order of memory that the whole batch would have: numbers are drawn in that order.
    strides = [stride * world if stride > logits.stride(0) else stride for stride in logits.stride()]
    whole = torch.empty_strided((world * len(logits), *logits.shape[1:]), strides, device=logits.device)
    return torch.randn_like(whole)[rank::world]

  def summed(self, x):
    """The sum over all processes, through which gradients flow."""
    return dist_functions.all_reduce(x.contiguous()) if self.share[1] > 1 else x

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
    out = self.grouped(self.dropped(self.gelu(hidden)), f"{name}/Dense_1", sizes)
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


def importance_loss(logits, summed=lambda x: x):
  """V-MoE's importance loss of noiseless logits [N, M, T, Em], mean over members; the batch is one routing group, also
  where it is divided among processes, over which `summed` adds."""
  return squared_variation(summed(logits.softmax(-1).sum((0, 2)))).mean()


def load_loss(logits, noisy, last_choice, noise_std, summed=lambda x: x):
  """V-MoE's load loss: how evenly experts would be chosen if the noise were drawn again; mean over members."""
  threshold = noisy.gather(-1, last_choice)
  chosen = torch.special.ndtr((logits - threshold) / noise_std)
  return squared_variation(summed(chosen.mean((0, 2)))).mean()


def initial_parameters(model, channels):
  """Freshly drawn parameters, with the reference's initialisers."""
  config, hidden, heads = model.config, model.hidden, model.heads
  head_size, mlp, experts = hidden // heads, model.mlp_dim, model.experts
  gh, gw = (size // patch for size, patch in zip(config["image_size"], model.patch))
  tokens = gh * gw + model.class_token + model.registers
  parameters = {}

  def lecun(name, shape, inputs):
    # As flax: a normal truncated at two standard deviations, divided by the standard deviation that is left.
    normal = nn.init.trunc_normal_(torch.empty(shape), std=1.0, a=-2, b=2)
    parameters[name] = normal * (inputs**-0.5 / 0.87962566103423978)

  def xavier(name, shape, inputs, outputs):
    bound = math.sqrt(6 / (inputs + outputs))
    parameters[name] = torch.empty(shape).uniform_(-bound, bound)

  def norm(name, width=hidden):
    parameters[f"{name}/scale"], parameters[f"{name}/bias"] = torch.ones(width), torch.zeros(width)

  def attention(name):
    for part in ("query", "key", "value"):
      xavier(f"{name}/{part}/kernel", (hidden, heads, head_size), hidden, hidden)
      parameters[f"{name}/{part}/bias"] = torch.zeros(heads, head_size)
      if model.query_key_norm and part != "value":
        parameters[f"{name}/{part}_ln/scale"] = torch.ones(head_size)
    xavier(f"{name}/out/kernel", (heads, head_size, hidden), hidden, hidden)
    parameters[f"{name}/out/bias"] = torch.zeros(hidden)

  def mlp_pair(name, leading):
    xavier(f"{name}/Dense_0/kernel", (*leading, hidden, mlp), hidden, mlp)
    xavier(f"{name}/Dense_1/kernel", (*leading, mlp, hidden), mlp, hidden)
    parameters[f"{name}/Dense_0/bias"] = 1e-6 * torch.randn(*leading, mlp)
    parameters[f"{name}/Dense_1/bias"] = 1e-6 * torch.randn(*leading, hidden)

  lecun("embedding/kernel", (*model.patch, channels, hidden), model.patch[0] * model.patch[1] * channels)
  parameters["embedding/bias"] = torch.zeros(hidden)
  if model.class_token:
    parameters["cls"] = torch.zeros(1, 1, hidden)
  if model.registers:
    parameters["registers"] = 0.02 * torch.randn(1, model.registers, hidden)
  parameters["Encoder/posembed_input/pos_embedding"] = 0.02 * torch.randn(1, tokens, hidden)
  for block in range(model.blocks):
    name = f"Encoder/encoderblock_{block}"
    norm(f"{name}/LayerNorm_0")
    norm(f"{name}/LayerNorm_1")
    attention(f"{name}/SelfAttention")
    if block in model.moe_blocks:
      mlp_pair(f"{name}/Moe/Mlp", (experts,))
      shape = (hidden, experts) if model.members == 1 else (hidden, model.members, experts // model.members)
      lecun(f"{name}/Moe/Router/dense/kernel", shape, hidden)
    else:
      mlp_pair(f"{name}/Mlp", ())
  pooled = hidden * (2 if model.classifier in ("token_and_patch_mean", "token_pair") else 1)
  norm("Encoder/encoder_norm", pooled if model.norm_after_pooling else hidden)
  if model.classifier == "map":
    parameters["MapHead/probe"] = nn.init.xavier_uniform_(torch.empty(1, 1, hidden))
    attention("MapHead/MultiHeadDotProductAttention")
    norm("MapHead/LayerNorm")
    mlp_pair("MapHead/Mlp", ())
  representation = config.get("representation_size")
  if representation:
    lecun("pre_logits/kernel", (pooled, representation), pooled)
    parameters["pre_logits/bias"] = torch.zeros(representation)
  parameters["head/kernel"] = torch.zeros(representation or pooled, config["num_classes"])
  parameters["head/bias"] = torch.full((config["num_classes"],), float(config.get("head_bias_init", 0.0)))
  return parameters
