import Dispatch

/// Means and spreads of vectors in double precision; the same sums in the same order on every machine.
enum Gaussian {
  /// Added to the diagonal of a covariance, as a share of its mean: LayerNorm leaves directions without any spread.
  static let regularisation = 1e-6

  /// `[groups][size]` means of the rows of each group.
  ///
  /// - Parameters:
  ///   - row: gives the values of a row.
  ///   - group: of each row.
  static func means(
    _ row: (Int) -> UnsafePointer<Float>, group: [Int], groups: Int, size: Int
  ) -> [Double] {
    var sums = [Double](repeating: 0, count: groups * size)
    var counts = [Int](repeating: 0, count: groups)
    for (index, group) in group.enumerated() {
      let values = row(index)
      for i in 0..<size { sums[group * size + i] += Double(values[i]) }
      counts[group] += 1
    }
    for i in sums.indices { sums[i] /= Double(max(counts[i / size], 1)) }
    return sums
  }

  /// Covariance `[size][size]` (lower triangle) of the rows about the mean of their group, regularised.
  ///
  /// - Parameter shrinks: Draw it towards a multiple of the identity, as far as the rows tell it badly; rows that are
  ///   fewer than their values would leave directions without any spread. Source: Ledoit and Wolf 2004, "A
  ///   well-conditioned estimator for large-dimensional covariance matrices".
  ///
  /// Cost: rows * size^2 / 2 multiplications, over all processors.
  static func covariance(
    _ row: @Sendable (Int) -> UnsafePointer<Float>, group: [Int], means: [Double], size: Int,
    shrinks: Bool = false
  ) -> [Double] {
    var covariance = [Double](repeating: 0, count: size * size)
    let count = group.count
    covariance.withUnsafeMutableBufferPointer { buffer in
      // Blocks write rows of their own.
      nonisolated(unsafe) let sums = buffer
      let block = 8
      DispatchQueue.concurrentPerform(iterations: (size + block - 1) / block) { index in
        let rows = index * block..<min((index + 1) * block, size)
        var centred = [Double](repeating: 0, count: rows.upperBound)
        for n in 0..<count {
          let values = row(n)
          let mean = group[n] * size
          for j in 0..<rows.upperBound { centred[j] = Double(values[j]) - means[mean + j] }
          for i in rows {
            let factor = centred[i]
            for j in 0...i { sums[i * size + j] += factor * centred[j] }
          }
        }
        for i in rows {
          for j in 0...i { sums[i * size + j] /= Double(count) }
        }
      }
    }
    let trace = (0..<size).reduce(0.0) { $0 + covariance[$1 * size + $1] }
    if shrinks { shrink(&covariance, row, group: group, means: means, size: size, mean: trace / Double(size)) }
    for i in 0..<size { covariance[i * size + i] += regularisation * trace / Double(size) }
    return covariance
  }

  /// Draws `covariance` towards `mean` times the identity.
  private static func shrink(
    _ covariance: inout [Double], _ row: (Int) -> UnsafePointer<Float>, group: [Int], means: [Double], size: Int,
    mean: Double
  ) {
    // Squared Frobenius norms: of the covariance, and of each row's own product.
    var square = 0.0
    for i in 0..<size {
      for j in 0..<i { square += 2 * covariance[i * size + j] * covariance[i * size + j] }
      square += covariance[i * size + i] * covariance[i * size + i]
    }
    var fourth = 0.0
    for n in group.indices {
      let values = row(n)
      var length = 0.0
      for j in 0..<size {
        let value = Double(values[j]) - means[group[n] * size + j]
        length += value * value
      }
      fourth += length * length
    }
    let count = Double(group.count)
    let spread = square - Double(size) * mean * mean
    let doubt = (fourth / count - square) / count
    let share = spread > 0 ? min(max(doubt, 0) / spread, 1) : 1
    for i in 0..<size {
      for j in 0...i { covariance[i * size + j] *= 1 - share }
      covariance[i * size + i] += share * mean
    }
  }

  /// The lower-triangular W `[size][size]` with W S W^T = 1: the inverse of the Cholesky factor of `covariance` S.
  ///
  /// - Returns: nil when S is not positive definite.
  static func whitening(_ covariance: [Double], size: Int) -> [Double]? {
    guard let factor = cholesky(covariance, size: size) else { return nil }
    var inverse = [Double](repeating: 0, count: size * size)
    for column in 0..<size {
      for row in column..<size {
        var sum = row == column ? 1.0 : 0
        for k in column..<row { sum -= factor[row * size + k] * inverse[k * size + column] }
        inverse[row * size + column] = sum / factor[row * size + row]
      }
    }
    return inverse
  }

  /// The lower-triangular L with L L^T = S, from the lower triangle of S.
  private static func cholesky(_ covariance: [Double], size: Int) -> [Double]? {
    var factor = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0...row {
        var sum = covariance[row * size + column]
        for k in 0..<column { sum -= factor[row * size + k] * factor[column * size + k] }
        if row == column {
          guard sum > 0, sum.isFinite else { return nil }
          factor[row * size + row] = sum.squareRoot()
        } else {
          factor[row * size + column] = sum / factor[column * size + column]
        }
      }
    }
    return factor
  }
}
