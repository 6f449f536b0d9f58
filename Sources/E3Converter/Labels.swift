import E3Checkpoint
import E3Format
import E3Host
import Glibc

/// Reads a label file: UTF-8, one label per line, the line number being the class index.
///
/// - Parameter note: Is told of a class without a name.
/// - Throws: an unreadable file or one that is none, another number of lines than `classCount`, bytes that are not UTF-8,
///   control characters, a line of which nothing can be seen, two classes of one label.
func readLabels(
  path: String, classCount: Int, note: (String) -> Void = { _ in }
) throws(FileError) -> [String] {
  // A pipe that nobody writes to would be waited for without end.
  if access(path, F_OK) == 0 { try requireFile(path, "with a label in each line") }
  let bytes = try readTextFile(path: path)
  guard let text = readableText(bytes) else {
    throw FileError(file: path, problem: "not UTF-8 text")
  }
  // Editors of some systems begin the file with a byte-order mark or end lines with CR LF.
  var lines = text.unicodeScalars.drop { $0 == "\u{FEFF}" }.split(separator: "\n", omittingEmptySubsequences: false)
    .map { line in String(String.UnicodeScalarView(line.last == "\r" ? line.dropLast() : line)) }
  if lines.last == "" { lines.removeLast() }
  guard lines.count == classCount else {
    // An empty line counts: it is the label of a class without a name.
    let empty = lines.firstIndex(of: "").map { " (line \($0 + 1) is empty)" } ?? ""
    throw FileError(
      file: path, problem: "\(counted(lines.count, "label"))\(empty), expected one for each of \(classCount) classes")
  }
  if let problem = labelProblem(lines) { throw FileError(file: path, problem: problem) }
  if let blank = lines.firstIndex(where: isBlank) {
    throw FileError(
      file: path,
      problem: "line \(blank + 1), the label of class \(blank), is nothing that can be seen: leave it empty for a "
        + "class without a name")
  }
  if let numbering = LineNumbering(lines) { try numbering.requireOrder(path: path, note: note) }
  let nameless = lines.indices.filter { lines[$0].isEmpty }
  if let first = nameless.first {
    note(
      "\(path): line \(first + 1) is empty: class \(first) has no name"
        + (nameless.count > 1 ? ", and \(nameless.count - 1) more" : ""))
  }
  return lines
}

/// The labels of a file: those of the label file, else those of the checkpoints' metadata where they can be used.
///
/// - Throws: a label file that cannot be used, or has the labels of a network's metadata in another order; metadata of
///   several networks that name the classes differently. Metadata that cannot be used are left out with a note: nobody
///   chose them.
func labels(
  for models: [SourceModel], path: String?, classCount: Int, note: (String) -> Void
) throws(FileError) -> [String]? {
  for model in models { try requireOneOrder(within: model, note: note) }
  try requireOneOrder(of: models)
  if let path {
    let labels = try readLabels(path: path, classCount: classCount, note: note)
    try requireOrder(of: models, labels, path: path, note: note)
    noteLookalikes(labels, file: path, note: note)
    return labels
  }
  var found: (labels: [String], path: String)?
  for model in models {
    guard let labels = labels(of: model, classCount: classCount, note: note) else { continue }
    let path = model.labelPath
    guard let first = found else {
      found = (labels, path)
      continue
    }
    guard first.labels.elementsEqual(labels, by: areSame) else {
      throw FileError(file: path, problem: "other labels of the classes than \(first.path): give --labels")
    }
  }
  return found?.labels
}

/// - Parameter note: Is told of a label that two lists of a checkpoint have at different classes, where too few are for
///   another order.
/// - Throws: names of the classes beside the weights that are the checkpoint's labels in another order.
private func requireOneOrder(within model: SourceModel, note: (String) -> Void) throws(FileError) {
  guard let own = model.labels else { return }
  for other in model.otherLabels {
    if let found = reordering(other.labels, own) {
      throw FileError(
        file: other.path,
        problem:
          "class \(found.index) is \"\(other.labels[found.index])\", but \"\(own[found.index])\" in \(model.labelPath), "
          + "which has \(found.text): correct the one of the two that is wrong")
    }
    if other.labels.count == own.count, let moved = firstMoved(other.labels, own) {
      note(
        "\(other.path): class \(moved.own) is \"\(other.labels[moved.own])\", which is class \(moved.other) in "
          + "\(model.labelPath): the latter is taken")
    }
  }
}

/// Networks that have the same classes in another order cannot be averaged, whatever the classes are called.
private func requireOneOrder(of models: [SourceModel]) throws(FileError) {
  let named = models.compactMap { model in model.labels.map { (labels: $0, path: model.labelPath) } }
  guard let first = named.first else { return }
  for other in named.dropFirst() {
    guard let found = reordering(other.labels, first.labels) else { continue }
    let index = found.index
    throw FileError(
      file: other.path,
      problem:
        "class \(index) is \"\(other.labels[index])\", but \"\(first.labels[index])\" in \(first.path), which has "
        + "\(found.text): the answers of such networks cannot be averaged; train or export this one with the classes in that "
        + "order, or correct its labels if they are wrong")
  }
}

/// - Parameter note: Is told of a label that a checkpoint has at another class, where too few are for another order.
/// - Throws: labels of a file that are those of a checkpoint in another order, which its classes do not have.
private func requireOrder(
  of models: [SourceModel], _ labels: [String], path: String, note: (String) -> Void
) throws(FileError) {
  for model in models {
    guard let own = model.labels else { continue }
    if let found = reordering(labels, own) {
      let index = found.index
      throw FileError(
        file: path,
        problem:
          "class \(index) is \"\(labels[index])\", but \"\(own[index])\" in \(model.labelPath), which has "
          + "\(found.text): leave --labels out, give them in that order, or correct those of the checkpoint if they are "
          + "wrong")
    }
    if let moved = firstMoved(labels, own) {
      note(
        "\(path): class \(moved.own) is \"\(labels[moved.own])\", which is class \(moved.other) in \(model.labelPath): "
          + "labels belong in the order of the classes")
    }
  }
}

/// The labels of a checkpoint's metadata; nil where there are none that can be used.
private func labels(of model: SourceModel, classCount: Int, note: (String) -> Void) -> [String]? {
  guard var labels = model.labels else { return nil }
  let file = model.labelPath
  let blank = labels.indices.filter { isBlank(labels[$0]) }
  for index in blank { labels[index] = "" }
  if let first = blank.first {
    note(
      "\(file): the label of class \(first)\(blank.count > 1 ? ", and \(blank.count - 1) more," : "") is nothing that can "
        + "be seen: no label is taken for it")
  }
  guard labels.contains(where: { !$0.isEmpty }) else { return nil }
  let problem =
    labels.count == classCount
    ? labelProblem(labels) : "\(counted(labels.count, "label")), expected one for each of \(classCount) classes"
  guard let problem else {
    noteLookalikes(labels, file: file, note: note)
    return labels
  }
  note("\(file): its labels are left out, \(problem): give --labels")
  return nil
}

/// Whether a label is there of which nothing can be seen.
private func isBlank(_ label: String) -> Bool {
  !label.isEmpty && Array(label.utf8).withUnsafeBytes { $0.isBlank }
}

/// Names two classes whose labels look the same.
private func noteLookalikes(_ labels: [String], file: String, note: (String) -> Void) {
  var classes: [[UInt8]: Int] = [:]
  for (index, label) in labels.enumerated() where !label.isEmpty {
    if let first = classes.updateValue(index, forKey: seen(label)) {
      note(
        "\(file): the labels of the classes \(first) and \(index), \"\(labels[first])\", differ only in characters that "
          + "cannot be seen")
      return
    }
  }
}

/// What can be seen of a label: its words without characters of no width, with one space between them.
private func seen(_ label: String) -> [UInt8] {
  let shown = label.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint }
  let words = shown.split { $0.properties.isWhitespace }
  return Array(words.map { String(String.UnicodeScalarView($0)) }.joined(separator: " ").utf8)
}

/// What is wrong with labels; nil when they can be stored.
private func labelProblem(_ labels: [String]) -> String? {
  var classes: [[UInt8]: Int] = [:]
  for (index, label) in labels.enumerated() {
    let bytes = Array(label.utf8)
    if !label.unicodeScalars.allSatisfy(UTF8Text.isPrintable) { return "label \(index) holds a control character" }
    // A class without a name has an empty line.
    if let first = classes[bytes], !label.isEmpty { return "label \(index) is that of class \(first) too" }
    classes[bytes] = classes[bytes] ?? index
  }
  return nil
}

/// The labels section: ends of the texts, then the texts.
func labelSection(_ labels: [String]) -> [UInt8] {
  var ends: [UInt8] = []
  var texts: [UInt8] = []
  for label in labels {
    texts += label.utf8
    withUnsafeBytes(of: UInt32(texts.count).littleEndian) { ends += $0 }
  }
  return ends + texts
}
