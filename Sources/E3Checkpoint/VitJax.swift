import E3Host

/// Reads a vit_jax `.npz`: a zip file of `.npy` arrays, with the names turned into those of V-MoE.
///
/// Source: https://github.com/google-research/vision_transformer, vit_jax/checkpoint.py.
func readVitJax(path: String) throws(FileError) -> [String: any TensorSource] {
  let file = try MappedFile(path: path)
  let archive = try ZipArchive(file)
  var tensors: [String: any TensorSource] = [:]
  for member in archive.members {
    guard member.name.hasSuffix(".npy") else {
      throw FileError(file: path, tensor: member.name, problem: "not a .npy array, as every member of a .npz is")
    }
    tensors[String(member.name.dropLast(4))] = try tensor(member, in: file)
  }
  return try renamed(tensors, path: path)
}

private func tensor(_ member: ZipArchive.Member, in file: MappedFile) throws(FileError) -> any TensorSource {
  func requireSize(_ header: NumpyHeader) throws(FileError) {
    guard header.totalSize == member.size else {
      throw FileError(
        file: file.path, tensor: member.name,
        problem: "\(member.size) bytes, expected \(header.totalSize) for shape \(header.shape)")
    }
  }
  guard member.isDeflated else {
    let header = try NumpyHeader(
      UnsafeRawBufferPointer(rebasing: file.bytes[member.stored]), file: file.path, tensor: member.name)
    try requireSize(header)
    return numpyTensor(header, at: member.stored.lowerBound, in: file)
  }
  let source = InflatingMember(file: file, member: member)
  var start: [UInt8] = []
  try source.read { (block) throws(FileError) in
    start += block.prefix(NumpyHeader.sizeLimit + 12 - start.count)
    return start.count < NumpyHeader.sizeLimit + 12
  }
  let header = try start.withUnsafeBytes { bytes in
    Result { () throws(FileError) in try NumpyHeader(bytes, file: file.path, tensor: member.name) }
  }.get()
  try requireSize(header)
  guard !header.isFortranOrder else {
    throw FileError(
      file: file.path, tensor: member.name,
      problem: "deflated in Fortran order, expected C order (numpy.save of a C array)")
  }
  return DeflatedTensor(header: header, source: source)
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
  var result: [String: any TensorSource] = [:]
  for (name, tensor) in tensors {
    var parts = name.split(separator: "/").map(String.init)
    if parts.first == "Transformer" {
      parts[0] = "Encoder"
      if parts.count >= 3 {
        if let number = suffix(of: parts[2], after: "LayerNorm_") {
          let order = normNumbers["Transformer/\(parts[1])"]?.sorted() ?? []
          parts[2] = "LayerNorm_\(order.firstIndex(of: number) ?? number)"
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
