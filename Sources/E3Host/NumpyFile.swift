/// A `.npy` file whose elements are read when they are asked for: for arrays that are larger than one wants in memory.
public struct NumpyFile: Sendable {
  /// Path as it was given.
  public let path: String
  private let tensor: any TensorSource

  /// Extents, slowest axis first.
  public var shape: [Int] { tensor.shape }
  /// Encoding in the file.
  public var elementType: ElementType { tensor.elementType }

  /// Maps the file at `path` and reads its header.
  ///
  /// - Throws: a file that is not a whole `.npy` file of numbers.
  public init(path: String) throws(FileError) {
    let file = try MappedFile(path: path)
    let header = try NumpyHeader(file.bytes, file: path)
    guard header.totalSize == file.bytes.count else {
      throw FileError(
        file: path,
        problem: "\(counted(file.bytes.count, "byte")), expected \(header.totalSize) for shape \(header.shape)")
    }
    self.path = path
    tensor = numpyTensor(header, at: 0, in: file)
  }

  /// The elements `range` (flat, C order), converted to float32 (exactly for bytes, half precision and integers below
  /// 2^24).
  ///
  /// - Precondition: `range` lies inside the shape.
  public func values(_ range: Range<Int>) throws(FileError) -> [Float] {
    precondition(range.upperBound <= elementCount(of: shape) ?? 0, "elements outside of the array")
    return try tensor.values(range)
  }
}
