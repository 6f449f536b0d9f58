/// Rounds rows as the runtime does (KERNELS.md), but keeps them in float: to measure what one rounding does.
public struct RowRounding: RowVisitor {
  /// What is rounded.
  public enum Source: String, CaseIterable, Sendable {
    case patches
    case norm0, queries, keys, values, probabilities, contexts
    case norm1, hidden
  }

  private let sources: Set<Source>
  private let headSize, tokenCount: Int

  public init(_ sources: Set<Source>, headSize: Int, tokenCount: Int) {
    (self.sources, self.headSize, self.tokenCount) = (sources, headSize, tokenCount)
  }

  public func visit(_ rows: inout Matrix, at place: RowPlace) {
    guard let source = place.source, sources.contains(source) else { return }
    switch source {
    case .patches, .norm0, .contexts, .norm1, .hidden: roundRows(&rows, width: rows.columns)
    case .queries: roundRows(&rows, width: headSize)
    case .keys:
      centreColumns(&rows)
      rows.updateRows(width: headSize) { row in
        let largest = row.reduce(0) { max($0, abs($1)) }
        guard largest >= Self.zero else { return }
        for i in row.indices { row[i] = (row[i] * (127 / largest)).rounded(.toNearestOrEven) * (largest / 127) }
      }
    case .values: roundColumns(&rows)
    case .probabilities:
      rows.updateRows { row in
        var change: Float = 0
        for i in row.indices {
          let rounded = (row[i] * 254).rounded(.toNearestOrEven) / 254
          change += rounded - row[i]
          row[i] = rounded
        }
        // The mean of the values is added as it is: only their differences meet the errors.
        for i in row.indices { row[i] -= change / Float(row.count) }
      }
    }
  }

  /// Each run of `width` values over its own range, 0 included.
  private func roundRows(_ rows: inout Matrix, width: Int) {
    rows.updateRows(width: width) { row in
      var (low, high) = (Float(0), Float(0))
      for value in row { (low, high) = (min(low, value), max(high, value)) }
      let middle = high / 2 + low / 2
      let largest = max(high - middle, middle - low)
      guard largest >= Self.zero else { return }
      for i in row.indices {
        row[i] = ((row[i] - middle) * (127 / largest)).rounded(.toNearestOrEven) * (largest / 127) + middle
      }
    }
  }

  /// Keys lose what all tokens of a sequence have in common: softmax does not see it.
  private func centreColumns(_ rows: inout Matrix) {
    forEachSequenceColumn(&rows) { column in
      let mean = column.reduce(0, +) / Float(column.count)
      return column.map { $0 - mean }
    }
  }

  /// Values are centred, rounded column by column, and get their mean back.
  private func roundColumns(_ rows: inout Matrix) {
    forEachSequenceColumn(&rows) { column in
      let mean = column.reduce(0, +) / Float(column.count)
      let largest = column.reduce(0) { max($0, abs($1 - mean)) }
      guard largest >= Self.zero else { return column }
      return column.map { (($0 - mean) * (127 / largest)).rounded(.toNearestOrEven) * (largest / 127) + mean }
    }
  }

  private func forEachSequenceColumn(_ rows: inout Matrix, _ body: ([Float]) -> [Float]) {
    let columns = rows.columns
    for start in stride(from: 0, to: rows.rows, by: tokenCount) {
      for column in 0..<columns {
        let changed = body((0..<tokenCount).map { rows.values[(start + $0) * columns + column] })
        for (token, value) in changed.enumerated() { rows.values[(start + token) * columns + column] = value }
      }
    }
  }

  /// Rows with no larger value stay as they are.
  private static let zero: Float = 1e-30
}

extension RowPlace {
  /// Which rounding of the encoder it is; nil after the blocks.
  fileprivate var source: RowRounding.Source? {
    switch self {
    case .patches: .patches
    case .norm0: .norm0
    case .queries: .queries
    case .keys: .keys
    case .values: .values
    case .probabilities: .probabilities
    case .contexts: .contexts
    case .norm1: .norm1
    case .hidden: .hidden
    case .mapTokens, .mapContexts, .mapNorm, .mapHidden, .pooled: nil
    }
  }
}
