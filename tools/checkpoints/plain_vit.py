"""The forward pass of a plain vision transformer in NumPy, of tensors under the names of timm, Hugging Face or torchvision.

It shares nothing with the Swift programs: `onnx_to_safetensors` compares a graph with it. Letters: N images, L patches, T tokens,
H hidden size, A heads, C classes.
"""
import re

import numpy as np

# What the libraries call the patch embedding, and what stands before the number of a block.
PATCHES = {"timm": "patch_embed.proj", "Hugging Face": "embeddings.patch_embeddings.projection", "torchvision": "conv_proj"}
BLOCK = re.compile(r"((?:blocks\.|encoder\.layer\.|layers\.|encoder\.layers\.encoder_layer_)(\d+))\.")
PARTS = {
    "norm1": ("norm1", "layernorm_before", "ln_1"), "norm2": ("norm2", "layernorm_after", "ln_2"),
    "query": ("attention.attention.query", "attention.q_proj"), "key": ("attention.attention.key", "attention.k_proj"),
    "value": ("attention.attention.value", "attention.v_proj"), "qkv": ("attn.qkv", "self_attention.in_proj"),
    "out": ("attn.proj", "attention.output.dense", "attention.o_proj", "self_attention.out_proj"),
    "fc1": ("mlp.fc1", "intermediate.dense", "mlp.0", "mlp.linear_1"),
    "fc2": ("mlp.fc2", "output.dense", "mlp.3", "mlp.linear_2"),
    "scale1": ("ls1.gamma", "gamma_1", "layer_scale1.lambda1"), "scale2": ("ls2.gamma", "gamma_2", "layer_scale2.lambda1"),
}
CLASS_TOKENS = ("cls_token", "embeddings.cls_token", "class_token")
REGISTERS = ("reg_token", "register_tokens", "dist_token", "embeddings.register_tokens", "embeddings.distillation_token")
POSITIONS = ("pos_embed", "embeddings.position_embeddings", "encoder.pos_embedding")
NORMS = ("norm", "fc_norm", "layernorm", "encoder.ln")


class Missing(Exception):
    """What a model lacks."""


def library(names):
    """The library of the tensors, and what stands before all names of its trunk; None where no patch embedding is there."""
    for name in names:
        for found, patches in PATCHES.items():
            if name == f"{patches}.weight" or name.endswith(f".{patches}.weight"):
                return found, name.removesuffix(f"{patches}.weight")
    return None


def head_names(found, prefix):
    """What the library calls a model's head, or its two heads where it has a token for distillation."""
    if found == "torchvision":
        return f"{prefix}heads.head", None, None
    if found == "timm":
        return f"{prefix}head", f"{prefix}head", f"{prefix}head_dist"
    # Hugging Face's stand beside the trunk, not in it.
    outer = re.sub(r"(^|\.)(vit|deit|dinov2|dinov2_with_registers)\.$", r"\1", prefix)
    return f"{outer}classifier", f"{outer}cls_classifier", f"{outer}distillation_classifier"


class Model:
    """The layers of a checkpoint in float32."""

    def __init__(self, tensors):
        self.tensors = tensors
        # Paths of the layers that were computed with.
        self.used = set()
        self.library, self.prefix = library(tensors)
        inner = [name[len(self.prefix):] for name in tensors if name.startswith(self.prefix)]
        blocks = {int(found[2]): found[1] for name in inner if (found := BLOCK.match(name))}
        self.blocks = [self.prefix + blocks[index] for index in sorted(blocks)]
        self.patches = self.prefix + PATCHES[self.library]
        self.class_token, self.registers, self.positions = (
            self.first(f"{self.prefix}{name}" for name in names) for names in (CLASS_TOKENS, REGISTERS, POSITIONS))
        self.width = tensors[f"{self.patches}.weight"].shape[0]
        self.prefix_tokens = sum(token.shape[-2] for token in (self.class_token, self.registers) if token is not None)

    def first(self, names):
        """The first of the tensors `names` that is there, or None."""
        return next((self.tensors[name].astype(np.float32, copy=False) for name in names if name in self.tensors), None)

    def pair(self, paths):
        """Weight and bias of the first of the layers `paths` that is there; without a bias it is 0."""
        paths = list(paths)
        for path in paths:
            for dot in (".", "_"):
                if (weight := self.first([f"{path}{dot}weight"])) is not None:
                    self.used.add(path)
                    return weight, self.first([f"{path}{dot}bias"]) if f"{path}{dot}bias" in self.tensors else np.float32(0)
        raise Missing(f"no weights of {paths[0]} in the graph")

    def part(self, block, name):
        return self.pair(f"{block}.{path}" for path in PARTS[name])

    def attention(self, block):
        """Weights and biases of queries, keys and values."""
        try:
            weight, bias = self.part(block, "qkv")
        except Missing:
            if self.library != "Hugging Face":
                raise
            return [self.part(block, name) for name in ("query", "key", "value")]
        return list(zip(np.split(weight, 3), np.split(np.broadcast_to(bias, weight.shape[:1]), 3)))

    def tokens(self, images, heads, activation, epsilon):
        """[N, T, H] behind the last block, before the last norm, of images [N, channels, rows, columns]."""
        weight, bias = self.pair([self.patches])
        rows, columns = weight.shape[2:]
        images = images[:, :, :images.shape[2] // rows * rows, :images.shape[3] // columns * columns]
        count, channels, height, width = images.shape
        cut = images.reshape(count, channels, height // rows, rows, width // columns, columns).transpose(0, 2, 4, 1, 3, 5)
        x = linear(cut.reshape(count, -1, channels * rows * columns), (weight.reshape(len(weight), -1), bias))
        before = [np.broadcast_to(t.reshape(1, -1, self.width), (count, t.shape[-2], self.width))
                  for t in (self.class_token, self.registers) if t is not None]
        places = np.zeros((1, 0, self.width), np.float32) if self.positions is None else self.positions
        # Positions are those of all tokens, of class token and patches, or of the patches alone.
        placed = places.shape[-2] - x.shape[1]
        if self.positions is not None and placed not in (0, 1, self.prefix_tokens):
            raise Missing(f"{places.shape[-2]} positions for {x.shape[1]} patches and {self.prefix_tokens} other tokens")
        x = np.concatenate([*before, x], 1)
        if self.positions is not None:
            x[:, self.prefix_tokens:] += places.reshape(1, -1, self.width)[:, placed:]
            x[:, :placed] += places.reshape(1, -1, self.width)[:, :placed]
        for block in self.blocks:
            row = norm(x, self.part(block, "norm1"), epsilon)
            q, k, v = (split(linear(row, layer), heads) for layer in self.attention(block))
            x = x + self.scaled(block, "scale1", linear(attend(q, k, v), self.part(block, "out")))
            row = norm(x, self.part(block, "norm2"), epsilon)
            row = linear(gelu(linear(row, self.part(block, "fc1")), activation), self.part(block, "fc2"))
            x = x + self.scaled(block, "scale2", row)
        return x

    def scaled(self, block, name, x):
        scale = self.first(f"{block}.{path}" for path in PARTS[name])
        return x if scale is None else x * scale

    def last_norm(self, x, epsilon):
        return norm(x, self.pair(f"{self.prefix}{name}" for name in NORMS), epsilon)

    def answers(self, x, heads, activation, epsilon):
        """(configuration, logits [N, C], the deviation [C] that such logits have, what rounding does to them [C]) for all that a head
        may read of the tokens `x` [N, T, H], the library's default first."""
        single, first, second = head_names(self.library, self.prefix)
        normed, places = self.last_norm(x, epsilon), self.prefix_tokens
        if f"{second}.weight" in self.tensors:
            pair = [logits(normed[:, index], self.pair([name])) for index, name in enumerate((first, second))]
            yield {"classifier": "token_pair"}, *(sum(parts) / 2 for parts in zip(*pair))
            return
        layer = self.pair([single])
        before = self.first(f"{self.prefix}{name}.weight" for name in ("heads.pre_logits", "pre_logits.fc"))
        if before is not None:
            before = self.pair(f"{self.prefix}{name}" for name in ("heads.pre_logits", "pre_logits.fc"))
        pools = {}
        if f"{self.prefix}attn_pool.q.weight" in self.tensors:
            pools["map", "before_pooling"] = self.pooled_by_attention(normed, heads, activation, epsilon)
        if self.class_token is not None:
            pools["token", "before_pooling"] = normed[:, 0]
            pools["token_and_patch_mean", "before_pooling"] = np.concatenate([normed[:, 0], normed[:, places:].mean(1)], -1)
        for classifier, start in (("patch_mean", places), ("gap", 0)):
            pools[classifier, "after_pooling"] = self.last_norm(x[:, start:].mean(1), epsilon)
            pools[classifier, "before_pooling"] = normed[:, start:].mean(1)
        if f"{self.prefix}fc_norm.weight" in self.tensors:
            pools = dict(sorted(pools.items(), key=lambda item: item[0] != ("patch_mean", "after_pooling")))
        for (classifier, place), pooled in pools.items():
            if pooled.shape[-1] == (layer if before is None else before)[0].shape[-1]:
                pooled = pooled if before is None else np.tanh(linear(pooled, before))
                own = {"classifier": classifier} if classifier == "token" else {"classifier": classifier, "final_norm": place}
                yield own, *logits(pooled, layer)

    def pooled_by_attention(self, x, heads, activation, epsilon):
        """timm's `AttentionPoolLatent` with one probe."""
        path = f"{self.prefix}attn_pool."
        probe = self.first([f"{path}latent"])
        if probe is None:
            raise Missing(f"no {path}latent in the graph, as of an export for one image: export for any number (dynamic_shapes)")
        q = split(np.repeat(linear(probe.reshape(1, 1, -1), self.pair([f"{path}q"])), len(x), 0), heads)
        k, v = (split(half, heads) for half in np.split(linear(x, self.pair([f"{path}kv"])), 2, -1))
        pooled = linear(attend(q, k, v), self.pair([f"{path}proj"]))
        row = linear(norm(pooled, self.pair([f"{path}norm"]), epsilon), self.pair([f"{path}mlp.fc1"]))
        return (pooled + linear(gelu(row, activation), self.pair([f"{path}mlp.fc2"])))[:, 0]


def linear(x, layer):
    weight, bias = layer
    return x @ weight.T + bias


def logits(pooled, layer):
    """The logits of a head, with the deviation and the rounding of each."""
    weight, bias = layer
    deviation = np.linalg.norm(weight.astype(np.float64), axis=-1) * np.sqrt(np.square(pooled, dtype=np.float64).mean())
    return linear(pooled, layer), deviation, 1e-6 * (deviation + np.abs(np.broadcast_to(bias, deviation.shape)))


def norm(x, layer, epsilon):
    weight, bias = layer
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + np.float32(epsilon)) * weight + bias


def split(x, heads):
    """[N, A, T, H / A] of [N, T, H]."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def attend(q, k, v):
    """[N, T, H] of queries, keys and values [N, A, T, H / A]."""
    scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(q.shape[-1]))
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = (scores / scores.sum(-1, keepdims=True)) @ v
    return mixed.transpose(0, 2, 1, 3).reshape(len(mixed), mixed.shape[2], -1)


def gelu(x, activation):
    if activation == "gelu_tanh":
        return x / 2 * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)))
    return x / 2 * (1 + erf(x * np.float32(np.sqrt(0.5))))


def erf(x):
    """The error function, to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    series = np.zeros_like(x)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * t
    return np.sign(x) * (1 - series * np.exp(-x * x))
