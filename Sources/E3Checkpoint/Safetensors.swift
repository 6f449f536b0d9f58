import E3Host

/// Reads a `.safetensors` file: a length, a JSON table, the tensors' bytes.
///
/// Where any name starts with `params/`, only such names are parameters (a whole training state was stored).
/// Source: https://github.com/huggingface/safetensors, section "Format".
func readSafetensors(path: String) throws(FileError) -> [String: any TensorSource] {
  let file = try MappedFile(path: path)
  guard file.bytes.count >= 8 else {
    throw FileError(file: path, problem: "\(file.bytes.count) bytes, shorter than a safetensors header")
  }
  let headerSize = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
  guard headerSize <= UInt64(file.bytes.count - 8) else {
    throw FileError(file: path, problem: "header of \(headerSize) bytes leaves the file of \(file.bytes.count)")
  }
  let dataStart = 8 + Int(headerSize)
  let header = try JSON(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[8..<dataStart]), file: path)
  guard case .object(let members) = header else {
    throw FileError(file: path, problem: "the safetensors header is \(header.text()), expected an object")
  }

  var tensors: [String: any TensorSource] = [:]
  var extents: [(range: Range<Int>, name: String)] = []
  for (name, entry) in members where name != "__metadata__" {
    let (tensor, range) = try tensor(name: name, entry: entry, file: file, dataStart: dataStart)
    extents.append((range, name))
    tensors[name] = tensor
  }
  try requireTiling(extents, of: file.bytes.count - dataStart, path: path)

  let prefix = "params/"
  guard tensors.keys.contains(where: { $0.hasPrefix(prefix) }) else { return tensors }
  return Dictionary(
    uniqueKeysWithValues: tensors.compactMap { name, tensor in
      name.hasPrefix(prefix) ? (String(name.dropFirst(prefix.count)), tensor) : nil
    })
}

private func tensor(name: String, entry: JSON, file: MappedFile, dataStart: Int) throws(FileError)
  -> (tensor: any TensorSource, range: Range<Int>)
{
  func fault(_ problem: String) -> FileError { FileError(file: file.path, tensor: name, problem: problem) }
  guard case .string(let typeName)? = entry["dtype"] else { throw fault("has no dtype") }
  guard let type = safetensorsTypes[typeName] else { throw fault("unknown dtype \(typeName)") }
  guard case .array(let extents)? = entry["shape"] else { throw fault("has no shape") }
  var shape: [Int] = []
  for extent in extents {
    guard let value = extent.integer, value >= 0 else { throw fault("bad shape \(entry["shape"]?.text() ?? "")") }
    shape.append(value)
  }
  guard case .array(let offsets)? = entry["data_offsets"], offsets.count == 2, let start = offsets[0].integer,
    let end = offsets[1].integer, start >= 0, start <= end, end <= file.bytes.count - dataStart
  else {
    throw fault(
      "data_offsets \(entry["data_offsets"]?.text() ?? "missing") leave the \(file.bytes.count - dataStart) data bytes")
  }
  guard let count = elementCount(of: shape), let size = checkedProduct(count, type.size), size == end - start else {
    throw fault("shape \(shape) of \(typeName) does not fill its \(end - start) bytes")
  }
  let elements = MappedElements(file: file, byteOffset: dataStart + start, elementType: type)
  return (MappedTensor(shape: shape, elements: elements), start..<end)
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
