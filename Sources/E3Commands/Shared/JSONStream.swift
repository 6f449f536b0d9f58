import CE3System

/// Writes JSON piece by piece.
struct JSONStream {
  let stream: TextStream

  func raw(_ text: StaticString) { stream.write(text) }

  /// Begins an object with its first key.
  func open(_ name: StaticString) {
    raw("{\"")
    raw(name)
    raw("\":")
  }

  /// A further key.
  func key(_ name: StaticString) {
    raw(",\"")
    raw(name)
    raw("\":")
  }

  /// A further key with a number.
  func number(_ name: StaticString, _ value: Double, decimals: Int32) {
    key(name)
    fixed(value, decimals: decimals)
  }

  /// A number with `decimals` digits after the point; null when it is not finite.
  func fixed(_ value: Double, decimals: Int32) {
    if value.isFinite { e3c_put_fixed(stream.stream, value, decimals, 0) } else { raw("null") }
  }

  /// A string. Bytes that are not UTF-8, as a path may have, become the replacement character.
  func text(_ bytes: UnsafeRawBufferPointer) {
    raw("\"")
    var index = 0
    while index < bytes.count {
      let length = UTF8Text.sequenceLength(bytes, index)
      switch (length, bytes[index]) {
      case (0, _): raw("\u{FFFD}")
      case (_, UInt8(ascii: "\"")): raw("\\\"")
      case (_, UInt8(ascii: "\\")): raw("\\\\")
      case (_, 0..<0x20), (_, 0x7F):
        raw("\\u00")
        stream.write(byte: Self.digit(bytes[index] >> 4))
        stream.write(byte: Self.digit(bytes[index] & 15))
      default:
        for offset in 0..<length { stream.write(byte: bytes[index + offset]) }
      }
      index += max(length, 1)
    }
    raw("\"")
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
