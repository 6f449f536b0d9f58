import E3Host

extension Naming {
  /// Names of vit_jax and big_vision as those of V-MoE: blocks that `scan` stacked are taken apart, pooling is renamed.
  ///
  /// - Returns: The tensors, and what the file, with `prefix` before it, calls them.
  ///
  /// Sources: https://github.com/google-research/vision_transformer, vit_jax/checkpoint.py;
  /// https://github.com/google-research/big_vision, big_vision/models/vit.py.
  func bigVisionNames(_ stored: [String: any TensorSource], prefix: String, path: String) throws(FileError)
    -> (tensors: [String: any TensorSource], origins: [String: Origin])
  {
    let rename = BlockNumbers(of: stored.keys)
    var (tensors, origins): ([String: any TensorSource], [String: Origin]) = ([:], [:])
    func add(_ parts: [String], _ tensor: any TensorSource, _ origin: Origin) throws(FileError) {
      let name = rename.vmoeName(parts)
      if let other = origins.updateValue(origin, forKey: name) {
        throw FileError(
          file: path, tensor: origin.name, problem: "a second tensor for \(name), beside \(other.name)")
      }
      tensors[name] = tensor
    }
    let blockCount = usualBlockCount(of: stored)
    for (name, tensor) in stored {
      let parts = name.split(separator: "/").map(String.init)
      guard isStacked(parts) else {
        try add(parts, tensor, Origin(name: prefix + name, shape: tensor.shape, layout: .same))
        continue
      }
      guard let count = tensor.shape.first, count == blockCount, count <= ConfigDocument.layerLimit,
        let size = elementCount(of: tensor.shape.dropFirst())
      else {
        throw FileError(
          file: path, tensor: prefix + name,
          problem:
            "shape \(tensor.shape), expected [\(min(blockCount, ConfigDocument.layerLimit)), …], one for each block")
      }
      guard tensors.count + count <= StoredTensors.countLimit else {
        throw FileError(
          file: path, tensor: prefix + name,
          problem: "more than \(StoredTensors.countLimit) tensors, each block's taken alone")
      }
      let origin = Origin(name: prefix + name, shape: tensor.shape, layout: .blocks(count))
      for index in 0..<count {
        let slice = SlicedTensor(base: tensor, offset: index * size, shape: Array(tensor.shape.dropFirst()))
        try add(["Transformer", "encoderblock_\(index)"] + parts.dropFirst(2), slice, origin)
      }
    }
    return (tensors, origins)
  }
}

/// Whether `scan` stacked the blocks' tensors of this name.
private func isStacked(_ parts: [String]) -> Bool {
  parts.count > 2 && parts[0] == "Transformer" && parts[1] == "encoderblock"
}

/// The number of blocks that most of the stacked tensors have.
private func usualBlockCount(of stored: [String: any TensorSource]) -> Int {
  var votes: [Int: Int] = [:]
  for (name, tensor) in stored {
    if isStacked(name.split(separator: "/").map(String.init)) { votes[tensor.shape.first ?? 0, default: 0] += 1 }
  }
  return votes.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 0
}

/// Turns vit_jax names into V-MoE names. In a block, published files number all submodules in one sequence
/// (`LayerNorm_0`, `MultiHeadDotProductAttention_1`, `LayerNorm_2`, `MlpBlock_3`), newer ones each kind from zero:
/// either way the order of the layer norms tells which is which.
private struct BlockNumbers {
  /// By the block, without its index where `scan` stacked them: the place of a norm's number in the order of all.
  private let norms: [String: [Int: Int]]

  init(of names: some Sequence<String>) {
    var numbers: [String: Set<Int>] = [:]
    for name in names {
      let parts = name.split(separator: "/").map(String.init)
      guard parts.count >= 3, let number = suffix(of: parts[2], after: "LayerNorm_") else { continue }
      numbers[parts[1], default: []].insert(number)
    }
    // The first norm has the number 0 in either sequence. Where it is lost, the other is still the second.
    norms = numbers.mapValues { numbers in
      let lost = numbers.contains(0) ? 0 : 1
      return Dictionary(uniqueKeysWithValues: numbers.sorted().enumerated().map { ($0.element, $0.offset + lost) })
    }
  }

  func vmoeName(_ names: [String]) -> String {
    var parts = names
    switch parts.first {
    case "pos_embedding" where parts.count == 1: return ParameterNames.positionEmbedding
    // Where big_vision had it before 2022.
    case "Transformer" where parts == ["Transformer", "pos_embedding"]: return ParameterNames.positionEmbedding
    case "Transformer":
      parts[0] = "Encoder"
      guard parts.count >= 3 else { break }
      if let number = suffix(of: parts[2], after: "LayerNorm_") {
        parts[2] = "LayerNorm_\((norms[parts[1]] ?? norms["encoderblock"])?[number] ?? number)"
      } else if suffix(of: parts[2], after: "MultiHeadDotProductAttention_") != nil {
        parts[2] = "SelfAttention"
      } else if suffix(of: parts[2], after: "MlpBlock_") != nil {
        parts[2] = "Mlp"
      }
    case "MAPHead_0":
      parts[0] = "MapHead"
      guard parts.count > 1 else { break }
      parts[1] =
        ["LayerNorm_0": "LayerNorm", "MlpBlock_0": "Mlp"][parts[1]]
        ?? (parts[1].hasPrefix("MultiHeadDotProductAttention_") ? "MultiHeadDotProductAttention" : parts[1])
    default: break
    }
    return parts.joined(separator: "/")
  }
}

/// The number behind `prefix`: 2 for `LayerNorm_2`.
private func suffix(of text: some StringProtocol, after prefix: String) -> Int? {
  text.hasPrefix(prefix) ? Int(text.dropFirst(prefix.count)) : nil
}
