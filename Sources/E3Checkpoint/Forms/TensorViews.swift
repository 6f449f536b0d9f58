import E3Host

/// A tensor whose values cannot be read, with the reason. It is no fault of a file to hold one that nobody asks for.
struct UnreadableTensor: TensorSource {
  let shape: [Int]
  let problem: String?
  var elementType: ElementType { .uint8 }

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    throw FileError(file: "", problem: problem ?? "")
  }
}

/// The elements from `offset` on of another tensor, in another shape.
struct SlicedTensor: TensorSource {
  let base: any TensorSource
  let offset: Int
  let shape: [Int]

  var elementType: ElementType { base.elementType }
  var problem: String? { base.problem }

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    try base.read(range.lowerBound + offset..<range.upperBound + offset, into: values)
  }
}

/// A tensor with its axes in another order, as PyTorch's matrices are to flax's.
struct PermutedTensor: TensorSource {
  let base: any TensorSource
  /// Axis j is axis `order[j]` of the base.
  let order: [Int]
  let shape: [Int]

  /// - Precondition: `order` is a permutation of the base's axes.
  init(_ base: any TensorSource, order: [Int]) {
    precondition(order.sorted() == Array(base.shape.indices))
    (self.base, self.order) = (base, order)
    shape = order.map { base.shape[$0] }
  }

  var elementType: ElementType { base.elementType }
  var problem: String? { base.problem }

  /// Values of the base that are held at a time.
  private static let block = 1 << 18

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    guard let inner = base.shape.last, let count = elementCount(of: shape), count > 0 else { return }
    // Distance between neighbours along each of the base's axes.
    var strides = [Int](repeating: 1, count: shape.count)
    var stride = 1
    for axis in order.reversed() {
      strides[axis] = stride
      stride *= base.shape[axis]
    }
    let innerStride = strides[strides.count - 1]
    let runsPerBlock = max(1, Self.block / inner)
    var index = [Int](repeating: 0, count: shape.count - 1)
    var position = 0
    for first in Swift.stride(from: 0, to: count, by: runsPerBlock * inner) {
      let part = try base.values(first..<min(count, first + runsPerBlock * inner))
      part.withUnsafeBufferPointer { part in
        for run in Swift.stride(from: 0, to: part.count, by: inner) {
          var target = position
          for i in run..<run + inner {
            if range.contains(target) { values[target - range.lowerBound] = part[i] }
            target += innerStride
          }
          for axis in index.indices.reversed() {
            index[axis] += 1
            position += strides[axis]
            if index[axis] < base.shape[axis] { break }
            position -= index[axis] * strides[axis]
            index[axis] = 0
          }
        }
      }
    }
  }
}

/// A tensor times one factor for each of its outputs, the last axis: a LayerScale folded into the layer before it.
struct ScaledTensor: TensorSource {
  let base: any TensorSource
  /// As many values as the last axis has.
  let factors: any TensorSource

  var shape: [Int] { base.shape }
  var elementType: ElementType { base.elementType }
  var problem: String? { base.problem ?? factors.problem }

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    let factors = try factors.allValues()
    try base.read(range, into: values)
    for i in range { values[i - range.lowerBound] *= factors[i % factors.count] }
  }
}

/// A small tensor that is computed from others, all of it at a time.
struct ComputedTensor: TensorSource {
  let shape: [Int]
  let parts: [any TensorSource]
  /// Gives as many values as the shape has.
  let compute: @Sendable ([[Float]]) -> [Float]

  var elementType: ElementType { .float32 }
  var problem: String? { parts.lazy.compactMap(\.problem).first }

  /// Zeros, for a bias that a checkpoint leaves out.
  static func zeros(_ shape: [Int]) -> ComputedTensor {
    let count = elementCount(of: shape) ?? 0
    return ComputedTensor(shape: shape, parts: []) { _ in [Float](repeating: 0, count: count) }
  }

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    var inputs: [[Float]] = []
    for part in parts { inputs.append(try part.allValues()) }
    let result = compute(inputs)
    for i in range { values[i - range.lowerBound] = result[i] }
  }
}
