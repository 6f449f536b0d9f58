import E3Host

extension Naming {
  /// Names of vit_jax and big_vision as those of V-MoE: blocks that `scan` stacked are taken apart, pooling is renamed.
  ///
  /// Sources: https://github.com/google-research/vision_transformer, vit_jax/checkpoint.py;
  /// https://github.com/google-research/big_vision, big_vision/models/vit.py.
  func bigVisionNames(_ stored: [String: any TensorSource], path: String) throws(FileError)
    -> [String: any TensorSource]
  {
    var tensors: [String: any TensorSource] = [:]
    for (name, tensor) in stored {
      let parts = name.split(separator: "/").map(String.init)
      if parts.first == "Transformer", parts.count > 2, parts[1] == "encoderblock" {
        guard let count = tensor.shape.first, count <= ConfigDocument.layerLimit,
          let size = elementCount(of: tensor.shape.dropFirst())
        else { throw FileError(file: path, tensor: name, problem: "shape \(tensor.shape), expected [blocks, …]") }
        guard tensors.count + count <= StoredTensors.countLimit else {
          throw FileError(
            file: path, tensor: name, problem: "more than \(StoredTensors.countLimit) tensors, each block's taken alone"
          )
        }
        let rest = parts.dropFirst(2).joined(separator: "/")
        for index in 0..<count {
          tensors["Transformer/encoderblock_\(index)/\(rest)"] = SlicedTensor(
            base: tensor, offset: index * size, shape: Array(tensor.shape.dropFirst()))
        }
      } else if name == "pos_embedding" {
        tensors[ParameterNames.positionEmbedding] = tensor
      } else if parts.first == "MAPHead_0" {
        var parts = ["MapHead"] + parts.dropFirst()
        if parts.count > 1 {
          parts[1] =
            ["LayerNorm_0": "LayerNorm", "MlpBlock_0": "Mlp"][parts[1]]
            ?? (parts[1].hasPrefix("MultiHeadDotProductAttention_") ? "MultiHeadDotProductAttention" : parts[1])
        }
        tensors[parts.joined(separator: "/")] = tensor
      } else {
        tensors[name] = tensor
      }
    }
    return try renamed(tensors, path: path)
  }
}

/// Turns vit_jax names into V-MoE names. In a block, published files number all submodules in one sequence
/// (`LayerNorm_0`, `MultiHeadDotProductAttention_1`, `LayerNorm_2`, `MlpBlock_3`), newer ones each kind from zero:
/// either way the order of the layer norms tells which is which.
private func renamed(_ tensors: [String: any TensorSource], path: String) throws(FileError)
  -> [String: any TensorSource]
{
  var normNumbers: [String: Set<Int>] = [:]
  for name in tensors.keys {
    let parts = name.split(separator: "/")
    guard parts.count >= 3, let number = suffix(of: parts[2], after: "LayerNorm_") else { continue }
    normNumbers["\(parts[0])/\(parts[1])", default: []].insert(number)
  }
  let normOrders = normNumbers.mapValues { numbers in
    Dictionary(uniqueKeysWithValues: numbers.sorted().enumerated().map { ($0.element, $0.offset) })
  }
  var result: [String: any TensorSource] = [:]
  for (name, tensor) in tensors {
    var parts = name.split(separator: "/").map(String.init)
    if parts.first == "Transformer" {
      parts[0] = "Encoder"
      if parts.count >= 3 {
        if let number = suffix(of: parts[2], after: "LayerNorm_") {
          parts[2] = "LayerNorm_\(normOrders["Transformer/\(parts[1])"]?[number] ?? number)"
        } else if suffix(of: parts[2], after: "MultiHeadDotProductAttention_") != nil {
          parts[2] = "SelfAttention"
        } else if suffix(of: parts[2], after: "MlpBlock_") != nil {
          parts[2] = "Mlp"
        }
      }
    }
    let vmoeName = parts.joined(separator: "/")
    guard result.updateValue(tensor, forKey: vmoeName) == nil else {
      throw FileError(file: path, tensor: name, problem: "a second tensor for \(vmoeName)")
    }
  }
  return result
}

/// The number behind `prefix`: 2 for `LayerNorm_2`.
private func suffix(of text: some StringProtocol, after prefix: String) -> Int? {
  text.hasPrefix(prefix) ? Int(text.dropFirst(prefix.count)) : nil
}
