/// Labels that another list has at other classes.
package struct Reordering {
  /// The first class whose label the other list has elsewhere.
  package let index: Int
  /// How many do, to be put after `FILE, which has`.
  package let text: String
}

/// Whether a list has the labels of another one in another order; nil where it does not. Capitals and blanks do not tell
/// labels apart.
///
/// Some may be renamed as well: two at other classes are another order where both lists have at least half of the labels.
/// One alone may be a name that was given to another class, and among many new names two may meet by chance.
package func reordering(_ labels: [String], _ others: [String]) -> Reordering? {
  guard labels.count == others.count else { return nil }
  let (own, other) = (labels.map(words), others.map(words))
  func sorted(_ labels: [[UInt8]]) -> [[UInt8]] { labels.sorted { $0.lexicographicallyPrecedes($1) } }
  if sorted(own) == sorted(other) {
    return own.indices.first { own[$0] != other[$0] }
      .map { Reordering(index: $0, text: "the same labels in another order") }
  }
  let common = commonPlaces(own, other)
  let moved = common.filter { $0.own != $0.other }
  guard 2 * common.count >= labels.count, moved.count > 1 else { return nil }
  return Reordering(index: moved[0].own, text: "\(moved.count) of these labels at other classes")
}

/// The classes of the first label that two lists have at different ones; nil where there is none.
package func firstMoved(_ labels: [String], _ others: [String]) -> (own: Int, other: Int)? {
  commonPlaces(labels.map(words), others.map(words)).first { $0.own != $0.other }
}

/// The words of a label, in small letters.
private func words(_ label: String) -> [UInt8] {
  Array(label.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ").utf8)
}

/// Classes of the labels that a list has once; those without a name are left out.
private func places(_ labels: [[UInt8]]) -> [[UInt8]: Int] {
  Dictionary(grouping: labels.indices.filter { !labels[$0].isEmpty }) { labels[$0] }
    .compactMapValues { $0.count == 1 ? $0[0] : nil }
}

/// The classes of the labels that both lists have once, in order.
private func commonPlaces(_ labels: [[UInt8]], _ others: [[UInt8]]) -> [(own: Int, other: Int)] {
  let other = places(others)
  return places(labels).compactMap { label, own in other[label].map { (own, $0) } }.sorted { $0.own < $1.own }
}
