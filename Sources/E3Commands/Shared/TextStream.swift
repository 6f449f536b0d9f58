import CE3
import CE3System

/// Standard output or standard error. Failures of standard output are remembered and come out of `flush`.
struct TextStream {
  let stream: Int32

  static var output: TextStream { TextStream(stream: Int32(E3C_STDOUT)) }
  static var errors: TextStream { TextStream(stream: Int32(E3C_STDERR)) }

  func write(_ text: StaticString) {
    text.withUTF8Buffer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { e3c_put(stream, $0.baseAddress, $0.count) }
    }
  }

  /// A C string; nothing when it is null.
  func write(cString text: UnsafePointer<CChar>?) {
    guard let text else { return }
    e3c_put(stream, text, CString.length(text))
  }

  func write(_ value: UInt64) { e3c_put_unsigned(stream, value) }

  func write(_ value: UInt32) { e3c_put_unsigned(stream, UInt64(value)) }

  func write(_ value: Int) {
    if value < 0 { write("-") }
    e3c_put_unsigned(stream, UInt64(value.magnitude))
  }

  func write(byte: UInt8) {
    withUnsafePointer(to: CChar(bitPattern: byte)) { e3c_put(stream, $0, 1) }
  }

  func write(_ text: StaticString, times count: Int) {
    for _ in 0..<max(count, 0) { write(text) }
  }

  /// The command's name and the library's version.
  func writeVersion() {
    write(cString: e3c_name())
    write(" ")
    write(cString: e3_version_text())
    write("\n")
  }

  /// Writes what is buffered; 0, or the errno of the first failure.
  func flush() -> Int32 { e3c_flush() }
}

/// C strings without Foundation.
enum CString {
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
