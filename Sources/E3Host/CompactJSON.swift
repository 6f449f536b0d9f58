/// The JSON object `text` in one line without spaces; nil when it is no JSON object.
package func compactJSONObject(_ text: UnsafeRawBufferPointer) -> String? {
  guard let value = try? JSON(parsing: text, file: ""), case .object = value else { return nil }
  return value.compact
}

extension JSON {
  /// In one line without spaces.
  package var compact: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): integer.map { "\($0)" } ?? (value.isFinite ? "\(value)" : "null")
    case .string(let text): jsonString(text)
    case .array(let elements): "[\(elements.map(\.compact).joined(separator: ","))]"
    case .object(let members): "{\(members.map { "\(jsonString($0.key)):\($0.value.compact)" }.joined(separator: ","))}"
    }
  }
}

/// `text` as a JSON string literal, quotes included. What would command a terminal or turn the direction of a line is
/// escaped.
public func jsonString(_ text: String) -> String {
  var literal = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": literal += "\\\""
    case "\\": literal += "\\\\"
    case _ where !scalar.isPrintable:
      let digits = String(scalar.value, radix: 16)
      literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: literal.unicodeScalars.append(scalar)
    }
  }
  return literal + "\""
}
