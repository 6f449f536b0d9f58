import E3Host

/// A `config.json` with the field names of V-MoE, each value of the right type and in range but not yet checked against
/// the others or a checkpoint. Fields that the file leaves out are nil; fields without a meaning at inference
/// (dropout, losses, noise, sharding hints, `head_bias_init`, …) are passed over.
///
/// Source: https://github.com/google-research/vmoe, vmoe/nn/vit_moe.py, vit_moe_ensemble.py, routing.py, moe.py.
struct ConfigDocument {
  /// Path of the file, for errors.
  let file: String
  /// Whether the model is `VisionTransformerMoeEnsemble`, whose encoder ignores `position_emb` and `attention_qk_norm`.
  let isEnsemble: Bool
  let imageSize: [Int]?
  let channels: Int?
  let patchSize: [Int]?
  let hiddenSize: Int?
  let layerCount: Int?
  let headCount: Int?
  let mlpSize: Int?
  let classCount: Int?
  /// Outer nil: not given; inner nil: explicitly without the layer.
  let representationSize: Int??
  let classifier: ModelConfig.Classifier?
  let positionEmbedding: ModelConfig.PositionEmbedding?
  let queryKeyNorm: Bool?
  /// Nil when the file has no `encoder.moe`.
  let moe: MoE?

  struct MoE {
    let layers: [Int]?
    let expertCount: Int?
    let memberCount: Int?
    let groupSize: Int?
    let selectedExperts: Int?
    let dispatcher: Dispatcher?
  }

  struct Dispatcher {
    enum Rounding: String, CaseIterable { case ceil, round }
    let capacityFactor: Double?
    let capacity: Int?
    /// 0: off.
    let multipleOf: Int
    let rounding: Rounding
    let batchPriority: Bool
    let roundsToBFloat16: Bool
  }

  /// Largest value of any size. Keeps the byte size of every array of three axes inside `Int`.
  static let sizeLimit = 1 << 20
  /// Largest side of an image or a patch in pixels.
  static let sideLimit = 1 << 14
  /// Largest number of blocks.
  static let layerLimit = 1 << 12

  /// Parses the file at `path`.
  ///
  /// - Throws: an unreadable file, bad JSON, a field with a wrong type or value, an architecture that is not one of
  ///   `VisionTransformer`, `VisionTransformerMoe`, `VisionTransformerMoeEnsemble`.
  init(path: String) throws(FileError) {
    let mapped = try MappedFile(path: path)
    let root = ConfigObject(value: try JSON(parsing: mapped.bytes, file: path), path: "", file: path)
    try self.init(root)
  }

  private init(_ root: ConfigObject) throws(FileError) {
    file = root.file
    let names = ["VisionTransformer", "VisionTransformerMoe", "VisionTransformerMoeEnsemble"]
    let name = try root.string("name", oneOf: names) ?? names[1]
    isEnsemble = name == names[2]
    imageSize = try root.sizes("image_size", count: 2, maximum: Self.sideLimit)
    channels = try root.size("channels", in: [1, 3])
    patchSize = try root.sizes("patch_size", count: 2, maximum: Self.sideLimit)
    hiddenSize = try root.size("hidden_size")
    classCount = try root.size("num_classes")
    representationSize =
      root.isNull("representation_size") ? .some(nil) : try root.size("representation_size").map { $0 }
    classifier = try root.string("classifier", oneOf: ModelConfig.Classifier.allCases.map(\.rawValue))
      .flatMap(ModelConfig.Classifier.init)

    let encoder = try root.object("encoder") ?? ConfigObject(value: .object([]), path: "encoder.", file: file)
    layerCount = try encoder.size("num_layers", maximum: Self.layerLimit)
    headCount = try encoder.size("num_heads")
    mlpSize = try encoder.size("mlp_dim")
    queryKeyNorm = try encoder.bool("attention_qk_norm")
    positionEmbedding = try Self.positionEmbedding(encoder)
    moe = try encoder.object("moe").map { (moe) throws(FileError) in try Self.moe(moe) }
    if let mlpSize, let expertSize = try encoder.object("moe")?.size("mlp_dim"), expertSize != mlpSize {
      throw encoder.fault(
        "moe.mlp_dim", "\(expertSize)", "\(mlpSize) as encoder.mlp_dim: experts are as wide as other MLPs")
    }
  }

  private static func positionEmbedding(_ encoder: ConfigObject) throws(FileError) -> ModelConfig
    .PositionEmbedding?
  {
    guard let object = try encoder.object("position_emb") else { return nil }
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

  private static func moe(_ moe: ConfigObject) throws(FileError) -> MoE {
    let router = try moe.object("router")
    // Other routers of the reference (SoftRouter, NoisyTopItemsPerExpertRouter) compute something else.
    _ = try router?.string("name", oneOf: ["NoisyTopExpertsPerItemRouter", "NoisyTopExpertsPerItemEnsembleRouter"])
    return MoE(
      layers: try moe.integers("layers"), expertCount: try moe.size("num_experts"),
      memberCount: try moe.size("ensemble_size"), groupSize: try moe.size("group_size"),
      selectedExperts: try router?.size("num_selected_experts"),
      dispatcher: try router?.object("dispatcher").map { (object) throws(FileError) in try dispatcher(object) })
  }

  private static func dispatcher(_ object: ConfigObject) throws(FileError) -> Dispatcher {
    _ = try object.string("name", oneOf: ["einsum", "indices"])
    let factor = try object.number("capacity_factor")
    if let factor, !(factor > 0 && factor <= 1e6) { throw object.fault("capacity_factor", "\(factor)", "above 0") }
    let rounding = try object.string("capacity_ceil_or_round", oneOf: Dispatcher.Rounding.allCases.map(\.rawValue))
    let multiple = object.isNull("capacity_multiple_of") ? 0 : try object.size("capacity_multiple_of", minimum: 0) ?? 4
    return Dispatcher(
      capacityFactor: factor, capacity: try object.size("capacity"), multipleOf: multiple,
      rounding: rounding.flatMap(Dispatcher.Rounding.init) ?? .ceil,
      batchPriority: try object.bool("batch_priority") ?? false, roundsToBFloat16: try object.bool("bfloat16") ?? false)
  }
}
