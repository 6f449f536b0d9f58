import CE3Float

/// The factor L of a symmetric matrix LLᵀ, block by block.
struct CholeskyFactor {
  private let size: Int
  /// `[size][size]` Lᵀ; zeros below the diagonal.
  private var lines: [Double]

  /// - Parameter matrix: `[size][size]`, of which the part on and above the diagonal counts.
  /// - Returns: nil of a matrix that is not positive definite, as far as its digits tell.
  init?(_ matrix: [Double], size: Int) {
    precondition(matrix.count == size * size)
    (self.size, lines) = (size, matrix)
    for start in stride(from: 0, to: size, by: Self.block) {
      let end = min(start + Self.block, size)
      multiply(start..<end, by: 0..<start, from: start)
      for line in start..<end {
        for above in start..<line {
          let factor = lines[above * size + line]
          for column in line..<size { lines[line * size + column] -= factor * lines[above * size + column] }
        }
        let pivot = lines[line * size + line]
        guard pivot > 0, pivot.isFinite else { return nil }
        let root = pivot.squareRoot()
        for column in line..<size { lines[line * size + column] /= root }
      }
    }
    for line in 0..<size { for column in 0..<line { lines[line * size + column] = 0 } }
  }

  /// `[size][size]` Lᵀ, each line divided by its element on the diagonal.
  var linesByDiagonal: [Float] {
    lines.indices.map { Float(lines[$0] / lines[$0 / size * size + $0 / size]) }
  }

  /// Replaces `values` `[size][columns]` by x, with LLᵀx what they were.
  func solve(_ values: inout [Double], columns: Int) {
    precondition(values.count == size * columns)
    values.withUnsafeMutableBufferPointer { values in
      lines.withUnsafeBufferPointer { lines in
        let (values, lines) = (values.baseAddress!, lines.baseAddress!)
        for start in stride(from: 0, to: size, by: Self.block) {
          let end = min(start + Self.block, size)
          ce3_multiply_f64(
            end - start, columns, start, lines + start, 1, size, values, columns, 1, -1, values + start * columns,
            columns)
          for line in start..<end {
            for above in start..<line { subtract(above, lines[above * size + line], from: line) }
            divide(line)
          }
        }
        for start in stride(from: 0, to: size, by: Self.block).reversed() {
          let end = min(start + Self.block, size)
          ce3_multiply_f64(
            end - start, columns, size - end, lines + start * size + end, size, 1, values + end * columns, columns, 1,
            -1,
            values + start * columns, columns)
          for line in (start..<end).reversed() {
            for below in line + 1..<end { subtract(below, lines[line * size + below], from: line) }
            divide(line)
          }
        }
        func subtract(_ other: Int, _ factor: Double, from line: Int) {
          for column in 0..<columns { values[line * columns + column] -= factor * values[other * columns + column] }
        }
        func divide(_ line: Int) {
          for column in 0..<columns { values[line * columns + column] /= lines[line * size + line] }
        }
      }
    }
  }

  /// Takes from lines, from column `first` on, what the finished lines `above` make there.
  private mutating func multiply(_ range: Range<Int>, by above: Range<Int>, from first: Int) {
    let size = size
    lines.withUnsafeMutableBufferPointer { lines in
      let lines = lines.baseAddress!
      ce3_multiply_f64(
        range.count, size - first, above.count, lines + first, 1, size, lines + first, size, 1, -1,
        lines + range.lowerBound * size + first, size)
    }
  }

  private static let block = 64
}
