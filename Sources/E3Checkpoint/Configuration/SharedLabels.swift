/// Labels that several classes share, as ImageNet's "crane", told apart; the others as they are. No two are the same, but
/// for empty ones.
///
/// - Parameters:
///   - names: what else tells classes apart, one for each: synsets. Without them, or where these are shared too, their
///     numbers do, once more where another class is called so.
///   - file: of the labels, for the note.
func distinctLabels(_ labels: [String], names: [String]? = nil, file: String, notes: inout [String]) -> [String] {
  var classes: [[UInt8]: [Int]] = [:]
  for (index, label) in labels.enumerated() where !label.isEmpty {
    classes[Array(label.utf8), default: []].append(index)
  }
  let shared = classes.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
  guard let first = shared.first else { return labels }
  var (distinct, taken) = (labels, Set(classes.keys))
  for group in shared {
    let marks = names.map { names in group.map { names[$0] } } ?? []
    let areNames = Set(marks.map { Array($0.utf8) }).count == group.count && !marks.contains("")
    for (place, index) in group.enumerated() {
      distinct[index] = "\(labels[index]) (\(areNames ? marks[place] : "\(index)"))"
      while !taken.insert(Array(distinct[index].utf8)).inserted { distinct[index] += " (\(index))" }
    }
  }
  let more = shared.count > 1 ? ", and so on for \(shared.count - 1) more" : ""
  notes.append(
    "\(file): the classes \(listed(first.map { "\($0)" })) have one label, and are told apart: "
      + "\(listed(first.map { "\"\(distinct[$0])\"" }))\(more)")
  return distinct
}

/// Says which classes of `field` have no label, where there are any.
func noteNameless(_ labels: [String], _ field: String, file: String, notes: inout [String]) {
  let nameless = labels.indices.filter { labels[$0].isEmpty }
  guard let first = nameless.first else { return }
  let more = nameless.count > 1 ? ", and \(nameless.count - 1) more" : ""
  notes.append("\(file): \(field) has no text for class \(first)\(more): no label is taken for it")
}

/// `a and b`, `a, b and c`; of many the first ones.
private func listed(_ texts: [String]) -> String {
  guard texts.count <= 4 else { return "\(texts.prefix(3).joined(separator: ", ")) and \(texts.count - 3) more" }
  return texts.dropLast().joined(separator: ", ") + " and " + (texts.last ?? "")
}
