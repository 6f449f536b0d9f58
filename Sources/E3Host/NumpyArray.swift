/// An array in a `.npy` file, for images and expected values.
public struct NumpyArray: Sendable {
  /// Extents, slowest axis first.
  public let shape: [Int]
  /// Encoding in the file.
  public let elementType: ElementType
  /// All elements in C order, converted to float32 (exactly for bytes, half precision and integers below 2^24).
  public let values: [Float]

  /// Reads the file at `path`.
  ///
  /// - Throws: a file that is not a whole `.npy` file of numbers.
  public init(path: String) throws(FileError) {
    let file = try NumpyFile(path: path)
    values = try file.values(0..<(elementCount(of: file.shape) ?? 0))
    shape = file.shape
    elementType = file.elementType
  }

  /// Writes `values` as a float32 array of `shape` to `path`, atomically.
  ///
  /// - Precondition: `values` fills `shape`.
  public static func write(_ values: [Float], shape: [Int], path: String) throws(FileError) {
    precondition(elementCount(of: shape) == values.count, "\(values.count) values for shape \(shape)")
    let extents = shape.map(String.init).joined(separator: ", ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)\(shape.count == 1 ? "," : "")), }"
    // Magic, version and length take 10 bytes; the elements start at a multiple of 64.
    let padding = (64 - (10 + header.utf8.count + 1) % 64) % 64
    header += String(repeating: " ", count: padding) + "\n"
    let length = header.utf8.count
    let file = try AtomicFile(path: path)
    try file.write([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(length & 0xFF), UInt8(length >> 8)])
    try file.write(Array(header.utf8))
    try file.write(values)
    try file.commit()
  }
}
