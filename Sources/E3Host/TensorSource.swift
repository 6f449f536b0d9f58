/// Where the values of one tensor lie in a checkpoint's files.
package protocol TensorSource: Sendable {
  var shape: [Int] { get }
  var elementType: ElementType { get }
  /// Why the values cannot be weights; nil where they can.
  var problem: String? { get }

  /// Reads the elements `range` (flat, C order, inside the shape) as float32.
  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError)
}

extension TensorSource {
  package var problem: String? {
    if elementType.isWeight { return nil }
    let next =
      switch elementType {
      case .int8, .uint8:
        ": its weights may be quantised; give the float ones (those of bitsandbytes after model.dequantize())"
      default: ""
      }
    return "element type \(elementType.rawValue), expected float32, float16, bfloat16 or float64\(next)"
  }

  /// All elements in C order as float32.
  package func allValues() throws(FileError) -> [Float] { try values(0..<(elementCount(of: shape) ?? 0)) }

  /// The elements `range` (flat, C order, inside the shape) as float32.
  package func values(_ range: Range<Int>) throws(FileError) -> [Float] {
    var failure: FileError?
    let values = [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
      guard let base = buffer.baseAddress, !range.isEmpty else { return }
      do throws(FileError) {
        try read(range, into: base)
        initialized = range.count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }
}

/// A run of elements in a mapped file.
package struct MappedElements: Sendable {
  package let file: MappedFile
  package let byteOffset: Int
  package let elementType: ElementType

  package init(file: MappedFile, byteOffset: Int, elementType: ElementType) {
    (self.file, self.byteOffset, self.elementType) = (file, byteOffset, elementType)
  }

  /// Elements converted between two returns of pages to the system.
  private static let block = 1 << 20

  /// Reads the elements `range`, which the caller has checked to lie inside the file.
  package func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    let size = elementType.size
    var first = range.lowerBound
    while first < range.upperBound {
      let count = min(Self.block, range.upperBound - first)
      let start = byteOffset + first * size
      elementType.convert(
        file.bytes.baseAddress! + start, count: count, to: values + (first - range.lowerBound))
      release(first..<first + count)
      first += count
    }
  }

  /// Gives the pages of `range` back to the system. Small ranges share theirs with their neighbours and keep them.
  package func release(_ range: Range<Int>) {
    let size = elementType.size
    guard range.count * size >= 1 << 16 else { return }
    file.release(byteOffset + range.lowerBound * size..<byteOffset + range.upperBound * size)
  }
}

/// A tensor that lies in one piece in a mapped file.
package struct MappedTensor: TensorSource {
  package let shape: [Int]
  package let elements: MappedElements

  package init(shape: [Int], elements: MappedElements) { (self.shape, self.elements) = (shape, elements) }

  package var elementType: ElementType { elements.elementType }

  package func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    elements.read(range, into: values)
  }
}
