/// The first class whose label differs between two lists of the same labels in another order; nil where the order is the
/// same, or the labels are others. Capitals and blanks do not tell labels apart.
package func firstReordered(_ labels: [String], _ others: [String]) -> Int? {
  func words(_ label: String) -> [UInt8] {
    Array(label.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ").utf8)
  }
  let (own, other) = (labels.map(words), others.map(words))
  func sorted(_ labels: [[UInt8]]) -> [[UInt8]] { labels.sorted { $0.lexicographicallyPrecedes($1) } }
  guard own.count == other.count, sorted(own) == sorted(other) else { return nil }
  return own.indices.first { own[$0] != other[$0] }
}
