import E3Host

/// A JSON object of a configuration, with the path to it, whose fields are read with their types checked.
///
/// Every reader returns nil for a missing or null field and throws an error that names file, field, value and expectation.
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

  func fault(_ field: String, _ found: String, _ expected: String) -> FileError {
    FileError(file: file, problem: "\(path)\(field) is \(found), expected \(expected)")
  }

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
