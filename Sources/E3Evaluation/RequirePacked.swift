import E3Checkpoint
import E3Format
import E3Host
import E3Models
import E3Reference

/// Makes sure that a network of a model file is compared with the checkpoint that it was packed from, by their shapes and their
/// heads: every head is trained, and the file holds it in float. What rounding to bfloat16 changes is granted, so that
/// a model may also be compared with the float32 weights behind the checkpoint.
///
/// - Throws: a model file of another shape than the checkpoint, or with another head.
func requirePacked(_ model: MappedModel, network: Int = 0, from source: SourceModel) throws(FileError) {
  let (view, checkpoint) = (model.networks[network], source.checkpoint.path)
  let shape = view.shape
  try requireEqual(shape, source.config, path: model.path, checkpoint: checkpoint)
  // The same labels in another order are another model's; others may have been given to pack.
  if let labels = source.labels, reordering(labels, model.labels) != nil {
    throw FileError(file: model.path, problem: "has the labels of \(checkpoint) in another order")
  }
  let (weights, bias) = (
    try source.values(of: ParameterNames.head.kernel), try source.values(of: ParameterNames.head.bias)
  )
  let head = view.bytes(at: view.tableIndex(ofPlanned: ExtentPlan(shape).index(of: .head)))
  let isSame = head.withMemoryRebound(to: Float.self) { stored in
    func equals(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= max(abs(a), abs(b)) / 256 }
    let (inputs, classes) = (shape.headInputSize, shape.classCount)
    let panels = (0..<inputs * classes).allSatisfy { place in
      let (input, output) = (place / classes, place % classes)
      return equals(stored[(output / 16 * inputs + input) * 16 + output % 16], weights[place])
    }
    let biases = stored[(inputs * shape.classCountPadded)...]
    return panels && zip(biases, bias).allSatisfy { equals($0, $1) }
  }
  guard isSame else {
    throw FileError(file: model.path, problem: "was not packed from \(checkpoint): the heads differ")
  }
}

/// The float path of each network of `model`, from the checkpoints that it was packed from.
///
/// - Throws: another number of checkpoints than networks; one that is not the network's.
func referenceModels(
  of model: MappedModel, _ checkpoints: [CheckpointSource]
) throws(FileError) -> [ReferenceModel] {
  guard checkpoints.count == model.networks.count else {
    throw FileError(
      file: model.path,
      problem:
        "\(counted(model.networks.count, "network")), but \(counted(checkpoints.count, "checkpoint")) to compare "
        + "them with")
  }
  var references: [ReferenceModel] = []
  for (view, checkpoint) in zip(model.networks, checkpoints) {
    let source = try SourceModel(checkpoint, options: view.shape.modelOptions)
    try requirePacked(model, network: view.network, from: source)
    references.append(ReferenceModel(source))
  }
  return references
}

/// - Throws: a model file of another shape than the checkpoint that it is compared with.
private func requireEqual(
  _ shape: ModelShape, _ config: ModelConfig, path: String, checkpoint: String
) throws(FileError) {
  let sizes = [
    ("image height", shape.imageHeight, config.imageHeight), ("image width", shape.imageWidth, config.imageWidth),
    ("channels", shape.channels, config.channels), ("patch height", shape.patchHeight, config.patchHeight),
    ("patch width", shape.patchWidth, config.patchWidth), ("hidden size", shape.hiddenSize, config.hiddenSize),
    ("layers", shape.layerCount, config.layerCount), ("heads", shape.headCount, config.headCount),
    ("MLP size", shape.mlpSize, config.mlpSize), ("classes", shape.classCount, config.classCount),
    ("representation", shape.headInputSize, config.headInputSize), ("members", shape.memberCount, config.memberCount),
    ("experts", shape.expertCount, config.experts?.count ?? 0),
    ("selected experts", shape.selectedExperts, config.experts?.selected ?? 0),
    ("capacity", shape.capacity, config.experts?.capacity?.slots ?? 0),
  ]
  for (name, size, expected) in sizes where size != expected {
    throw FileError(file: path, problem: "\(name) is \(size), expected \(expected) as in \(checkpoint)")
  }
  let blocksAgree = (0..<shape.layerCount).allSatisfy { shape.isMoE($0) == config.isMoE($0) }
  let mode: CapacityMode =
    switch config.experts?.capacity?.batchPriority {
    case nil: .none
    case true?: .priority
    case false?: .vanilla
    }
  guard blocksAgree, shape.classifier == config.classifier.stored, shape.capacityMode == mode,
    shape.hasClassToken == config.hasClassToken, shape.registerCount == config.registerCount,
    shape.normsAfterPooling == (config.finalNorm == .afterPooling), shape.normEpsilon == config.normEpsilon,
    (shape.activation == .geluErf) == (config.activation == .gelu), shape.hasQueryKeyNorm == config.hasQueryKeyNorm,
    shape.hasPreLogits == (config.representationSize != nil)
  else { throw FileError(file: path, problem: "another architecture than \(checkpoint)") }
}

extension ModelConfig.Classifier {
  /// Nil for what model files cannot say.
  fileprivate var stored: Classifier? {
    switch self {
    case .token: .token
    case .first: .first
    case .gap, .patchMean: .gap
    case .map: .map
    case .tokenAndPatchMean: .tokenGap
    case .tokenPair: .tokenPair
    }
  }
}
