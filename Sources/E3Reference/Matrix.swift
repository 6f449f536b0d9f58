/// A row-major matrix of float32.
public struct Matrix: Equatable, Sendable {
  public private(set) var rows: Int
  public let columns: Int
  /// `[rows][columns]`
  public var values: [Float]

  /// - Precondition: `values` has `rows * columns` elements.
  public init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns)
    (self.rows, self.columns, self.values) = (rows, columns, values)
  }

  /// A matrix of zeros.
  init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: [Float](repeating: 0, count: rows * columns))
  }

  public subscript(row: Int) -> ArraySlice<Float> { values[row * columns..<(row + 1) * columns] }

  /// The rows of `range`.
  func rows(_ range: Range<Int>) -> Matrix {
    if range == 0..<rows { return self }
    let part = values[range.lowerBound * columns..<range.upperBound * columns]
    return Matrix(rows: range.count, columns: columns, values: Array(part))
  }

  /// Appends the rows of `other`, which are as wide.
  mutating func append(_ other: Matrix) {
    precondition(columns == other.columns)
    values += other.values
    rows += other.rows
  }

  /// The rows of `indices`, in that order.
  func gather(_ indices: [Int]) -> Matrix {
    var gathered: [Float] = []
    gathered.reserveCapacity(indices.count * columns)
    for index in indices { gathered += self[index] }
    return Matrix(rows: indices.count, columns: columns, values: gathered)
  }

  /// Adds `weight * row` to the row `index`.
  mutating func add(_ row: ArraySlice<Float>, weight: Float = 1, to index: Int) {
    precondition(row.count == columns)
    let start = index * columns
    for (i, value) in zip(start..<start + columns, row) { values[i] += weight * value }
  }

  /// Runs `body` on every row, which it may change.
  mutating func updateRows(_ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    updateRows(width: columns, body)
  }

  /// Runs `body` on every run of `width` values, as if the rows were that long.
  ///
  /// - Precondition: `width` divides the number of columns.
  mutating func updateRows(width: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    precondition(columns.isMultiple(of: width))
    values.withUnsafeMutableBufferPointer { buffer in
      for start in stride(from: 0, to: buffer.count, by: width) {
        body(UnsafeMutableBufferPointer(rebasing: buffer[start..<start + width]))
      }
    }
  }

  static func + (a: Matrix, b: Matrix) -> Matrix {
    var sum = a
    sum += b
    return sum
  }

  static func += (a: inout Matrix, b: Matrix) {
    precondition(a.rows == b.rows && a.columns == b.columns)
    for i in a.values.indices { a.values[i] += b.values[i] }
  }
}
