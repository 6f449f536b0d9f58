"""Writes small models of timm, Hugging Face, torchvision and big_vision with random weights, and what the libraries
compute with them. Needs torch, torchvision, timm, transformers, safetensors and numpy; nothing is downloaded.

    python3 generate.py        writes the folders beside this file

Each folder holds a checkpoint, its configuration as the library writes it, and logits.npy for the images of inputs.npy
(inputs-grey.npy for models of one channel).
"""
import json
import os
import shutil
import warnings

import numpy as np
import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, PATCH, WIDTH, CLASSES = 16, 4, 16, 5


def folder(name):
    path = os.path.join(HERE, name)
    os.makedirs(path, exist_ok=True)
    return path


def randomise(model, seed):
    """Weights that keep activations of order one, with norms and biases that show when they are left out."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=random)
            if p.ndim == 1:
                is_factor = not name.endswith("bias") and any(part in name for part in ("norm", "ln", "gamma", "lambda"))
                p.copy_(0.3 * noise + (1 if is_factor else 0))
            elif "token" in name or "pos" in name or "latent" in name:
                p.copy_(0.5 * noise)
            else:
                p.copy_(noise * 1.2 / p[0].numel() ** 0.5)
    return model.eval()


def logits(model, images):
    with torch.no_grad():
        result = model(images)
    return result.logits if hasattr(result, "logits") else result


def finish(path, model, images, heads):
    """Scales the heads to logits of deviation 2.5 and stores what the model then says."""
    with torch.no_grad():
        factor = 2.5 / logits(model, images).std()
        for head in heads:
            head.weight.mul_(factor)
            head.bias.mul_(factor)
    np.save(os.path.join(path, "logits.npy"), logits(model, images).numpy())
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def write_timm(name, images, seed, **arguments):
    arguments = dict(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=2, num_heads=2, mlp_ratio=2, **arguments)
    model = randomise(timm.create_model(name, pretrained=False, num_classes=CLASSES, **arguments), seed)
    path = folder("timm_" + name)
    heads = [head for head in (model.head, getattr(model, "head_dist", None)) if head is not None]
    tensors = finish(path, model, images, heads)
    save_config_for_hf(model, os.path.join(path, "config.json"), model_args=arguments)
    return path, tensors


def write_huggingface(configuration, model_class, images, seed):
    sizes = dict(hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=SIZE, patch_size=PATCH)
    sizes |= dict(mlp_ratio=2) if "Dinov2" in model_class.__name__ else dict(intermediate_size=2 * WIDTH)
    names = {i: f"kind {i}" for i in range(CLASSES)}
    model = randomise(model_class(configuration(**sizes, id2label=names, label2id={v: k for k, v in names.items()})), seed)
    path = folder("hf_" + model_class.__name__)
    heads = [getattr(model, n) for n in ("classifier", "cls_classifier", "distillation_classifier") if hasattr(model, n)]
    finish(path, model, images, heads)
    # A small limit makes parts with an index of one of them.
    model.save_pretrained(path, max_shard_size="12kB" if model_class.__name__ == "ViTForImageClassification" else "5GB")
    processor = transformers.ViTImageProcessor(size=dict(height=SIZE, width=SIZE))
    if "Dinov2" in model_class.__name__:
        processor = transformers.BitImageProcessor(
            size=dict(shortest_edge=18), crop_size=dict(height=SIZE, width=SIZE), image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225])
    processor.save_pretrained(path)
    return path, model


def write_torchvision(images, seed):
    model = torchvision.models.vision_transformer.VisionTransformer(
        SIZE, PATCH, 2, 2, WIDTH, 2 * WIDTH, num_classes=CLASSES)
    path = folder("torchvision_vit")
    tensors = finish(path, randomise(model, seed), images, [model.heads.head])
    torch.save(tensors, os.path.join(path, "model.pth"))
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump({"encoder": {"num_heads": 2}}, file)


def write_same():
    """One model under V-MoE's names in several forms. Its values are exact in half precision of both kinds."""
    path = folder("same")
    source = np.load(os.path.join(HERE, "..", "Data", "vit_token", "vit_token_linen.npz"))
    tensors = {}
    for name in source.files:
        name_here = name.replace("Transformer/", "Encoder/").replace("MultiHeadDotProductAttention_0", "SelfAttention")
        value = torch.from_numpy(source[name].astype(np.float32)).bfloat16().float()
        tensors[name_here.replace("MlpBlock_0", "Mlp")] = torch.where(value.abs() < 2**-10, torch.zeros(()), value)
    for kind in ("float32", "float16", "bfloat16"):
        kept = {n: t.to(getattr(torch, kind)).contiguous() for n, t in tensors.items()}
        save_file(kept, os.path.join(path, kind + ".safetensors"))
        torch.save(kept, os.path.join(path, kind + ".pt"))
    # Transposed views and parameters, in a training state.
    views = {n: torch.nn.Parameter(t.t().contiguous().t() if t.ndim == 2 else t) for n, t in tensors.items()}
    torch.save({"model": views, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
               os.path.join(path, "state.pt"))
    torch.save(tensors, os.path.join(path, "legacy.pt"), _use_new_zipfile_serialization=False)
    shutil.copy(os.path.join(HERE, "..", "Data", "vit_token", "config.json"), path)


def write_bigvision():
    """The npz forms that big_vision's training leaves, made of the golden vit_token."""
    source = np.load(os.path.join(HERE, "..", "Data", "vit_token", "vit_token_linen.npz"))
    plain = {name: source[name] for name in source.files}
    path = folder("big_vision")
    train = {"params/" + n: v for n, v in plain.items()}
    train["params/pos_embedding"] = train.pop("params/Transformer/posembed_input/pos_embedding")
    np.savez(os.path.join(path, "train.npz"), **train, **{"opt/0/mu/" + n: v[:1] for n, v in plain.items()},
             **{"chrono/steps": np.int64(5)})
    stacked = {n: v for n, v in plain.items() if "encoderblock_" not in n}
    for name in plain:
        if "encoderblock_0/" in name:
            stacked[name.replace("encoderblock_0/", "encoderblock/")] = np.stack(
                [plain[name.replace("encoderblock_0", f"encoderblock_{i}")] for i in range(2)])
    np.savez(os.path.join(path, "stacked.npz"), **stacked)
    np.savez(os.path.join(path, "pickled.npz"), **plain, extra=np.array([{"a": 1}], dtype=object))


def write_positions():
    """Position embeddings resized by PyTorch: in.npy [height, width, H] and what each way gives for two sizes."""
    path = folder("positions")
    grid = torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(50))
    np.save(os.path.join(path, "in.npy"), grid.numpy())
    ways = dict(bicubic=dict(align_corners=False), antialiased=dict(align_corners=False, antialias=True),
                aligned=dict(align_corners=True))
    for way, options in ways.items():
        for size in ((9, 7), (2, 3)):
            resized = torch.nn.functional.interpolate(grid.permute(2, 0, 1)[None], size=size, mode="bicubic", **options)
            np.save(os.path.join(path, f"{way}-{size[0]}x{size[1]}.npy"), resized[0].permute(1, 2, 0).contiguous().numpy())


def main():
    random = torch.Generator().manual_seed(1)
    images = torch.randn(3, 3, SIZE, SIZE, generator=random)
    grey = torch.randn(2, 1, SIZE, SIZE, generator=random)
    np.save(os.path.join(HERE, "inputs.npy"), images.permute(0, 2, 3, 1).contiguous().numpy())
    np.save(os.path.join(HERE, "inputs-grey.npy"), grey.permute(0, 2, 3, 1).contiguous().numpy())
    names = ["vit_base_patch16_224", "deit_tiny_distilled_patch16_224", "deit3_small_patch16_224",
             "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "vit_medium_patch16_reg4_gap_256",
             "vit_base_patch16_siglip_224", "vit_base_patch32_siglip_gap_256", "vit_so150m_patch16_reg4_gap_256"]
    for seed, name in enumerate(names):
        path, tensors = write_timm(name, images, seed)
        if name == "deit_tiny_distilled_patch16_224":
            # As timm's training script leaves it.
            torch.save({"epoch": 3, "arch": name, "state_dict": {"module." + n: t for n, t in tensors.items()},
                        "optimizer": {"state": {0: {"step": 5}}}}, os.path.join(path, "model_best.pth.tar"))
        else:
            save_file(tensors, os.path.join(path, "model.safetensors"))
    path, tensors = write_timm("vit_tiny_patch16_224", grey, 40, in_chans=1)
    torch.save(tensors, os.path.join(path, "pytorch_model.bin"))
    t = transformers
    for seed, (configuration, model) in enumerate([
            (t.ViTConfig, t.ViTForImageClassification), (t.DeiTConfig, t.DeiTForImageClassification),
            (t.DeiTConfig, t.DeiTForImageClassificationWithTeacher), (t.Dinov2Config, t.Dinov2ForImageClassification),
            (t.Dinov2WithRegistersConfig, t.Dinov2WithRegistersForImageClassification)]):
        path, model = write_huggingface(configuration, model, images, 20 + seed)
        if seed == 3:
            # Names as newer versions have them in memory.
            torch.save(model.state_dict(), os.path.join(path, "memory.pt"))
    write_torchvision(images, 30)
    write_same()
    write_bigvision()
    write_positions()


if __name__ == "__main__":
    main()
