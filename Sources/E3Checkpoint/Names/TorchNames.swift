extension Naming {
  /// timm's `VisionTransformer`, and the originals of DeiT, MAE and DINOv2, which have its names.
  ///
  /// Source: https://github.com/huggingface/pytorch-image-models, timm/models/vision_transformer.py and deit.py.
  func translateTimm(_ t: inout Translation, _ facts: inout NamingFacts) {
    facts.positionResize = .bicubicAntialiased
    t.patchEmbedding(from: "patch_embed.proj")
    t.copy(ParameterNames.classToken, from: "cls_token")
    // Models with a token for it have a second head.
    facts.isDistilled = t.has("dist_token") || t.hasAny("head_dist.")
    t.copy(
      ParameterNames.registers, from: facts.isDistilled ? "dist_token" : t.first(of: "reg_token", "register_tokens"))
    t.copy(ParameterNames.positionEmbedding, from: "pos_embed")
    // DINOv2's own files put the registers in behind the positions; timm's have positions for all or for none.
    facts.positionedTokens = t.has("register_tokens") && !t.has("reg_token") ? [.classToken, .none] : [.all, .none]
    for index in 0..<t.blockCount("blocks.") {
      let (names, path) = (ParameterNames.block(index), "blocks.\(index)")
      t.norm(names.norm0, from: "\(path).norm1")
      t.norm(names.norm1, from: "\(path).norm2")
      t.stacked(
        names.attention.projections, weight: "\(path).attn.qkv.weight", bias: "\(path).attn.qkv.bias",
        part: .queryBias)
      t.linear(
        names.attention.out, from: "\(path).attn.proj", bias: .outputBias,
        factors: ["\(path).ls1.gamma", "\(path).gamma_1"])
      t.linear(names.mlp.dense0, from: "\(path).mlp.fc1", bias: .mlpBias)
      t.linear(
        names.mlp.dense1, from: "\(path).mlp.fc2", bias: .mlpBias,
        factors: ["\(path).ls2.gamma", "\(path).gamma_2"])
      t.refuseGate("\(path).mlp.fc1", "\(path).mlp.fc2")
    }
    let pooledNorm = t.hasAny("fc_norm.")
    t.norm(ParameterNames.encoderNorm, from: pooledNorm ? "fc_norm" : "norm")
    facts.parts[.pooledNorm] = NamingFacts.Part(
      isThere: pooledNorm, example: t.first(of: "fc_norm.weight", "fc_norm.bias"))
    facts.finalNorm = pooledNorm ? .afterPooling : .beforePooling
    facts.classifier = pooledNorm ? .patchMean : t.has("cls_token") ? .token : .patchMean
    facts.isClassifierAssumed = true
    if t.hasAny("attn_pool.") {
      facts.classifier = .map
      facts.isClassifierAssumed = false
    }
    t.copy(ParameterNames.mapProbe, from: "attn_pool.latent")
    let attention = ParameterNames.mapAttention
    t.linear(attention.query, from: "attn_pool.q")
    t.stacked([attention.key, attention.value], weight: "attn_pool.kv.weight", bias: "attn_pool.kv.bias")
    t.linear(attention.out, from: "attn_pool.proj")
    t.norm(ParameterNames.mapNorm, from: "attn_pool.norm")
    t.linear(ParameterNames.mapMLP.dense0, from: "attn_pool.mlp.fc1")
    t.linear(ParameterNames.mapMLP.dense1, from: "attn_pool.mlp.fc2")
    t.linear(ParameterNames.preLogits, from: "pre_logits.fc")
    if facts.isDistilled {
      facts.classifier = .tokenPair
      t.headPair("head", "head_dist", token: "dist_token")
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
    let isPair = t.hasAny("cls_classifier.") || t.hasAny("distillation_classifier.")
    let layers =
      ["\(base)encoder.layer", "\(base)layers", "encoder.layer"].first { t.hasAny("\($0).") } ?? "\(base)layers"
    let isDinov2 = t.areCalled(".norm", not: ".layernorm_", below: "\(layers).")
    let isNew = t.areCalled("_proj.", not: ".attention.attention.", below: "\(layers).")
    let isFlat = t.areCalled(".mlp.", not: ".intermediate.", below: "\(layers).")
    facts.isDinov2 = isDinov2
    facts.isDistilled = !isDinov2
    let registers = "\(embeddings).\(isDinov2 ? "register_tokens" : "distillation_token")"
    facts.positionedTokens = isDinov2 ? [.classToken] : [.all]
    t.copy(ParameterNames.registers, from: registers)
    t.copy(ParameterNames.positionEmbedding, from: "\(embeddings).position_embeddings")
    for index in 0..<t.blockCount("\(layers).") {
      let (names, path) = (ParameterNames.block(index), "\(layers).\(index)")
      t.norm(names.norm0, from: "\(path).\(isDinov2 ? "norm1" : "layernorm_before")")
      t.norm(names.norm1, from: "\(path).\(isDinov2 ? "norm2" : "layernorm_after")")
      for (projection, name) in zip(names.attention.projections, ["query", "key", "value"]) {
        t.linear(
          projection, from: "\(path).attention.\(isNew ? "\(name.prefix(1))_proj" : "attention.\(name)")",
          bias: .queryBias)
      }
      t.linear(
        names.attention.out, from: "\(path).attention.\(isNew ? "o_proj" : "output.dense")",
        factors: isDinov2 ? ["\(path).layer_scale1.lambda1"] : [])
      t.linear(names.mlp.dense0, from: "\(path).\(isFlat ? "mlp.fc1" : "intermediate.dense")")
      t.linear(
        names.mlp.dense1, from: "\(path).\(isFlat ? "mlp.fc2" : "output.dense")",
        factors: isDinov2 ? ["\(path).layer_scale2.lambda1"] : [])
    }
    // There is no Dinov2 without.
    t.require(.layerScale)
    t.norm(ParameterNames.encoderNorm, from: "\(base)layernorm")
    facts.positionResize = isDinov2 && t.has(registers) ? .bicubicAntialiased : .bicubic
    // Their defaults, which a configuration repeats.
    facts.epsilon = isDinov2 ? 1e-6 : 1e-12
    facts.classifier = .token
    if isPair {
      facts.classifier = .tokenPair
      t.headPair("cls_classifier", "distillation_classifier", token: "\(embeddings).distillation_token")
    } else {
      if isDinov2, t.has("classifier.weight") { facts.classifier = .tokenAndPatchMean }
      t.linear(ParameterNames.head, from: "classifier")
    }
    if ["deit.", "dinov2_with_registers."].contains(base) { t.require(registers, because: "\(base)… has it") }
  }

  /// torchvision's `VisionTransformer`.
  ///
  /// Source: https://github.com/pytorch/vision, torchvision/models/vision_transformer.py.
  func translateTorchvision(_ t: inout Translation, _ facts: inout NamingFacts) {
    facts.positionResize = .bicubicAligned
    t.patchEmbedding(from: "conv_proj")
    t.copy(ParameterNames.classToken, from: "class_token")
    t.copy(ParameterNames.positionEmbedding, from: "encoder.pos_embedding")
    // Names of its first version.
    let isOld = t.areCalled(".mlp.linear_1.", not: ".mlp.0.", below: "encoder.layers.")
    for index in 0..<t.blockCount("encoder.layers.encoder_layer_") {
      let (names, path) = (ParameterNames.block(index), "encoder.layers.encoder_layer_\(index)")
      t.norm(names.norm0, from: "\(path).ln_1")
      t.norm(names.norm1, from: "\(path).ln_2")
      t.stacked(
        names.attention.projections, weight: "\(path).self_attention.in_proj_weight",
        bias: "\(path).self_attention.in_proj_bias")
      t.linear(names.attention.out, from: "\(path).self_attention.out_proj")
      t.linear(names.mlp.dense0, from: "\(path).mlp.\(isOld ? "linear_1" : "0")")
      t.linear(names.mlp.dense1, from: "\(path).mlp.\(isOld ? "linear_2" : "3")")
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
