import E3Checkpoint
import E3Format

/// Makes sure that a model file is compared with the checkpoint that it was packed from, by their shapes and their heads:
/// every head is trained, and the file holds it in float. What rounding to bfloat16 changes is granted, so that a model
/// may also be compared with the float32 weights behind the checkpoint.
///
/// - Throws: a model file of another shape than the checkpoint, or with another head.
package func requirePacked(_ model: MappedModel, from source: SourceModel) throws(CheckpointError) {
  let (shape, checkpoint) = (model.file.shape, source.checkpoint.path)
  try requireEqual(shape, source.config, path: model.path, checkpoint: checkpoint)
  let weights = try source.values(of: ParameterNames.head.kernel)
  let expected =
    floatPanels(weights, stride: shape.classCount, inputs: shape.representation, outputs: shape.classCount)
    + paddedRows(try source.values(of: ParameterNames.head.bias), width: shape.classCount)
  guard
    let index = (0..<model.file.extentCount).first(where: { model.file.extent(at: $0).kind == ExtentKind.head.rawValue }
    )
  else { throw CheckpointError(file: model.path, problem: "no head") }
  let isSame = model.file.bytes(at: index).withMemoryRebound(to: Float.self) { stored in
    zip(stored, expected).allSatisfy { abs($0 - $1) <= max(abs($0), abs($1)) / 256 }
  }
  guard isSame else {
    throw CheckpointError(file: model.path, problem: "was not packed from \(checkpoint): the heads differ")
  }
}

/// - Throws: a model file of another shape than the checkpoint that it is compared with.
private func requireEqual(
  _ shape: ModelShape, _ config: ModelConfig, path: String, checkpoint: String
) throws(CheckpointError) {
  let preprocessing = Preprocessing(resize: .stretch, value: .range(low: -1, high: 1))
  let expected = try ModelShape(config, preprocessing, file: checkpoint)
  let sizes: [(String, (ModelShape) -> Int)] = [
    ("image height", \.imageHeight), ("image width", \.imageWidth), ("channels", \.channels),
    ("patch height", \.patchHeight), ("patch width", \.patchWidth), ("hidden size", \.hidden),
    ("layers", \.layerCount), ("heads", \.headCount), ("MLP size", \.mlp), ("classes", \.classCount),
    ("representation", \.representation), ("members", \.memberCount), ("experts", \.expertCount),
    ("selected experts", \.selectedExperts), ("capacity", \.capacity),
  ]
  for (name, size) in sizes where size(shape) != size(expected) {
    throw CheckpointError(
      file: path, problem: "\(name) is \(size(shape)), expected \(size(expected)) as in \(checkpoint)")
  }
  let blocksAgree = (0..<shape.layerCount).allSatisfy { shape.isMoE($0) == expected.isMoE($0) }
  guard blocksAgree, shape.classifier == expected.classifier, shape.capacityMode == expected.capacityMode,
    shape.hasQueryKeyNorm == expected.hasQueryKeyNorm, shape.hasPreLogits == expected.hasPreLogits
  else { throw CheckpointError(file: path, problem: "another architecture than \(checkpoint)") }
}
