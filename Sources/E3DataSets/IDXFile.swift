import E3Host

/// An IDX file: magic `00 00 TYPE AXES`, the extents as big-endian 32-bit integers, the elements in C order.
///
/// Source: http://yann.lecun.com/exdb/mnist/
struct IDXFile: Sendable {
  /// Integer types that labels and images are stored in.
  enum Element: UInt8 {
    case uint8 = 0x08
    case int8 = 0x09
    case int16 = 0x0B
    case int32 = 0x0C

    var size: Int {
      switch self {
      case .uint8, .int8: 1
      case .int16: 2
      case .int32: 4
      }
    }
  }

  let element: Element
  /// Extents, slowest axis first.
  let shape: [Int]
  private let contents: FileContents
  private let start: Int

  /// Most axes that are read.
  private static let axisLimit = 8
  /// Bytes of the longest header.
  static let headerLimit = 4 + 4 * axisLimit

  /// Reads the file at `path`, compressed or not.
  ///
  /// - Parameter admit: Is asked before a compressed file is inflated, with the number of its compressed bytes.
  init(path: String, admit: (Header, Int) throws(FileError) -> Void = { _, _ in }) throws(FileError) {
    let contents = try FileContents(path: path) { (bytes, compressed) throws(FileError) in
      let header = try Header(bytes, file: path)
      try admit(header, compressed)
      return header.totalSize
    }
    let header = try contents.withBytes { (bytes) throws(FileError) in
      let header = try Header(bytes, file: path)
      guard bytes.count == header.totalSize else {
        throw FileError(
          file: path, problem: "\(counted(bytes.count, "byte")), expected \(header.totalSize) for shape \(header.shape)"
        )
      }
      return header
    }
    (element, shape, start) = (header.element, header.shape, header.size)
    self.contents = contents
  }

  /// The bytes `range` of the elements.
  func bytes(_ range: Range<Int>) -> [UInt8] {
    contents.withBytes { Array($0[start + range.lowerBound..<start + range.upperBound]) }
  }

  /// All elements.
  func integers() -> [Int] {
    let count = elementCount(of: shape) ?? 0
    return contents.withBytes { bytes in
      (0..<count).map { index in
        let offset = start + index * element.size
        switch element {
        case .uint8: return Int(bytes[offset])
        case .int8: return Int(Int8(bitPattern: bytes[offset]))
        case .int16: return Int(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self)))
        case .int32: return Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
      }
    }
  }

  struct Header {
    let element: Element
    let shape: [Int]
    fileprivate let size: Int
    fileprivate let totalSize: Int

    fileprivate init(_ bytes: UnsafeRawBufferPointer, file: String) throws(FileError) {
      func fault(_ problem: String) -> FileError { FileError(file: file, problem: problem) }
      guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else { throw fault("not an IDX file") }
      guard let element = Element(rawValue: bytes[2]) else {
        throw fault("IDX type \(bytes[2]), expected 8 (unsigned byte), 9, 11 or 12 (integers)")
      }
      let axes = Int(bytes[3])
      guard (1...IDXFile.axisLimit).contains(axes) else { throw fault("\(axes) IDX axes, expected 1 to 8") }
      guard bytes.count >= 4 + 4 * axes else { throw fault("truncated IDX header") }
      let shape = (0..<axes).map { axis in
        Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4 + 4 * axis, as: UInt32.self)))
      }
      size = 4 + 4 * axes
      guard let count = elementCount(of: shape), let length = checkedProduct(count, element.size),
        let total = checkedSum(length, size)
      else { throw fault("shape \(shape) is too large") }
      (self.element, self.shape, totalSize) = (element, shape, total)
    }
  }
}
