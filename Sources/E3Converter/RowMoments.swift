import CE3Float
import E3Reference

/// Means and second moments of the rows that a layer reads, and what rounding adds to them.
struct RowMoments {
  let width: Int
  private(set) var count = 0
  /// `[width]`
  private var sums: [Double]
  /// `[width][width]`, the part on and above the diagonal; below it only parts of blocks.
  private var products: [Float]
  /// Of all rows, the squares of the steps between the bytes that they are rounded to.
  private var squaredSteps = 0.0

  init(width: Int) {
    self.width = width
    sums = [Double](repeating: 0, count: width)
    products = [Float](repeating: 0, count: width * width)
  }

  /// Adds rows. Cost: rows * width² / 2 multiplications.
  mutating func add(_ rows: Matrix) {
    precondition(rows.columns == width)
    guard rows.rows > 0 else { return }
    count += rows.rows
    for row in 0..<rows.rows {
      var (low, high) = (Float(0), Float(0))
      for (column, value) in rows[row].enumerated() {
        sums[column] += Double(value)
        (low, high) = (min(low, value), max(high, value))
      }
      squaredSteps += Double((high - low) / 254) * Double((high - low) / 254)
    }
    rows.values.withUnsafeBufferPointer { values in
      products.withUnsafeMutableBufferPointer { products in
        // Blocks of lines, each from its diagonal on.
        for first in stride(from: 0, to: width, by: Self.block) {
          let columns = values.baseAddress! + first
          ce3_multiply_f32(
            min(Self.block, width - first), width - first, rows.rows, columns, 1, width, columns, width, 1, 1,
            products.baseAddress! + first * width + first, width)
        }
      }
    }
  }

  /// `[width]` mean of each channel; zeros without rows.
  var means: [Double] { sums.map { $0 / Double(max(count, 1)) } }

  /// Mean square of what rounding to bytes adds to a channel.
  var noise: Double { squaredSteps / Double(max(count, 1)) / 12 }

  /// Covariance of two channels whose means are `means`.
  func covariance(_ a: Int, _ b: Int, means: [Double]) -> Double {
    Double(products[min(a, b) * width + max(a, b)]) / Double(max(count, 1)) - means[a] * means[b]
  }

  private static let block = 64
}
