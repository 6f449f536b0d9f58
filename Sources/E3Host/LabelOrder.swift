/// The first class whose label differs between two lists of the same labels in another order; nil where the order is the
/// same, or the labels are others. Labels are the same by their bytes.
package func firstReordered(_ labels: [String], _ others: [String]) -> Int? {
  func sorted(_ labels: [String]) -> [[UInt8]] {
    labels.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
  }
  guard labels.count == others.count, sorted(labels) == sorted(others) else { return nil }
  return labels.indices.first { !areSame(labels[$0], others[$0]) }
}
