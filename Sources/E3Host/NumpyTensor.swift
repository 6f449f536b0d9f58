/// The tensor behind `header`, whose bytes start at `offset` of `file`. The caller has checked that they lie inside.
package func numpyTensor(_ header: NumpyHeader, at offset: Int, in file: MappedFile) -> any TensorSource {
  let elements = MappedElements(file: file, byteOffset: offset + header.size, elementType: header.elementType)
  guard header.isFortranOrder else { return MappedTensor(shape: header.shape, elements: elements) }
  // The first axis varies fastest.
  var strides = [Int](repeating: 1, count: header.shape.count)
  for axis in strides.indices.dropFirst() { strides[axis] = strides[axis - 1] * header.shape[axis - 1] }
  return StridedTensor(shape: header.shape, strides: strides, elements: elements)
}
