import E3Host

/// A `config.json` with the field names of V-MoE, and with ours for what V-MoE does not have. Fields without a meaning
/// at inference (dropout, losses, noise, sharding hints, `head_bias_init`, …) are passed over by their names.
///
/// Source: https://github.com/google-research/vmoe, vmoe/nn/vit_moe.py, vit_moe_ensemble.py, routing.py, moe.py.
func vmoeConfig(_ root: ConfigObject) throws(FileError) -> ConfigDocument {
  try root.requireKnown(
    [
      "name", "image_size", "channels", "patch_size", "hidden_size", "num_classes", "representation_size", "classifier",
      "class_token", "register_tokens", "final_norm", "activation", "layer_norm_epsilon", "encoder", "head_bias_init",
      "head_kernel_zero_init", "deterministic",
    ], elsewhere: encoderFields.union(moeFields.map { "moe.\($0)" }).sorted().map { "encoder.\($0)" })
  var document = ConfigDocument(file: root.file)
  let models = ["VisionTransformer", "VisionTransformerMoe", "VisionTransformerMoeEnsemble"]
  document.isEnsemble = try root.string("name", oneOf: models) == models[2]
  document.imageSize = try root.sizes("image_size", count: 2, maximum: ConfigDocument.sideLimit)
  document.channels = try root.size("channels", in: [1, 3])
  document.patchSize = try root.sizes("patch_size", count: 2, maximum: ConfigDocument.sideLimit)
  document.hiddenSize = try root.size("hidden_size")
  document.classCount = try root.size("num_classes")
  document.representationSize =
    root.isNull("representation_size") ? .some(nil) : try root.size("representation_size").map { $0 }
  document.classifier = try root.choice("classifier")
  document.hasClassToken = try root.bool("class_token")
  document.registerCount = try root.size("register_tokens", minimum: 0)
  document.finalNorm = try root.choice("final_norm")
  document.activation = try root.choice("activation")
  document.normEpsilon = try root.epsilon("layer_norm_epsilon")

  guard let encoder = try root.object("encoder") else { return document }
  try encoder.requireKnown(encoderFields, elsewhere: moeFields.sorted().map { "moe.\($0)" })
  document.layerCount = try encoder.size("num_layers", maximum: ConfigDocument.layerLimit)
  document.headCount = try encoder.size("num_heads")
  document.mlpSize = try encoder.size("mlp_dim")
  document.hasQueryKeyNorm = try encoder.bool("attention_qk_norm")
  document.positionEmbedding = try positionEmbedding(encoder)
  document.moe = try encoder.object("moe").map { (object) throws(FileError) in try moe(object) }
  if let mlpSize = document.mlpSize, let expertSize = try encoder.object("moe")?.size("mlp_dim"), expertSize != mlpSize
  {
    throw encoder.fault(
      "moe.mlp_dim", "\(expertSize)", "\(mlpSize) as encoder.mlp_dim: experts are as wide as other MLPs")
  }
  return document
}

private let encoderFields: Set<String> = [
  "num_layers", "num_heads", "mlp_dim", "attention_qk_norm", "position_emb", "moe", "dropout_rate",
  "attention_dropout_rate", "deterministic", "dtype",
]

private let moeFields: Set<String> = [
  "layers", "num_experts", "ensemble_size", "group_size", "router", "mlp_dim", "dropout_rate", "split_rngs",
  "deterministic", "dtype",
]

private func positionEmbedding(_ encoder: ConfigObject) throws(FileError) -> ModelConfig.PositionEmbedding? {
  guard let object = try encoder.object("position_emb") else { return nil }
  try object.requireKnown(["name", "temperature", "h", "w"])
  switch try object.string("name", oneOf: ["learned", "none", "sincos2d"]) {
  case "none": return ModelConfig.PositionEmbedding.none
  case "sincos2d":
    let temperature = try object.number("temperature") ?? 10_000
    guard temperature > 0, temperature.isFinite else {
      throw object.fault("temperature", "\(temperature)", "a number above 0")
    }
    return .sincos2d(temperature: temperature)
  default: return .learned
  }
}

private func moe(_ moe: ConfigObject) throws(FileError) -> ConfigDocument.MoE {
  try moe.requireKnown(moeFields)
  let router = try moe.object("router")
  try router?.requireKnown([
    "name", "num_selected_experts", "dispatcher", "noise_std", "importance_loss_weight", "load_loss_weight",
    "gshard_loss_weight", "deterministic", "dtype",
  ])
  // Other routers of the reference (SoftRouter, NoisyTopItemsPerExpertRouter) compute something else.
  _ = try router?.string("name", oneOf: ["NoisyTopExpertsPerItemRouter", "NoisyTopExpertsPerItemEnsembleRouter"])
  if let router, try router.bool("deterministic") == false {
    throw router.fault("deterministic", "false", "true: random noise in the gates has no place at inference")
  }
  return ConfigDocument.MoE(
    layers: try moe.integers("layers"), expertCount: try moe.size("num_experts"),
    memberCount: try moe.size("ensemble_size"), groupSize: try moe.size("group_size"),
    selectedExperts: try router?.size("num_selected_experts"),
    dispatcher: try router?.object("dispatcher").map { (object) throws(FileError) in try dispatcher(object) })
}

private func dispatcher(_ object: ConfigObject) throws(FileError) -> ConfigDocument.Dispatcher {
  try object.requireKnown([
    "name", "capacity", "capacity_factor", "capacity_ceil_or_round", "capacity_multiple_of", "batch_priority",
    "bfloat16", "partition_spec",
  ])
  _ = try object.string("name", oneOf: ["einsum", "indices"])
  let factor = try object.number("capacity_factor")
  if let factor, !(factor > 0 && factor <= 1e6) { throw object.fault("capacity_factor", "\(factor)", "above 0") }
  let rounding: ConfigDocument.Dispatcher.Rounding? = try object.choice("capacity_ceil_or_round")
  let multiple = object.isNull("capacity_multiple_of") ? 0 : try object.size("capacity_multiple_of", minimum: 0) ?? 4
  return ConfigDocument.Dispatcher(
    capacityFactor: factor, capacity: try object.size("capacity"), multipleOf: multiple, rounding: rounding ?? .ceil,
    batchPriority: try object.bool("batch_priority") ?? false, roundsToBFloat16: try object.bool("bfloat16") ?? false)
}
