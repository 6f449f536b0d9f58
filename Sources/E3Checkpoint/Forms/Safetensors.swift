import E3Host

/// Reads a `.safetensors` file: a length, a JSON table, the tensors' bytes.
///
/// The table, of at most `headerLimit` bytes, is read as a stream: time and memory are those of the tensors that it lists.
/// Source: https://github.com/huggingface/safetensors, section "Format".
func readSafetensors(_ file: MappedFile, headerLimit: Int) throws(FileError) -> [String: any TensorSource] {
  let path = file.path
  guard file.bytes.count >= 8 else {
    throw FileError(file: path, problem: "\(counted(file.bytes.count, "byte")), shorter than a safetensors header")
  }
  let headerSize = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
  guard headerSize <= UInt64(file.bytes.count - 8) else {
    throw FileError(file: path, problem: "header of \(headerSize) bytes leaves the file of \(file.bytes.count)")
  }
  guard headerSize <= headerLimit else {
    throw FileError(
      file: path, problem: "header of \(headerSize) bytes, expected at most \(headerLimit) (--max-header)")
  }
  let dataStart = 8 + Int(headerSize)
  var reader = JSONReader(UnsafeRawBufferPointer(rebasing: file.bytes[8..<dataStart]), file: path)
  guard try reader.kind() == .object else {
    throw FileError(file: path, problem: "the safetensors header is no JSON object")
  }
  var tensors: [String: any TensorSource] = [:]
  var extents: [(range: Range<Int>, name: String)] = []
  try reader.readObject { (reader, name) throws(FileError) in
    guard name != "__metadata__" else { return try reader.skip() }
    let entry = try SafetensorsEntry(&reader, name: name, path: path)
    let (tensor, range) = try entry.tensor(file: file, dataStart: dataStart)
    extents.append((range, name))
    tensors[name] = tensor
  }
  try reader.requireEnd()
  try requireTiling(extents, of: file.bytes.count - dataStart, path: path)
  return tensors
}

/// What the table says of one tensor.
private struct SafetensorsEntry {
  let name, path: String
  var typeName: String?
  var shape: [Int]?
  var offsets: [Int]?

  init(_ reader: inout JSONReader, name: String, path: String) throws(FileError) {
    (self.name, self.path) = (name, path)
    guard try reader.kind() == .object else { throw fault("its table entry is no object") }
    var (typeName, shape, offsets): (String?, [Int]?, [Int]?) = (nil, nil, nil)
    try reader.readObject { (reader, key) throws(FileError) in
      switch key {
      case "dtype":
        guard try reader.kind() == .string else { throw Self.fault("has no dtype", name, path) }
        typeName = try reader.readString()
      case "shape": shape = try Self.sizes(&reader, limit: 8, "bad shape", name, path)
      case "data_offsets": offsets = try Self.sizes(&reader, limit: 2, "bad data_offsets", name, path)
      default: throw Self.fault("unknown field \(key) in its table entry", name, path)
      }
    }
    (self.typeName, self.shape, self.offsets) = (typeName, shape, offsets)
  }

  private static func fault(_ problem: String, _ name: String, _ path: String) -> FileError {
    FileError(file: path, tensor: name, problem: problem)
  }

  private func fault(_ problem: String) -> FileError { Self.fault(problem, name, path) }

  /// An array of at most `limit` whole numbers from 0 on.
  private static func sizes(
    _ reader: inout JSONReader, limit: Int, _ problem: String, _ name: String, _ path: String
  ) throws(FileError) -> [Int] {
    guard try reader.kind() == .array else { throw fault(problem, name, path) }
    var sizes: [Int] = []
    try reader.readArray { (reader) throws(FileError) in
      guard try reader.kind() == .number, sizes.count < limit else { throw fault(problem, name, path) }
      let value = try reader.readNumber()
      guard value >= 0, value <= 0x1p53, let size = Int(exactly: value) else {
        throw fault("\(problem): \(value)", name, path)
      }
      sizes.append(size)
    }
    return sizes
  }

  func tensor(file: MappedFile, dataStart: Int) throws(FileError) -> (tensor: any TensorSource, range: Range<Int>) {
    guard let typeName else { throw fault("has no dtype") }
    guard let shape else { throw fault("has no shape") }
    let dataSize = file.bytes.count - dataStart
    guard let offsets, offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataSize else {
      throw fault("data_offsets \(offsets.map { "\($0)" } ?? "missing") leave the \(dataSize) data bytes")
    }
    let range = offsets[0]..<offsets[1]
    guard let type = safetensorsTypes[typeName] else {
      return (UnreadableTensor(shape: shape, problem: "dtype \(typeName), expected F32, F16 or BF16"), range)
    }
    guard let count = elementCount(of: shape), checkedProduct(count, type.size) == range.count else {
      throw fault("shape \(shape) of \(typeName) does not fill its \(range.count) bytes")
    }
    let elements = MappedElements(file: file, byteOffset: dataStart + range.lowerBound, elementType: type)
    return (MappedTensor(shape: shape, elements: elements), range)
  }
}

/// The tensors' bytes must follow each other without overlap or hole and fill the data.
private func requireTiling(_ extents: [(range: Range<Int>, name: String)], of size: Int, path: String)
  throws(FileError)
{
  var end = 0
  for (range, name) in extents.sorted(by: {
    ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
  }) {
    guard range.lowerBound == end else {
      throw FileError(
        file: path, tensor: name,
        problem: "starts at data byte \(range.lowerBound), expected \(end): tensors must lie end to end")
    }
    end = range.upperBound
  }
  guard end == size else {
    throw FileError(file: path, problem: "tensors fill \(end) of \(size) data bytes")
  }
}

private let safetensorsTypes: [String: ElementType] = [
  "F16": .float16, "BF16": .bfloat16, "F32": .float32, "F64": .float64,
  "I8": .int8, "U8": .uint8, "I16": .int16, "U16": .uint16, "I32": .int32, "U32": .uint32, "I64": .int64,
  "U64": .uint64,
]
