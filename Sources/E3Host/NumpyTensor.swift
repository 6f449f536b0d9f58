/// A tensor whose first axis varies fastest in the file, read in C order.
package struct FortranTensor: TensorSource {
  package let shape: [Int]
  package let elements: MappedElements

  package var elementType: ElementType { elements.elementType }

  package func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropFirst() { strides[axis] = strides[axis - 1] * shape[axis - 1] }
    for flat in range {
      var rest = flat
      var position = 0
      for axis in shape.indices.reversed() {
        position += rest % shape[axis] * strides[axis]
        rest /= shape[axis]
      }
      elements.elementType.convert(
        elements.file.bytes.baseAddress! + elements.byteOffset + position * elementType.size, count: 1,
        to: values + (flat - range.lowerBound))
    }
  }
}

/// The tensor behind `header`, whose bytes start at `offset` of `file`. The caller has checked that they lie inside.
package func numpyTensor(_ header: NumpyHeader, at offset: Int, in file: MappedFile) -> any TensorSource {
  let elements = MappedElements(file: file, byteOffset: offset + header.size, elementType: header.elementType)
  return header.isFortranOrder
    ? FortranTensor(shape: header.shape, elements: elements) : MappedTensor(shape: header.shape, elements: elements)
}
