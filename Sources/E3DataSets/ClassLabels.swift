import E3Host

/// Reads the labels of a data set: an IDX file (gzip too) or a `.npy` array of integers `[N]`, or a text file with one
/// integer a line; lines without any text are passed over.
///
/// - Parameter requireCount: Refuses a number of labels that is not wanted: of a compressed file before it is inflated.
/// - Throws: a file that is none of these, a label that is negative.
public func readClassLabels(
  path: String, requireCount: (Int) throws(FileError) -> Void = { _ in }
) throws(FileError) -> [Int] {
  let labels =
    switch try FileForm(path: path) {
    case .npy: try readNumpyLabels(path: path)
    case .idx, .gzip: try readIDXLabels(path: path, requireCount)
    case .other: try readTextLabels(path: path)
    }
  try requireCount(labels.count)
  if let index = labels.firstIndex(where: { $0 < 0 }) {
    throw FileError(file: path, problem: "label \(index) is \(labels[index]), expected a class from 0")
  }
  return labels
}

private func readIDXLabels(
  path: String, _ requireCount: (Int) throws(FileError) -> Void
) throws(FileError) -> [Int] {
  func requireAxis(_ shape: [Int]) throws(FileError) {
    guard shape.count == 1 else { throw FileError(file: path, problem: "shape \(shape), expected [N] labels") }
  }
  let file = try IDXFile(path: path) { (header, _) throws(FileError) in
    try requireAxis(header.shape)
    try requireCount(header.shape[0])
  }
  try requireAxis(file.shape)
  return file.integers()
}

private func readNumpyLabels(path: String) throws(FileError) -> [Int] {
  let file = try NumpyFile(path: path)
  switch file.elementType {
  case .float16, .bfloat16, .float32, .float64:
    throw FileError(file: path, problem: "labels of type \(file.elementType.rawValue), expected integers")
  default: break
  }
  guard file.shape.count == 1 else {
    throw FileError(file: path, problem: "shape \(file.shape), expected [N] labels")
  }
  let values = try file.values(0..<file.shape[0])
  // A class index above 2^24 would not survive the float; no model has so many classes.
  if let index = values.firstIndex(where: { abs($0) > 16_777_216 }) {
    throw FileError(file: path, problem: "label \(index) is \(values[index]), expected a class index")
  }
  return values.map { Int($0) }
}

private func readTextLabels(path: String) throws(FileError) -> [Int] {
  let file = try MappedFile(path: path)
  guard let text = readableText(file.bytes) else {
    throw FileError(file: path, problem: "neither IDX, .npy nor text")
  }
  var labels: [Int] = []
  // Some programs begin a text with a byte-order mark and pad its lines.
  let lines = text.drop { $0 == "\u{FEFF}" }.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
  for (number, line) in lines.enumerated() {
    let words = line.split(whereSeparator: \.isWhitespace)
    if words.isEmpty { continue }
    guard words.count == 1, let label = Int(words[0]) else {
      throw FileError(file: path, problem: "line \(number + 1) is not an integer")
    }
    labels.append(label)
  }
  return labels
}

extension DataSet {
  /// How the folders of classes are found among a model's classes.
  public enum FolderMatching: String, Sendable {
    case label, number
  }

  /// How the folders are found among the classes of a model with these texts; nil for a data set of another form.
  public func folderMatching(modelLabels: [String]) -> FolderMatching? {
    classNames.map { $0.allSatisfy { name in modelLabels.contains { areSame($0, name) } } ? .label : .number }
  }

  /// What is said of folders called by the numbers of classes, of a model without labels: torchvision's ImageFolder, by
  /// which it may have been trained, numbers them in another order. Nil where the orders are the same.
  public func numberRemark(modelLabels: [String]) -> String? {
    guard let classNames, modelLabels.allSatisfy(\.isEmpty) else { return nil }
    let numbers = classNames.compactMap { Int($0) }
    // Names stand in the order of their bytes.
    guard numbers.count == classNames.count,
      let place = zip(numbers, numbers.dropFirst()).enumerated().first(where: { $0.element.0 > $0.element.1 })?.offset
    else { return nil }
    let first = numbers.sorted().prefix(3).map { "\($0)" }.joined(separator: ", ")
    return "\(path): its folders are classes by their numbers (\(first), …); torchvision's ImageFolder has them in the "
      + "order of the texts (… \(classNames[place]), \(classNames[place + 1]), …): "
      + "if the training had that one, give pack the names in it with --labels"
  }

  /// The labels as classes of a model with `classCount` classes whose texts are `modelLabels` (empty: it has none).
  ///
  /// The folders of a folder of classes are matched by name: each must be the text of a class, byte by byte, or each
  /// the number of one. Labels of other forms are class numbers already.
  /// - Returns: nil for a data set without labels.
  /// - Throws: a label or a folder that is no class of the model.
  public func classes(classCount: Int, modelLabels: [String]) throws(FileError) -> [Int]? {
    guard let labels else { return nil }
    guard let classNames else {
      if let index = labels.firstIndex(where: { $0 >= classCount }) {
        throw FileError(
          file: labelPath ?? path,
          problem: "label \(firstIndex + index) is \(labels[index]), but the model has "
            + counted(classCount, "class", "classes"))
      }
      return labels
    }
    let numbers = classNames.map { name in Int(name).flatMap { (0..<classCount).contains($0) ? $0 : nil } }
    let matched = classNames.map { name in modelLabels.firstIndex { areSame($0, name) } }
    if let stray = classNames.indices.first(where: { matched[$0] == nil && numbers[$0] == nil }) {
      let name = classNames[stray]
      throw FileError(
        file: "\(path)/\(name)",
        // `==` takes them for the same.
        problem: modelLabels.contains(name)
          ? "the folder is the label of a class of the model, written with other bytes: rename it"
          : "the folder is neither the label nor the number of a class of the model, "
            + (modelLabels.isEmpty
              ? "whose classes have no labels (e3-convert pack --labels)"
              : "which has \(modelLabels.prefix(4).joined(separator: ", "))\(modelLabels.count > 4 ? ", …" : "")"))
    }
    let indices = matched.contains(nil) ? numbers : matched
    // Labels may be numbers in another order, as torchvision's ImageFolder has them: 0, 1, 10, 2.
    if let stray = matched.firstIndex(of: nil), !numbers.contains(nil),
      let other = classNames.indices.first(where: { matched[$0] != nil && matched[$0] != numbers[$0] }),
      let class_ = matched[other]
    {
      throw FileError(
        file: path,
        problem:
          "the folder \(classNames[other]) is the label of class \(class_), and \(classNames[stray]) is no label but "
          + "the number of a class: call every folder by its class's label")
    }
    if let label = indices.firstIndex(of: nil), let number = matched.firstIndex(of: nil) {
      let (label, number) = (classNames[label], classNames[number])
      throw FileError(
        file: path,
        problem: "labels and numbers of classes are mixed, as in the folders \(label) and \(number): use one of the two"
      )
    }
    let classes = indices.compactMap { $0 }
    return labels.map { classes[$0] }
  }
}
