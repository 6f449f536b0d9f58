/// A JSON value to be written, with members in the order given. Numbers that are not finite become `null`.
package indirect enum JSONText {
  case text(String)
  case integer(Int)
  case number(Double)
  /// Written with as many digits as a float needs.
  case float(Float)
  case flag(Bool)
  case array([JSONText])
  case object([(String, JSONText)])
  /// JSON text that is already in one line.
  case verbatim(String)
  case null

  /// The value in one line.
  package var description: String {
    switch self {
    case .text(let text): return jsonString(text)
    case .integer(let value): return "\(value)"
    case .number(let value):
      guard value.isFinite else { return "null" }
      return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    case .float(let value): return value.isFinite ? "\(value)" : "null"
    case .flag(let value): return value ? "true" : "false"
    case .array(let values): return "[" + values.map(\.description).joined(separator: ",") + "]"
    case .object(let members):
      return "{" + members.map { jsonString($0.0) + ":" + $0.1.description }.joined(separator: ",") + "}"
    case .verbatim(let text): return text
    case .null: return "null"
    }
  }
}
