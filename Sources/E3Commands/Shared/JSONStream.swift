import CE3Board
import E3Format

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
    if value.isFinite { stream.write(value, decimals: decimals) } else { raw("null") }
  }

  /// A further key with a float.
  func float(_ name: StaticString, _ value: Float) {
    key(name)
    float(value)
  }

  /// A float that reads back as the same one; null when it is not finite.
  func float(_ value: Float) { e3c_put_float(stream.stream, value) }

  /// `count` floats as an array.
  func floats(_ values: UnsafePointer<Float>, _ count: Int) {
    raw("[")
    for index in 0..<count {
      if index > 0 { raw(",") }
      float(values[index])
    }
    raw("]")
  }

  /// A string. Bytes that are not UTF-8, as a path may have, become the replacement character. What would command a
  /// terminal or turn the direction of a line is escaped.
  func text(_ bytes: UnsafeRawBufferPointer) {
    raw("\"")
    var index = 0
    while index < bytes.count {
      let length = UTF8Text.sequenceLength(bytes, index)
      switch (length, bytes[index]) {
      case (0, _): raw("\u{FFFD}")
      case (_, UInt8(ascii: "\"")): raw("\\\"")
      case (_, UInt8(ascii: "\\")): raw("\\\\")
      default:
        let scalar = UTF8Text.scalar(bytes, index, length: length)
        if UTF8Text.isPrintable(scalar) {
          stream.write(UnsafeRawBufferPointer(rebasing: bytes[index..<index + length]))
        } else {
          escape(scalar)
        }
      }
      index += max(length, 1)
    }
    raw("\"")
  }

  /// Writes a character of four hexadecimal digits, as all are that are not printable.
  private func escape(_ scalar: UInt32) {
    raw("\\u")
    var shift: UInt32 = 16
    while shift > 0 {
      shift -= 4
      let digit = UInt8(truncatingIfNeeded: scalar >> shift & 15)
      stream.write(byte: digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }
  }
}
