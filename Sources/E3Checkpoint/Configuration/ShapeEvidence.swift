import E3Host

/// What the tensors of a checkpoint say about the model.
struct ShapeEvidence {
  let checkpoint: Checkpoint
  /// Number of blocks: one more than the highest index.
  let layerCount: Int
  /// Blocks with experts, ascending.
  let expertLayers: [Int]

  init(_ checkpoint: Checkpoint) throws(FileError) {
    self.checkpoint = checkpoint
    var layers: Set<Int> = []
    var expertLayers: Set<Int> = []
    for name in checkpoint.tensorNames {
      let parts = name.split(separator: "/", maxSplits: 3)
      guard parts.count >= 3, parts[0] == "Encoder", parts[1].hasPrefix("encoderblock_"),
        let index = Int(parts[1].dropFirst(13)), index >= 0
      else { continue }
      guard index < ConfigDocument.layerLimit else {
        throw FileError(file: checkpoint.path, tensor: name, problem: "block index \(index) is too large")
      }
      layers.insert(index)
      if parts[2] == "Moe" { expertLayers.insert(index) }
    }
    layerCount = (layers.max() ?? -1) + 1
    self.expertLayers = expertLayers.sorted()
  }

  func has(_ name: String) -> Bool { checkpoint.shape(of: name) != nil }

  /// Extent of the tensor `name` along `axis`.
  ///
  /// - Throws: a missing tensor; a rank other than that of `axes`, whose letters name the axes in the error; an extent
  ///   beyond what a model can have.
  func extent(of name: String, axes: [String], axis: Int) throws(FileError) -> Int {
    guard let shape = checkpoint.shape(of: name) else {
      throw checkpoint.misfit(name, axes: axes)
    }
    guard shape.count == axes.count, (1...ConfigDocument.sizeLimit).contains(shape[axis]) else {
      if let problem = checkpoint.problem(with: name) { throw checkpoint.fault(name, problem) }
      throw checkpoint.misfit(name, axes: axes)
    }
    return shape[axis]
  }
}
