import E3Host

/// A JSON object of a configuration, with the path to it, whose fields are read with their types checked.
///
/// Every reader returns nil for a missing or null field and throws an error that names file, field, value and
/// expectation.
struct ConfigObject {
  private let members: JSON
  private let path: String
  let file: String

  /// `path` is the object's path with a trailing dot, or empty for the root.
  init(value: JSON, path: String, file: String) {
    members = value
    self.path = path
    self.file = file
  }

  /// The object that a whole file is.
  ///
  /// - Throws: bad JSON, and JSON that is something else.
  init(parsing file: MappedFile) throws(FileError) {
    let value = try JSON(parsing: file.bytes, file: file.path)
    guard case .object = value else { throw FileError(file: file.path, problem: "no object of JSON, { … }") }
    self.init(value: value, path: "", file: file.path)
  }

  func fault(_ field: String, _ found: String, _ expected: String) -> FileError {
    FileError(file: file, problem: "\(path)\(field) is \(found), expected \(expected)")
  }

  /// The field with the path to it.
  func fullName(_ field: String) -> String { path + field }

  /// Names of the fields, in the order of the text.
  var fields: [String] {
    if case .object(let members) = members { members.map(\.key) } else { [] }
  }

  func has(_ field: String) -> Bool { members[field] != nil }

  /// - Parameter elsewhere: Paths from here to fields of other objects, for one that stands in the wrong place.
  /// - Throws: a field that is none of `known`: it might change what the model computes. A null one is not given.
  func requireKnown(_ known: Set<String>, elsewhere: [String] = []) throws(FileError) {
    guard case .object(let members) = members else { return }
    let unknown = members.filter { !known.contains($0.key) && !$0.key.hasPrefix("_") && $0.value != .null }.map(\.key)
    guard let field = unknown.first else { return }
    let others = unknown.count > 1 ? " (and \(unknown.count - 1) more)" : ""
    let free = known.sorted().filter { !has($0) } + elsewhere.filter { !has(path: $0) }
    let meant = FieldSpelling.meant(by: field, among: free).map { ", \(path)\($0) is probably meant" } ?? ""
    throw FileError(
      file: file,
      problem: "the field \(path)\(field)\(others) is not known\(meant): mend its name, or take it out if inference "
        + "does not depend on it")
  }

  private func has(path: String) -> Bool {
    var value: JSON? = members
    for part in path.split(separator: ".") { value = value?[String(part)] }
    return value != nil
  }

  /// A case by its raw value.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ field: String
  ) throws(FileError) -> Choice? where Choice.RawValue == String {
    try string(field, oneOf: Choice.allCases.map(\.rawValue)).flatMap(Choice.init)
  }

  /// The epsilon of a layer norm.
  func epsilon(_ field: String) throws(FileError) -> Float? {
    guard let number = try number(field) else { return nil }
    guard number > 0, number <= 1e-2, Float(number) > 0 else {
      throw fault(field, "\(number)", "a number above 0 and at most 0.01")
    }
    return Float(number)
  }

  /// One size for both sides, or two.
  func sides(_ field: String) throws(FileError) -> [Int]? {
    guard let value = value(field) else { return nil }
    guard case .number = value else { return try sizes(field, count: 2, maximum: ConfigDocument.sideLimit) }
    let side = try size(field, value, 1...ConfigDocument.sideLimit)
    return [side, side]
  }

  /// One number, or a list of one for each channel.
  func numbers(_ field: String) throws(FileError) -> [Float]? {
    guard let value = value(field) else { return nil }
    var numbers: [Float] = []
    let elements = if case .array(let elements) = value { elements } else { [value] }
    guard elements.count == 1 || elements.count == 3 else { throw fault(field, value.text(), "one number or three") }
    for element in elements {
      guard case .number(let number) = element, Float(number).isFinite else {
        throw fault(field, value.text(), "one number or three")
      }
      numbers.append(Float(number))
    }
    return numbers
  }

  /// Any text.
  func text(_ field: String) throws(FileError) -> String? {
    guard let value = value(field) else { return nil }
    guard case .string(let text) = value else { throw fault(field, value.text(), "text") }
    return text
  }

  /// The value as it stands; nil where there is none or it is null.
  func json(_ field: String) -> JSON? { value(field) }

  func isNull(_ field: String) -> Bool { members[field] == .null }

  func object(_ field: String) throws(FileError) -> ConfigObject? {
    guard let value = value(field) else { return nil }
    guard case .object = value else { throw fault(field, value.text(), "an object") }
    return ConfigObject(value: value, path: "\(path)\(field).", file: file)
  }

  func bool(_ field: String) throws(FileError) -> Bool? {
    guard let value = value(field) else { return nil }
    guard case .bool(let flag) = value else { throw fault(field, value.text(), "true or false") }
    return flag
  }

  /// The same where null is a value of its own, that Python takes for false.
  func flag(_ field: String) throws(FileError) -> Bool? {
    guard !isNull(field) else { throw fault(field, "null", "true or false") }
    return try bool(field)
  }

  func number(_ field: String) throws(FileError) -> Double? {
    guard let value = value(field) else { return nil }
    guard case .number(let number) = value else { throw fault(field, value.text(), "a number") }
    return number
  }

  func string(_ field: String, oneOf choices: [String]) throws(FileError) -> String? {
    guard let value = value(field) else { return nil }
    guard case .string(let text) = value, choices.contains(text) else {
      throw fault(field, value.text(), "one of \(choices.map { "\"\($0)\"" }.joined(separator: ", "))")
    }
    return text
  }

  func size(_ field: String, minimum: Int = 1, maximum: Int = ConfigDocument.sizeLimit) throws(FileError) -> Int? {
    guard let value = value(field) else { return nil }
    return try size(field, value, minimum...maximum)
  }

  func size(_ field: String, in choices: [Int]) throws(FileError) -> Int? {
    guard let value = value(field) else { return nil }
    guard let size = value.integer, choices.contains(size) else {
      throw fault(field, value.text(), "one of \(choices.map(String.init).joined(separator: ", "))")
    }
    return size
  }

  func sizes(_ field: String, count: Int, maximum: Int) throws(FileError) -> [Int]? {
    guard let value = value(field) else { return nil }
    guard case .array(let elements) = value, elements.count == count else {
      throw fault(field, value.text(), "\(count) whole numbers")
    }
    var sizes: [Int] = []
    for element in elements { sizes.append(try size(field, element, 1...maximum)) }
    return sizes
  }

  /// The texts of classes by their numbers: a list in the order of the classes, or an object whose keys are numbers.
  func labels(_ field: String) throws(FileError) -> [Int: String]? {
    guard let value = value(field) else { return nil }
    let elements: [(key: String, value: JSON)]
    switch value {
    case .array(let texts): elements = texts.enumerated().map { ("\($0.offset)", $0.element) }
    case .object(let members): elements = members
    default: throw fault(field, value.text(), "a text for each class from 0 on")
    }
    var labels: [Int: String] = [:]
    for (key, value) in elements {
      guard let index = Int(key), (0...ConfigDocument.sizeLimit).contains(index), labels[index] == nil,
        case .string(let label) = value
      else { throw fault(field, "\(value.text()) for \(key)", "a text for each class from 0 on") }
      labels[index] = label
    }
    return labels
  }

  func integers(_ field: String) throws(FileError) -> [Int]? {
    guard let value = value(field) else { return nil }
    guard case .array(let elements) = value else { throw fault(field, value.text(), "a list of whole numbers") }
    var integers: [Int] = []
    for element in elements { integers.append(try size(field, element, 0...ConfigDocument.sizeLimit)) }
    return integers
  }

  private func size(_ field: String, _ value: JSON, _ range: ClosedRange<Int>) throws(FileError) -> Int {
    guard let size = value.integer, range.contains(size) else {
      throw fault(field, value.text(), "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return size
  }

  private func value(_ field: String) -> JSON? {
    guard let value = members[field], value != .null else { return nil }
    return value
  }
}
