import CE3Files

/// Header of a `.npy` file: element type, shape and order.
package struct NumpyHeader {
  package let elementType: ElementType
  /// Extents, slowest axis first.
  package let shape: [Int]
  /// Whether the first axis varies fastest.
  package let isFortranOrder: Bool
  /// Bytes before the elements.
  package let size: Int
  /// Bytes of header and elements together.
  package let totalSize: Int

  /// Longest header that is read, without magic and length; numpy itself stops at 10000 characters.
  package static let sizeLimit = 1 << 16

  /// Parses the header at the start of `bytes`, which may hold more.
  package init(_ bytes: UnsafeRawBufferPointer, file: String, tensor: String? = nil) throws(FileError) {
    func fault(_ problem: String) -> FileError { FileError(file: file, tensor: tensor, problem: problem) }
    var header = ce3_npy()
    switch ce3_npy_read(bytes.baseAddress, bytes.count, &header) {
    case CE3_NPY_OK: break
    case CE3_NPY_NOT_NPY: throw fault("not a .npy array")
    case CE3_NPY_VERSION: throw fault(".npy version \(bytes[6]), expected 1 to 3")
    case CE3_NPY_TRUNCATED: throw fault("truncated .npy header")
    default: throw fault("malformed .npy header, or a shape that is too large")
    }
    guard let type = Self.types[header.type.rawValue] else {
      let descriptor = withUnsafeBytes(of: header.descriptor) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard descriptor != "|O" else { throw fault("holds pickled objects, which are not read") }
      guard !descriptor.hasPrefix(">") else {
        throw fault("numpy type '\(descriptor)' is big-endian: save it as array.astype('<\(descriptor.dropFirst())')")
      }
      throw fault("numpy type '\(descriptor)', expected one of <f4, <f2, |V2 (bfloat16), <f8 or an integer")
    }
    elementType = type
    shape = withUnsafeBytes(of: header.shape) { axes in
      axes.bindMemory(to: UInt64.self).prefix(Int(header.axes)).map { Int($0) }
    }
    isFortranOrder = header.is_fortran_order != 0
    size = Int(header.data_offset)
    totalSize = Int(header.data_offset + header.data_bytes)
  }

  private static let types: [UInt32: ElementType] = [
    CE3_NPY_FLOAT16.rawValue: .float16, CE3_NPY_BFLOAT16.rawValue: .bfloat16, CE3_NPY_FLOAT32.rawValue: .float32,
    CE3_NPY_FLOAT64.rawValue: .float64, CE3_NPY_INT8.rawValue: .int8, CE3_NPY_UINT8.rawValue: .uint8,
    CE3_NPY_INT16.rawValue: .int16, CE3_NPY_UINT16.rawValue: .uint16, CE3_NPY_INT32.rawValue: .int32,
    CE3_NPY_UINT32.rawValue: .uint32, CE3_NPY_INT64.rawValue: .int64, CE3_NPY_UINT64.rawValue: .uint64,
  ]
}
