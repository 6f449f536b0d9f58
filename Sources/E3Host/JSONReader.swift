/// Reads JSON text piece by piece and keeps nothing of it: RFC 8259, strictly.
///
/// Time is proportional to the text, memory to what the caller keeps and to the nesting.
package struct JSONReader {
  package enum Kind: Equatable { case null, bool, number, string, array, object }

  private let text: UnsafeRawBufferPointer
  private let file: String
  private var position = 0
  private var depth = 0

  /// Deepest nesting that is read. Configurations and tensor tables need 6.
  private static let depthLimit = 32

  /// Reads `text`, which must outlive the reader. `file` names it in errors.
  package init(_ text: UnsafeRawBufferPointer, file: String) { (self.text, self.file) = (text, file) }

  package func fault(_ problem: String) -> FileError {
    FileError(file: file, problem: "not valid JSON near byte \(position): \(problem)")
  }

  /// Passes over a byte-order mark.
  package mutating func skipMark() {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    if position == 0, text.starts(with: mark) { position = mark.count }
  }

  /// What the next value is.
  package mutating func kind() throws(FileError) -> Kind {
    skipSpace()
    guard position < text.count else {
      if text.isEmpty { throw FileError(file: file, problem: "empty where JSON was expected") }
      throw fault("a value is missing")
    }
    switch text[position] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw fault("no value begins so")
    }
  }

  /// Reads an object. `member` is given each key and must read its value.
  ///
  /// - Throws: also for a key that comes twice.
  package mutating func readObject(
    _ member: (inout JSONReader, String) throws(FileError) -> Void
  ) throws(FileError) {
    var keys: Set<[UInt8]> = []
    try readMembers(open: "{", close: "}") { (reader) throws(FileError) in
      let key = try reader.readString()
      guard keys.insert(Array(key.utf8)).inserted else {
        throw FileError(file: reader.file, problem: "duplicate JSON key \"\(key)\"")
      }
      try reader.expect(":")
      try member(&reader, key)
    }
  }

  /// Reads an array. `element` must read one value each time.
  package mutating func readArray(_ element: (inout JSONReader) throws(FileError) -> Void) throws(FileError) {
    try readMembers(open: "[", close: "]", element)
  }

  package mutating func readString() throws(FileError) -> String {
    try expect("\"")
    var bytes: [UInt8] = []
    while position < text.count {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = readableText(bytes) else { throw fault("a string that is not readable UTF-8") }
        return string
      case UInt8(ascii: "\\"): try readEscape(into: &bytes)
      case 0..<0x20: throw fault("a control character in a string")
      default: bytes.append(byte)
      }
    }
    throw fault("a string without end")
  }

  /// The number nearest to the text.
  package mutating func readNumber() throws(FileError) -> Double {
    skipSpace()
    let start = position
    _ = take("-")
    if !take("0") { try takeDigits() }
    if take(".") { try takeDigits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try takeDigits()
    }
    guard position - start <= 1024,
      let value = Double(String(decoding: text[start..<position], as: UTF8.self))
    else { throw fault("no number") }
    return value
  }

  package mutating func readBool() throws(FileError) -> Bool {
    skipSpace()
    let value = position < text.count && text[position] == UInt8(ascii: "t")
    try readWord(value ? "true" : "false")
    return value
  }

  package mutating func readNull() throws(FileError) {
    skipSpace()
    try readWord("null")
  }

  /// Passes over the next value.
  package mutating func skip() throws(FileError) {
    switch try kind() {
    case .null: try readNull()
    case .bool: _ = try readBool()
    case .number: _ = try readNumber()
    case .string: _ = try readString()
    case .array: try readArray { (reader) throws(FileError) in try reader.skip() }
    case .object: try readObject { (reader, _) throws(FileError) in try reader.skip() }
    }
  }

  /// - Throws: where anything but white space is left.
  package mutating func requireEnd() throws(FileError) {
    skipSpace()
    guard position == text.count else {
      throw FileError(file: file, problem: "bytes after the JSON value at byte \(position)")
    }
  }

  private mutating func readMembers(
    open: Character, close: Character, _ member: (inout JSONReader) throws(FileError) -> Void
  ) throws(FileError) {
    try expect(open)
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else {
      throw FileError(file: file, problem: "JSON nested deeper than \(Self.depthLimit) levels")
    }
    skipSpace()
    if take(close) { return }
    while true {
      skipSpace()
      try member(&self)
      skipSpace()
      if take(close) { return }
      try expect(",")
    }
  }

  private mutating func skipSpace() {
    while position < text.count {
      switch text[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  private mutating func take(_ character: Character) -> Bool {
    guard position < text.count, text[position] == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Character) throws(FileError) {
    skipSpace()
    guard take(character) else { throw fault("expected \(character)") }
  }

  private mutating func takeDigits() throws(FileError) {
    let start = position
    while position < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[position]) { position += 1 }
    guard position > start else { throw fault("no number") }
  }

  private mutating func readWord(_ word: StaticString) throws(FileError) {
    let length = word.utf8CodeUnitCount
    guard text.count - position >= length,
      (0..<length).allSatisfy({ text[position + $0] == word.utf8Start[$0] })
    else { throw fault("expected \(word)") }
    position += length
  }

  private mutating func readEscape(into bytes: inout [UInt8]) throws(FileError) {
    guard position < text.count else { throw fault("a string without end") }
    let byte = text[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      var value = try readHexadecimal()
      if (0xD800..<0xDC00).contains(value) {
        guard take("\\"), take("u") else { throw fault("half of a surrogate pair") }
        let low = try readHexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw fault("half of a surrogate pair") }
        value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw fault("half of a surrogate pair") }
      bytes += String(Character(scalar)).utf8
    default: throw fault("an unknown escape in a string")
    }
  }

  private mutating func readHexadecimal() throws(FileError) -> UInt32 {
    guard text.count - position >= 4,
      text[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 }),
      let value = UInt32(String(decoding: text[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw fault("four hexadecimal digits are missing") }
    position += 4
    return value
  }
}
