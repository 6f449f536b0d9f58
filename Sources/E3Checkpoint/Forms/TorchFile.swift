import E3Host

/// Reads the tensors of a PyTorch zip file (`.pt`, `.pth`, `.bin`): a pickle that describes them, and one member of raw
/// bytes for each storage. Dictionaries in dictionaries become names with dots. The pickle has at most `headerLimit` bytes.
///
/// Source: https://github.com/pytorch/pytorch, torch/serialization.py and torch/_utils.py.
func readTorch(_ file: MappedFile, _ archive: ZipArchive, pickle: ZipArchive.Member, headerLimit: Int) throws(FileError)
  -> (tensors: [String: any TensorSource], beside: BesideTensors)
{
  let root = String(pickle.name.dropLast("data.pkl".count))
  var members: [String: ZipArchive.Member] = [:]
  for member in archive.members where member.name.hasPrefix(root) {
    members[String(member.name.dropFirst(root.count))] = member
  }
  guard !pickle.isDeflated else {
    throw FileError(file: file.path, tensor: pickle.name, problem: "is deflated, expected stored as PyTorch writes it")
  }
  if let order = members["byteorder"], !file.bytes[order.stored].elementsEqual("little".utf8) {
    throw FileError(file: file.path, problem: "its tensors are not little-endian: save it anew on another machine")
  }
  try requireChecksum(pickle, in: file)
  let parsed = try Pickle(
    UnsafeRawBufferPointer(rebasing: file.bytes[pickle.stored]), limit: headerLimit, file: file.path)
  var reader = TorchReader(file: file, pickle: parsed, members: members)
  try reader.visit(parsed.root, name: "", depth: 0)
  guard !reader.tensors.isEmpty else {
    throw FileError(
      file: file.path,
      problem: parsed.hasArrays
        ? "holds NumPy arrays and no tensors: save them as such, "
          + "torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, FILE)"
        : "holds no named tensors")
  }
  return (reader.tensors, BesideTensors(parsed))
}

/// 0 is no checksum: PyTorch writes it after `torch.serialization.set_crc32_options(False)`.
private func requireChecksum(_ member: ZipArchive.Member, in file: MappedFile) throws(FileError) {
  if member.checksum != 0 { try member.requireChecksum(in: file) }
}

private struct TorchReader {
  let file: MappedFile
  let pickle: Pickle
  let members: [String: ZipArchive.Member]
  var tensors: [String: any TensorSource] = [:]
  /// Most elements that all tensors together have beyond those of their storages.
  private static let repeatedLimit = 1 << 24
  private var repeated = 0
  private var visited = 0
  private var nameBytes = 0
  /// Storages that were compared with their checksums.
  private var checked: Set<String> = []

  init(file: MappedFile, pickle: Pickle, members: [String: ZipArchive.Member]) {
    (self.file, self.pickle, self.members) = (file, pickle, members)
  }

  private func fault(_ name: String, _ problem: String) -> FileError {
    FileError(file: file.path, tensor: name, problem: problem)
  }

  /// Collects the tensors at and below `value`.
  mutating func visit(_ value: PickleValue, name: String, depth: Int) throws(FileError) {
    visited += 1
    // A few objects that refer to each other many times over would be walked for ever.
    guard depth <= 16, visited <= 1 << 20 else { throw fault(name, "nested too deep") }
    func below(_ key: String, _ value: PickleValue) throws(FileError) {
      // Most of a training state is plain values: they need no name.
      guard pickle.mayHoldTensors(value) else {
        visited += 1
        return
      }
      guard name.utf8.count + key.utf8.count < StoredTensors.nameLimit else {
        throw FileError(
          file: file.path,
          problem: "keys that make a name of \(name.utf8.count + 1 + key.utf8.count) bytes, expected at most "
            + "\(StoredTensors.nameLimit)")
      }
      try visit(value, name: name.isEmpty ? key : "\(name).\(key)", depth: depth + 1)
    }
    switch pickle.object(value) {
    case .dictionary(let number)?:
      for (key, value) in pickle.dictionaries[number] {
        switch key {
        case .text(let text): try below(text, value)
        case .integer(let number): try below("\(number)", value)
        default: break
        }
      }
    case .list(let number)?:
      for (index, value) in pickle.lists[number].enumerated() { try below("\(index)", value) }
    case .tuple(let elements)?:
      for (index, value) in elements.enumerated() { try below("\(index)", value) }
    case .built(let function, let arguments)?:
      guard tensors.count < StoredTensors.countLimit else {
        throw fault(name, "more than \(StoredTensors.countLimit) tensors")
      }
      // A few dictionaries that hold each other make as many names as their product.
      nameBytes += name.utf8.count
      guard nameBytes <= StoredTensors.namesLimit else { throw StoredTensors.tooManyNames(file.path) }
      let tensor = try tensor(function, arguments, name: name)
      guard tensors.updateValue(tensor, forKey: name) == nil else { throw fault(name, "stored twice") }
    default: break
    }
  }

  private mutating func tensor(
    _ function: String, _ arguments: [PickleValue], name: String, depth: Int = 0
  ) throws(FileError) -> any TensorSource {
    switch function {
    case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3":
      return try strided(arguments, name: name, typed: function.hasSuffix("v3"))
    case "torch._tensor._rebuild_from_type_v2":
      // Function, class, arguments, attributes.
      if arguments.count == 4, let inner = pickle.global(arguments[0]), let parts = pickle.tuple(arguments[2]),
        depth < 4
      {
        return try tensor(inner, parts, name: name, depth: depth + 1)
      }
    default:
      // A parameter: the tensor, whether it is trained, hooks.
      if let first = arguments.first, case .built(let inner, let parts)? = pickle.object(first), depth < 4 {
        return try tensor(inner, parts, name: name, depth: depth + 1)
      }
    }
    throw fault(name, "made by \(function) in a way that is not known")
  }

  /// Whether nothing beside storage, offset, size and stride says what a tensor's values are: no bit for the conjugate
  /// or the negative of what is stored, which metadata behind the other arguments set.
  private func isPlain(_ metadata: PickleValue) -> Bool {
    if case .none = metadata { return true }
    if case .dictionary(let number)? = pickle.object(metadata) { return pickle.dictionaries[number].isEmpty }
    return false
  }

  /// A tensor of storage, offset, size and stride: arguments of `_rebuild_tensor_v2`; `v3` names the type as well.
  private mutating func strided(
    _ arguments: [PickleValue], name: String, typed: Bool
  ) throws(FileError) -> any TensorSource {
    guard arguments.count >= (typed ? 7 : 6), case .persistent(let storage)? = pickle.object(arguments[0]),
      case .integer(let offset) = arguments[1], let shape = pickle.integers(arguments[2]),
      let strides = pickle.integers(arguments[3])
    else { throw fault(name, "described in a way that is not known") }
    // ('storage', class, key, device, elements)
    guard storage.count >= 5, storage[0] == .text("storage"), let storageClass = pickle.global(storage[1]),
      case .text(let key) = storage[2], key.utf8.count <= 64, case .integer(let size) = storage[4]
    else { throw fault(name, "its storage is described in a way that is not known") }
    let typeName = typed ? pickle.global(arguments[6]) ?? "" : storageClass
    guard arguments.dropFirst(typed ? 7 : 6).allSatisfy(isPlain) else {
      return UnreadableTensor(
        shape: shape,
        problem: "has metadata that change its values (conj or neg): save tensor.resolve_conj().resolve_neg() in its "
          + "place")
    }
    guard let known = torchTypes[String(typeName.dropFirst("torch.".count))], let type = known else {
      let next = typeName.hasPrefix("torch.float8") ? ": save the model after model.float()" : ""
      return UnreadableTensor(
        shape: shape, problem: "type \(typeName), expected float32, float16, bfloat16 or float64\(next)")
    }
    guard let member = members["data/\(key)"], !member.isDeflated else {
      throw fault(name, "its storage \(key) is missing or deflated")
    }
    if checked.insert(key).inserted { try requireChecksum(member, in: file) }
    let available = member.size / type.size
    guard typed || checkedProduct(size, type.size) == member.size else {
      throw fault(name, "\(member.size) bytes in its storage, expected \(size) elements of \(type.rawValue)")
    }
    guard shape.count == strides.count, isComputable(shape), offset >= 0, strides.allSatisfy({ $0 >= 0 }),
      let count = elementCount(of: shape), let last = lastElement(shape, strides, from: offset),
      count == 0 || last < available
    else { throw fault(name, "shape \(shape) with strides \(strides) leaves its storage of \(available) elements") }
    // An expanded tensor repeats its elements, but a small file shall not become a large model.
    repeated += max(0, count - available)
    guard repeated <= Self.repeatedLimit else {
      throw fault(
        name,
        "repeats the \(available) elements of its storage to \(count), expected at most \(Self.repeatedLimit) more in "
          + "all tensors together")
    }
    let elements = MappedElements(
      file: file, byteOffset: member.stored.lowerBound + (count == 0 ? 0 : offset) * type.size, elementType: type)
    return isContiguous(shape, strides)
      ? MappedTensor(shape: shape, elements: elements)
      : StridedTensor(shape: shape, strides: strides, elements: elements)
  }

  /// The largest element that is read; nil when it leaves `Int`.
  private func lastElement(_ shape: [Int], _ strides: [Int], from offset: Int) -> Int? {
    var last = offset
    for (extent, stride) in zip(shape, strides) where extent > 0 {
      guard let step = checkedProduct(extent - 1, stride), let sum = checkedSum(last, step) else { return nil }
      last = sum
    }
    return last
  }

  private func isContiguous(_ shape: [Int], _ strides: [Int]) -> Bool {
    var expected = 1
    for (extent, stride) in zip(shape, strides).reversed() {
      guard extent == 1 || stride == expected else { return false }
      expected *= extent
    }
    return true
  }
}
