import E3Host

/// A box of an array, stored in C order in one or more pieces.
struct Chunk {
  /// Elements `start ..< start + count` of the box, in C order.
  struct Piece {
    let start: Int
    let count: Int
    let elements: MappedElements
  }

  let region: ArrayRegion
  /// In ascending order, without gaps, filling the region.
  let pieces: [Piece]

  /// Reads the elements `range` of the box.
  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    var low = 0
    var high = pieces.count
    while low + 1 < high {
      let middle = (low + high) / 2
      if pieces[middle].start <= range.lowerBound { low = middle } else { high = middle }
    }
    var position = range.lowerBound
    while position < range.upperBound {
      let piece = pieces[low]
      let end = min(range.upperBound, piece.start + piece.count)
      piece.elements.read(position - piece.start..<end - piece.start, into: values + (position - range.lowerBound))
      position = end
      low += 1
    }
  }
}

/// A tensor stored as boxes that tile it.
struct ChunkedTensor: TensorSource {
  let shape: [Int]
  let elementType: ElementType
  let chunks: [Chunk]

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    for chunk in chunks {
      copy(chunk, range, into: values)
      // Runs may be too short to give back their pages one by one.
      for piece in chunk.pieces { piece.elements.release(0..<piece.count) }
    }
  }

  /// Copies the part of `chunk` that lies in the flat `range` of the array, run by run: a run is as much as lies
  /// together both in the chunk and in the array.
  private func copy(_ chunk: Chunk, _ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    let axes = chunk.region.axes
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }

    // Axes that the chunk spans entirely continue the run of the axis before them.
    var runAxis = max(0, shape.count - 1)
    while runAxis > 0, axes[runAxis].count == shape[runAxis] { runAxis -= 1 }
    let run = shape.isEmpty ? 1 : axes[runAxis].count * strides[runAxis]
    let runCount = (elementCount(of: chunk.region.shape) ?? 0) / run

    var index = axes.prefix(runAxis).map(\.lowerBound)
    for number in 0..<runCount {
      var start = shape.isEmpty ? 0 : axes[runAxis].lowerBound * strides[runAxis]
      for axis in index.indices { start += index[axis] * strides[axis] }
      if start >= range.upperBound { return }
      let part = (start..<start + run).clamped(to: range)
      if !part.isEmpty {
        let inChunk = number * run - start
        chunk.read(
          part.lowerBound + inChunk..<part.upperBound + inChunk, into: values + (part.lowerBound - range.lowerBound))
      }
      for axis in index.indices.reversed() {
        index[axis] += 1
        if index[axis] < axes[axis].upperBound { break }
        index[axis] = axes[axis].lowerBound
      }
    }
  }
}
