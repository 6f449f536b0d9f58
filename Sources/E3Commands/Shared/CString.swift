/// C strings without Foundation.
enum CString {
  /// A literal, which ends with a zero.
  static func pointer(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  static func length(_ text: UnsafePointer<CChar>) -> Int {
    var length = 0
    while text[length] != 0 { length += 1 }
    return length
  }

  /// The bytes without the terminator.
  static func bytes(_ text: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text, count: length(text))
  }

  static func equal(_ text: UnsafePointer<CChar>, _ other: StaticString) -> Bool {
    let count = length(text)
    guard count == other.utf8CodeUnitCount else { return false }
    return other.withUTF8Buffer { buffer in
      for index in 0..<count where UInt8(bitPattern: text[index]) != buffer[index] { return false }
      return true
    }
  }

  static func equal(_ text: UnsafePointer<CChar>, _ other: UnsafePointer<CChar>) -> Bool {
    var index = 0
    while text[index] == other[index] {
      if text[index] == 0 { return true }
      index += 1
    }
    return false
  }

  static func hasPrefix(_ text: UnsafePointer<CChar>, _ prefix: StaticString) -> Bool {
    prefix.withUTF8Buffer { buffer in
      // A shorter text differs at its terminator.
      for index in 0..<buffer.count where UInt8(bitPattern: text[index]) != buffer[index] { return false }
      return true
    }
  }

  /// A decimal number of at most nine digits, from `text` up to its end or to `stop`; nil for anything else.
  static func number(_ text: UnsafePointer<CChar>, until stop: UInt8 = 0) -> (value: Int, length: Int)? {
    var value = 0
    var index = 0
    while true {
      let character = UInt8(bitPattern: text[index])
      if character == 0 || character == stop { return index == 0 ? nil : (value, index) }
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character), index < 9 else { return nil }
      value = value * 10 + Int(character - UInt8(ascii: "0"))
      index += 1
    }
  }
}
