/// A tensor whose axes each have their own distance between neighbours in the file, read in C order.
package struct StridedTensor: TensorSource {
  package let shape: [Int]
  private let strides: [Int]
  private let elements: MappedElements

  package var elementType: ElementType { elements.elementType }

  /// - Precondition: what the strides, in elements, address lies in the file.
  package init(shape: [Int], strides: [Int], elements: MappedElements) {
    (self.shape, self.strides, self.elements) = (shape, strides, elements)
  }

  package func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    let base = elements.file.bytes.baseAddress! + elements.byteOffset
    for flat in range {
      var rest = flat
      var position = 0
      for axis in shape.indices.reversed() {
        position += rest % shape[axis] * strides[axis]
        rest /= shape[axis]
      }
      elementType.convert(base + position * elementType.size, count: 1, to: values + (flat - range.lowerBound))
    }
  }
}
