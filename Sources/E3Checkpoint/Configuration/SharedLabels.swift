/// Labels that several classes share, as ImageNet's "crane", told apart; the others as they are.
///
/// - Parameters:
///   - names: what else tells classes apart, one for each: synsets. Without them, or where these are shared too, their
///     numbers do.
///   - file: of the labels, for the note.
func distinctLabels(_ labels: [String], names: [String]? = nil, file: String, notes: inout [String]) -> [String] {
  var classes: [[UInt8]: [Int]] = [:]
  for (index, label) in labels.enumerated() where !label.isEmpty {
    classes[Array(label.utf8), default: []].append(index)
  }
  let shared = classes.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
  guard let first = shared.first else { return labels }
  var distinct = labels
  for group in shared {
    let marks = names.map { names in group.map { names[$0] } } ?? []
    let areNames = Set(marks.map { Array($0.utf8) }).count == group.count && !marks.contains("")
    for (place, index) in group.enumerated() {
      distinct[index] = "\(labels[index]) (\(areNames ? marks[place] : "\(index)"))"
    }
  }
  let more = shared.count > 1 ? ", and so on for \(shared.count - 1) more" : ""
  notes.append(
    "\(file): the classes \(listed(first.map { "\($0)" })) have one label, and are told apart: "
      + "\(listed(first.map { "\"\(distinct[$0])\"" }))\(more)")
  return distinct
}

/// `a and b`, `a, b and c`; of many the first ones.
private func listed(_ texts: [String]) -> String {
  guard texts.count <= 4 else { return "\(texts.prefix(3).joined(separator: ", ")) and \(texts.count - 3) more" }
  return texts.dropLast().joined(separator: ", ") + " and " + (texts.last ?? "")
}
