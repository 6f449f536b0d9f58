import E3Host

/// Joins a configuration file, the shapes of a checkpoint and the caller's options into a `ModelConfig`.
///
/// What the shapes tell is inferred where the file is silent and must agree where it is not.
struct ConfigResolver {
  let document: ConfigDocument
  /// Nil when only a configuration is there, as for random weights: then nothing may be missing from it.
  let evidence: ShapeEvidence?
  let options: ModelOptions

  /// - Throws: a missing field; a field that contradicts a tensor, another field or an option.
  func resolve() throws(FileError) -> (config: ModelConfig, sourceGrid: Grid) {
    let kernel = ["patch height", "patch width", "channels", "hidden"]
    let embedding = ParameterNames.embedding.kernel
    let patchHeight = try agree("patch_size[0]", document.patchSize?[0], embedding, kernel, axis: 0)
    let patchWidth = try agree("patch_size[1]", document.patchSize?[1], embedding, kernel, axis: 1)
    // A configuration of the reference never says it: its images have three channels.
    let channels = try agree("channels", document.channels ?? (evidence == nil ? 3 : nil), embedding, kernel, axis: 2)
    let hidden = try agree("hidden_size", document.hiddenSize, embedding, kernel, axis: 3)
    let query = ParameterNames.block(0).attention.query.kernel
    let heads = try agree("encoder.num_heads", document.headCount, query, ["hidden", "heads", "head size"], axis: 1)
    let layerCount = try layerCount()
    let expertLayers = try expertLayers(layerCount: layerCount)
    let classifier = document.classifier ?? .token
    let (source, target) = try grids(patch: Grid(height: patchHeight, width: patchWidth), classifier: classifier)

    var config = ModelConfig(
      imageHeight: target.height, imageWidth: target.width, channels: channels, patchHeight: patchHeight,
      patchWidth: patchWidth, hiddenSize: hidden, layerCount: layerCount, headCount: heads,
      mlpSize: try mlpSize(expertLayers: expertLayers), classCount: try classCount(),
      representationSize: try representationSize(), classifier: classifier,
      hasClassToken: classifier.needsClassToken, registerTokens: 0, finalNorm: .beforePooling, activation: .geluTanh,
      layerNormEpsilon: 1e-6, positionEmbedding: positionEmbedding,
      queryKeyNorm: try queryKeyNorm(), memberCount: 1, experts: nil)
    try require(channels == 1 || channels == 3, "channels", "\(channels)", "1 or 3")
    try require(hidden % heads == 0, "hidden_size", "\(hidden)", "a multiple of encoder.num_heads, \(heads)")
    if case .sincos2d = config.positionEmbedding {
      try require(hidden % 4 == 0 && hidden >= 8, "hidden_size", "\(hidden)", "a multiple of 4 from 8 on for sincos2d")
    }
    try addExperts(expertLayers, to: &config)
    return (config, source)
  }

  private func require(_ condition: Bool, _ field: String, _ found: String, _ expected: String) throws(FileError) {
    guard condition else {
      throw FileError(file: document.file, problem: "\(field) is \(found), expected \(expected)")
    }
  }

  /// The value of `field`: as given, which must agree with the extent of `tensor` along `axis`, or that extent.
  private func agree(_ field: String, _ given: Int?, _ tensor: String, _ axes: [String], axis: Int)
    throws(FileError) -> Int
  {
    guard let evidence else {
      guard let given else { throw FileError(file: document.file, problem: "\(field) is missing") }
      return given
    }
    let found = try evidence.extent(of: tensor, axes: axes, axis: axis)
    guard let given, given != found else { return found }
    throw FileError(
      file: evidence.checkpoint.path, tensor: tensor,
      problem: "shape \(evidence.checkpoint.shape(of: tensor) ?? []), expected \(given) along axis \(axis) "
        + "(\(field) in \(document.file))")
  }

  private func layerCount() throws(FileError) -> Int {
    guard let evidence else {
      guard let count = document.layerCount else {
        throw FileError(file: document.file, problem: "encoder.num_layers is missing")
      }
      return count
    }
    if let count = document.layerCount, count != evidence.layerCount {
      throw FileError(
        file: evidence.checkpoint.path,
        problem: "\(evidence.layerCount) encoder blocks, expected \(count) (encoder.num_layers in \(document.file))")
    }
    return evidence.layerCount
  }

  private func expertLayers(layerCount: Int) throws(FileError) -> [Int] {
    let given = document.moe?.layers.map { Set($0).sorted() }
    if let last = given?.last {
      try require(last < layerCount, "encoder.moe.layers", "\(given ?? [])", "block indices below \(layerCount)")
    }
    guard let evidence else { return given ?? [] }
    let found = evidence.expertLayers
    let expected = document.moe == nil ? [] : given ?? found
    guard found == expected else {
      let field = document.moe == nil ? "no encoder.moe" : "encoder.moe.layers"
      throw FileError(
        file: evidence.checkpoint.path,
        problem: "experts in blocks \(found), expected \(expected) (\(field) in \(document.file))")
    }
    return found
  }

  private func mlpSize(expertLayers: [Int]) throws(FileError) -> Int {
    // Block 0 tells, with or without experts; all others are checked against it later.
    let block = ParameterNames.block(0)
    return expertLayers.first == 0
      ? try agree(
        "encoder.mlp_dim", document.mlpSize, block.experts.dense0.kernel, ["experts", "hidden", "mlp"], axis: 2)
      : try agree("encoder.mlp_dim", document.mlpSize, block.mlp.dense0.kernel, ["hidden", "mlp"], axis: 1)
  }

  private func classCount() throws(FileError) -> Int {
    try agree("num_classes", document.classCount, ParameterNames.head.kernel, ["representation", "classes"], axis: 1)
  }

  private func representationSize() throws(FileError) -> Int? {
    let name = ParameterNames.preLogits.kernel
    switch document.representationSize {
    case .some(.none): return nil
    case .some(.some(let size)):
      return try agree("representation_size", size, name, ["hidden", "representation"], axis: 1)
    case .none:
      guard let evidence, evidence.has(name) else { return nil }
      return try agree("representation_size", nil, name, ["hidden", "representation"], axis: 1)
    }
  }

  /// The ensemble's encoder ignores the field: its position embedding is always learned.
  private var positionEmbedding: ModelConfig.PositionEmbedding {
    document.isEnsemble ? .learned : document.positionEmbedding ?? .learned
  }

  private func queryKeyNorm() throws(FileError) -> Bool {
    if document.isEnsemble { return false }
    if let given = document.queryKeyNorm { return given }
    return evidence?.has(ParameterNames.block(0).attention.queryNorm) ?? false
  }
}
