/// A parsed JSON value. Objects keep the order of the text and have no duplicate keys.
package enum JSON: Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([(key: String, value: JSON)])

  /// Longest text that becomes a tree, which is some ten times as large. Configurations with the names of 22,000
  /// classes take 2 MB.
  package static let sizeLimit = 8 << 20

  /// Parses `text`, all of it. A byte-order mark before it, which some editors write, is passed over.
  ///
  /// - Throws: bad JSON, with the byte where it went wrong; duplicate keys; nesting beyond 32 levels; a text beyond
  ///   ``sizeLimit``. `file` names the text in errors.
  package init(parsing text: UnsafeRawBufferPointer, file: String) throws(FileError) {
    guard text.count <= Self.sizeLimit else {
      throw FileError(file: file, problem: "\(text.count) bytes of JSON, expected at most \(Self.sizeLimit)")
    }
    var reader = JSONReader(text, file: file)
    reader.skipMark()
    self = try JSON(&reader)
    try reader.requireEnd()
  }

  private init(_ reader: inout JSONReader) throws(FileError) {
    switch try reader.kind() {
    case .null:
      try reader.readNull()
      self = .null
    case .bool: self = .bool(try reader.readBool())
    case .number: self = .number(try reader.readNumber())
    case .string: self = .string(try reader.readString())
    case .array:
      var elements: [JSON] = []
      try reader.readArray { (reader) throws(FileError) in elements.append(try JSON(&reader)) }
      self = .array(elements)
    case .object:
      var members: [(key: String, value: JSON)] = []
      try reader.readObject { (reader, key) throws(FileError) in members.append((key, try JSON(&reader))) }
      self = .object(members)
    }
  }

  /// Value of `key`; nil when this is no object or has no such key.
  package subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// The number as an integer; nil when this is no number or one with a fraction or beyond 2^53.
  package var integer: Int? {
    guard case .number(let value) = self, value.magnitude <= 0x1p53 else { return nil }
    return Int(exactly: value)
  }

  /// The value in JSON, cut to `limit` characters: for messages.
  package func text(limit: Int = 60) -> String {
    let text =
      switch self {
      case .null: "null"
      case .bool(let value): value ? "true" : "false"
      case .number(let value): integer.map { "\($0)" } ?? "\(value)"
      case .string(let value): "\"\(value)\""
      case .array(let elements): "[\(elements.prefix(8).map { $0.text(limit: 12) }.joined(separator: ", "))]"
      case .object: "an object"
      }
    return text.count <= limit ? text : "\(text.prefix(limit))…"
  }

  package static func == (a: JSON, b: JSON) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a == b
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)):
      a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    default: false
    }
  }
}
