"""The models that are measured, as `config.json` documents with V-MoE field names."""


def vision_transformer(image, patch, hidden, layers, heads, mlp, classes=1000, experts=0, moe_layers=()):
  """A ViT with a class token, or an E3 of two members that select one expert for a token in the blocks `moe_layers`."""
  encoder = {"num_layers": layers, "num_heads": heads, "mlp_dim": mlp}
  if experts:
    encoder["moe"] = {
      "num_experts": experts,
      "ensemble_size": 2,
      "layers": list(moe_layers),
      "router": {"num_selected_experts": 1, "dispatcher": {"name": "einsum", "bfloat16": False}},
    }
  return {
    "name": "VisionTransformerMoeEnsemble" if experts else "VisionTransformerMoe",
    "image_size": [image, image],
    "patch_size": [patch, patch],
    "num_classes": classes,
    "hidden_size": hidden,
    "classifier": "token",
    "representation_size": hidden,
    "encoder": encoder,
  }


# Name: (title, configuration), in the order of the table.
MODELS = {
  "e3-s32": ("E³-S/32, 224 px", vision_transformer(224, 32, 512, 8, 8, 2048, experts=8, moe_layers=(5, 7))),
  "vit-s32": ("ViT-S/32, 224 px", vision_transformer(224, 32, 512, 8, 8, 2048)),
  "e3-ti4": ("E³-Ti/4, 32 px", vision_transformer(32, 4, 192, 12, 3, 768, 10, experts=8, moe_layers=(9, 11))),
  "e3-b16": ("E³-B/16, 224 px", vision_transformer(224, 16, 768, 12, 12, 3072, experts=32, moe_layers=(9, 11))),
  "vit-b16": ("ViT-B/16, 224 px", vision_transformer(224, 16, 768, 12, 12, 3072)),
}
QUICK = ("e3-s32", "vit-s32", "e3-ti4")
