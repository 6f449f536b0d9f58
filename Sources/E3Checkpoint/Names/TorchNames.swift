extension Naming {
  /// timm's `VisionTransformer`, and the originals of DeiT, MAE and DINOv2, which have its names.
  ///
  /// Source: https://github.com/huggingface/pytorch-image-models, timm/models/vision_transformer.py and deit.py.
  func translateTimm(_ t: inout Translation, _ facts: inout NamingFacts) {
    facts.positionResize = .bicubicAntialiased
    t.patchEmbedding(from: "patch_embed.proj")
    t.copy(ParameterNames.classToken, from: "cls_token")
    t.copy(ParameterNames.registers, from: t.first(of: "reg_token", "register_tokens", "dist_token"))
    t.copy(ParameterNames.positionEmbedding, from: "pos_embed")
    for index in 0..<t.blockCount("blocks.") {
      let (names, path) = (ParameterNames.block(index), "blocks.\(index)")
      t.norm(names.norm0, from: "\(path).norm1")
      t.norm(names.norm1, from: "\(path).norm2")
      t.stacked(names.attention.projections, weight: "\(path).attn.qkv.weight", bias: "\(path).attn.qkv.bias")
      t.linear(
        names.attention.out, from: "\(path).attn.proj", factors: ["\(path).ls1.gamma", "\(path).gamma_1"])
      t.linear(names.mlp.dense0, from: "\(path).mlp.fc1")
      t.linear(names.mlp.dense1, from: "\(path).mlp.fc2", factors: ["\(path).ls2.gamma", "\(path).gamma_2"])
    }
    facts.hasQueryBias = t.hasAny("blocks.", with: ".attn.qkv.bias")
    let pooledNorm = t.has("fc_norm.weight")
    t.norm(ParameterNames.encoderNorm, from: pooledNorm ? "fc_norm" : "norm")
    facts.finalNorm = pooledNorm ? .afterPooling : .beforePooling
    facts.classifier = pooledNorm ? .patchMean : t.has("cls_token") ? .token : .patchMean
    facts.isClassifierAssumed = true
    if t.has("attn_pool.latent") {
      facts.classifier = .map
      facts.isClassifierAssumed = false
      t.copy(ParameterNames.mapProbe, from: "attn_pool.latent")
      let attention = ParameterNames.mapAttention
      t.linear(attention.query, from: "attn_pool.q")
      t.stacked([attention.key, attention.value], weight: "attn_pool.kv.weight", bias: "attn_pool.kv.bias")
      t.linear(attention.out, from: "attn_pool.proj")
      t.norm(ParameterNames.mapNorm, from: "attn_pool.norm")
      t.linear(ParameterNames.mapMLP.dense0, from: "attn_pool.mlp.fc1")
      t.linear(ParameterNames.mapMLP.dense1, from: "attn_pool.mlp.fc2")
    }
    t.linear(ParameterNames.preLogits, from: "pre_logits.fc")
    // Models with a token for it have a second head.
    if t.has("dist_token") || t.hasAny("head_dist.") {
      facts.classifier = .tokenPair
      t.headPair("head", "head_dist")
    } else {
      t.linear(ParameterNames.head, from: "head")
    }
  }

  /// Hugging Face's ViT, DeiT, Dinov2 and Dinov2WithRegisters, with the names of files and of newer models in memory.
  ///
  /// Source: https://github.com/huggingface/transformers, src/transformers/models.
  func translateHuggingFace(_ t: inout Translation, _ facts: inout NamingFacts, base: String) {
    let embeddings = "\(base)embeddings"
    t.patchEmbedding(from: "\(embeddings).patch_embeddings.projection")
    t.copy(ParameterNames.classToken, from: "\(embeddings).cls_token")
    t.copy(
      ParameterNames.registers, from: t.first(of: "\(embeddings).register_tokens", "\(embeddings).distillation_token"))
    t.copy(ParameterNames.positionEmbedding, from: "\(embeddings).position_embeddings")
    let layers = t.hasAny("\(base)layers.") ? "\(base)layers" : "\(base)encoder.layer"
    let norms =
      t.hasAny("\(layers).", with: ".norm1.") || t.hasAny("\(layers).", with: ".norm2.")
      ? ["norm1", "norm2"] : ["layernorm_before", "layernorm_after"]
    for index in 0..<t.blockCount("\(layers).") {
      let (names, path) = (ParameterNames.block(index), "\(layers).\(index)")
      t.norm(names.norm0, from: "\(path).\(norms[0])")
      t.norm(names.norm1, from: "\(path).\(norms[1])")
      let isNew = t.has("\(path).attention.q_proj.weight")
      for (projection, name) in zip(names.attention.projections, ["query", "key", "value"]) {
        t.linear(projection, from: "\(path).attention.\(isNew ? "\(name.prefix(1))_proj" : "attention.\(name)")")
      }
      let out = isNew ? "\(path).attention.o_proj" : "\(path).attention.output.dense"
      t.linear(names.attention.out, from: out, factors: ["\(path).layer_scale1.lambda1"])
      let isFlat = t.has("\(path).mlp.fc1.weight")
      t.linear(names.mlp.dense0, from: isFlat ? "\(path).mlp.fc1" : "\(path).intermediate.dense")
      t.linear(
        names.mlp.dense1, from: isFlat ? "\(path).mlp.fc2" : "\(path).output.dense",
        factors: ["\(path).layer_scale2.lambda1"])
    }
    facts.hasQueryBias = [".attention.q_proj.bias", ".attention.query.bias"].contains {
      t.hasAny("\(layers).", with: $0)
    }
    t.norm(ParameterNames.encoderNorm, from: "\(base)layernorm")
    facts.positionResize = t.has("\(embeddings).register_tokens") ? .bicubicAntialiased : .bicubic
    // Their defaults, which a configuration repeats.
    facts.epsilon = norms[0] == "norm1" ? 1e-6 : 1e-12
    facts.classifier = .token
    if t.hasAny("cls_classifier.") || t.hasAny("distillation_classifier.") {
      facts.classifier = .tokenPair
      t.headPair("cls_classifier", "distillation_classifier")
    } else {
      if norms[0] == "norm1", t.has("classifier.weight") { facts.classifier = .tokenAndPatchMean }
      t.linear(ParameterNames.head, from: "classifier")
    }
  }

  /// torchvision's `VisionTransformer`.
  ///
  /// Source: https://github.com/pytorch/vision, torchvision/models/vision_transformer.py.
  func translateTorchvision(_ t: inout Translation, _ facts: inout NamingFacts) {
    facts.positionResize = .bicubicAligned
    t.patchEmbedding(from: "conv_proj")
    t.copy(ParameterNames.classToken, from: "class_token")
    t.copy(ParameterNames.positionEmbedding, from: "encoder.pos_embedding")
    for index in 0..<t.blockCount("encoder.layers.encoder_layer_") {
      let (names, path) = (ParameterNames.block(index), "encoder.layers.encoder_layer_\(index)")
      t.norm(names.norm0, from: "\(path).ln_1")
      t.norm(names.norm1, from: "\(path).ln_2")
      t.stacked(
        names.attention.projections, weight: "\(path).self_attention.in_proj_weight",
        bias: "\(path).self_attention.in_proj_bias")
      t.linear(names.attention.out, from: "\(path).self_attention.out_proj")
      let isNew = t.has("\(path).mlp.0.weight")
      t.linear(names.mlp.dense0, from: isNew ? "\(path).mlp.0" : "\(path).mlp.linear_1")
      t.linear(names.mlp.dense1, from: isNew ? "\(path).mlp.3" : "\(path).mlp.linear_2")
    }
    t.norm(ParameterNames.encoderNorm, from: "encoder.ln")
    t.linear(ParameterNames.preLogits, from: "heads.pre_logits")
    t.linear(ParameterNames.head, from: "heads.head")
    facts.classifier = .token
  }
}

extension AttentionNames {
  fileprivate var projections: [LinearNames] { [query, key, value] }
}
