import E3Host

/// A model as a checkpoint and a configuration give it: the resolved configuration, and the weights in its shapes, read
/// one at a time.
public struct SourceModel: Sendable {
  public let config: ModelConfig
  public let checkpoint: Checkpoint
  private let sourceGrid: Grid

  /// Opens `checkpoint`, reads the configuration file and checks every tensor's shape against it.
  ///
  /// - Throws: what `Checkpoint` throws; a configuration that contradicts itself or a tensor; a tensor that is missing or
  ///   is not part of the model.
  public init(checkpoint path: String, config configPath: String, options: ModelOptions = ModelOptions())
    throws(FileError)
  {
    let document = try ConfigDocument(path: configPath)
    checkpoint = try Checkpoint(path: path)
    let evidence = try ShapeEvidence(checkpoint)
    (config, sourceGrid) = try ConfigResolver(document: document, evidence: evidence, options: options).resolve()
    try requireShapes(configPath: configPath)
  }

  /// All values of the tensor `name`, one of `config.parameters`, in its shape there: routers are regrouped by member,
  /// the position embedding is resized.
  ///
  /// - Throws: a value that is not finite; a damaged file.
  public func values(of name: String) throws(FileError) -> [Float] {
    let values = try checkpoint.read(name)
    // A router's columns are dealt to members in order, so [H, E] and [H, M, Em] have the same values.
    guard name == ParameterNames.positionEmbedding else { return values }
    return resizePositionEmbedding(
      values, hiddenSize: config.hiddenSize, leading: config.prefixTokens, from: sourceGrid,
      to: Grid(height: config.gridHeight, width: config.gridWidth))
  }

  /// The values `index` along the leading axis of the tensor `name`: one expert of a `[E, …]` tensor.
  ///
  /// - Throws: as `values(of:)`.
  public func values(of name: String, at index: Int) throws(FileError) -> [Float] {
    try checkpoint.read(name, at: index)
  }

  private func requireShapes(configPath: String) throws(FileError) {
    var expected: Set<String> = []
    for parameter in config.parameters {
      expected.insert(parameter.name)
      guard let found = checkpoint.shape(of: parameter.name) else {
        throw FileError(
          file: checkpoint.path, tensor: parameter.name,
          problem: "missing, expected shape \(parameter.shape) for \(configPath)")
      }
      guard accepts(found, for: parameter) else {
        throw FileError(
          file: checkpoint.path, tensor: parameter.name,
          problem: "shape \(found), expected \(parameter.shape) for \(configPath)")
      }
    }
    if let extra = checkpoint.tensorNames.first(where: { !expected.contains($0) }) {
      throw FileError(
        file: checkpoint.path, tensor: extra,
        problem: "shape \(checkpoint.shape(of: extra) ?? []), but the model of \(configPath) has no such tensor")
    }
  }

  private func accepts(_ shape: [Int], for parameter: Parameter) -> Bool {
    if parameter.name == ParameterNames.positionEmbedding {
      return shape == [1, sourceGrid.count + config.prefixTokens, config.hiddenSize]
    }
    if let experts = config.experts, parameter.name.hasSuffix("/Moe/Router/dense/kernel") {
      let (hidden, members) = (config.hiddenSize, config.memberCount)
      return [[hidden, experts.count], [hidden, 1, experts.count], [hidden, members, experts.count / members]]
        .contains(shape)
    }
    return shape == parameter.shape
  }
}

extension ModelConfig {
  /// Reads a configuration that stands alone, without a checkpoint: nothing that shapes would tell may be missing from
  /// it, but `channels` (3) and `image_size`, where the options have it.
  ///
  /// - Throws: an unreadable file; a missing, bad or contradictory field.
  public init(path: String, options: ModelOptions = ModelOptions()) throws(FileError) {
    let document = try ConfigDocument(path: path)
    self = try ConfigResolver(document: document, evidence: nil, options: options).resolve().config
  }
}
