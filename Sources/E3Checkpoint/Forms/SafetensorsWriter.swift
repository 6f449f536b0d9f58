import E3Host

/// Writes a `.safetensors` file of float32 tensors, one after the other, atomically.
///
/// ```swift
/// let writer = try SafetensorsWriter(path: path, tensors: config.parameters.map { ($0.name, $0.shape) })
/// for parameter in config.parameters { try writer.append(values(of: parameter)) }
/// try writer.finish()
/// ```
public final class SafetensorsWriter {
  private let file: AtomicFile
  private let tensors: [(name: String, count: Int)]
  private var next = 0

  /// Starts the file at `path` with the table of `tensors`.
  ///
  /// - Throws: a duplicate name; a shape whose size leaves `Int`; a file that cannot be written.
  public init(path: String, tensors: [(name: String, shape: [Int])]) throws(FileError) {
    var header = "{"
    var offset = 0
    var sized: [(name: String, count: Int)] = []
    var names: Set<String> = []
    for (name, shape) in tensors {
      guard names.insert(name).inserted else { throw FileError(file: path, tensor: name, problem: "named twice") }
      guard let count = elementCount(of: shape), let size = checkedProduct(count, 4), let end = checkedSum(offset, size)
      else { throw FileError(file: path, tensor: name, problem: "shape \(shape) is too large") }
      let extents = shape.map(String.init).joined(separator: ",")
      header += "\(sized.isEmpty ? "" : ",")\(jsonString(name)):"
      header += "{\"dtype\":\"F32\",\"shape\":[\(extents)],\"data_offsets\":[\(offset),\(end)]}"
      sized.append((name, count))
      offset = end
    }
    header += "}"
    var bytes = Array(header.utf8)
    // The format asks for data at a multiple of 8 bytes and pads with spaces.
    bytes += Array(repeating: 0x20, count: (8 - bytes.count % 8) % 8)
    self.tensors = sized
    file = try AtomicFile(path: path)
    try file.write(withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) })
    try file.write(bytes)
  }

  /// Writes the values of the next tensor, in the table's order; they may come in several parts.
  ///
  /// - Precondition: no more values than the tensor's shape holds.
  public func append(_ values: [Float]) throws(FileError) {
    while next < tensors.count, written == tensors[next].count { advance() }
    precondition(next < tensors.count && values.count <= tensors[next].count - written, "more values than the table")
    try file.write(values)
    written += values.count
  }

  /// Gives the file its name.
  ///
  /// - Precondition: every tensor is complete.
  public func finish() throws(FileError) {
    while next < tensors.count, written == tensors[next].count { advance() }
    precondition(next == tensors.count, "tensor \(next < tensors.count ? tensors[next].name : "") is incomplete")
    try file.commit()
  }

  private var written = 0

  private func advance() {
    next += 1
    written = 0
  }
}
