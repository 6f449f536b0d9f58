import CJSON

/// A parsed JSON value. Objects keep the order of the text and have no duplicate keys.
package enum JSON: Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([(key: String, value: JSON)])

  /// Deepest nesting that is read. Configurations and tensor tables need 6.
  private static let depthLimit = 32

  /// Parses `text`, all of it.
  ///
  /// - Throws: bad JSON, with the byte where it went wrong; duplicate keys; nesting beyond 32 levels. `file` names the
  ///   text in errors.
  package init(parsing text: UnsafeRawBufferPointer, file: String) throws(FileError) {
    guard let base = text.baseAddress, !text.isEmpty else {
      throw FileError(file: file, problem: "empty where JSON was expected")
    }
    let start = base.assumingMemoryBound(to: CChar.self)
    var end: UnsafePointer<CChar>?
    guard let root = cJSON_ParseWithLengthOpts(start, text.count, &end, 0) else {
      throw FileError(file: file, problem: "not valid JSON near byte \(end.map { $0 - start } ?? 0)")
    }
    defer { cJSON_Delete(root) }
    let parsed = end.map { $0 - start } ?? text.count
    // safetensors pads its header with spaces, editors end a file with newlines.
    guard text[min(parsed, text.count)...].allSatisfy({ $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }) else {
      throw FileError(file: file, problem: "bytes after the JSON value at byte \(parsed)")
    }
    self = try JSON(root.pointee, depth: 0, file: file)
  }

  private init(_ node: cJSON, depth: Int, file: String) throws(FileError) {
    guard depth < JSON.depthLimit else {
      throw FileError(file: file, problem: "JSON nested deeper than \(JSON.depthLimit) levels")
    }
    switch Int(node.type & 0xFF) {
    case Int(cJSON_False): self = .bool(false)
    case Int(cJSON_True): self = .bool(true)
    case Int(cJSON_NULL): self = .null
    case Int(cJSON_Number): self = .number(node.valuedouble)
    case Int(cJSON_String): self = .string(String(cString: node.valuestring))
    case Int(cJSON_Array):
      var elements: [JSON] = []
      var child = node.child
      while let element = child {
        elements.append(try JSON(element.pointee, depth: depth + 1, file: file))
        child = element.pointee.next
      }
      self = .array(elements)
    default:
      var members: [(key: String, value: JSON)] = []
      var keys: Set<String> = []
      var child = node.child
      while let member = child {
        let key = String(cString: member.pointee.string)
        guard keys.insert(key).inserted else {
          throw FileError(file: file, problem: "duplicate JSON key \"\(key)\"")
        }
        members.append((key, try JSON(member.pointee, depth: depth + 1, file: file)))
        child = member.pointee.next
      }
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
