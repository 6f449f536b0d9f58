/// UTF-8 without `String`, which Embedded Swift has no room for.
package enum UTF8Text {
  /// Bytes of the character at `index`, 1 to 4; 0 when the bytes there are not well-formed (Unicode 15, table 3-7).
  package static func sequenceLength(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Int {
    let first = bytes[index]
    if first < 0x80 { return 1 }
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard (0xC2...0xF4).contains(first), bytes.count - index >= length else { return 0 }
    let second: ClosedRange<UInt8> =
      switch first {
      case 0xE0: 0xA0...0xBF
      case 0xED: 0x80...0x9F
      case 0xF0: 0x90...0xBF
      case 0xF4: 0x80...0x8F
      default: 0x80...0xBF
      }
    guard second.contains(bytes[index + 1]) else { return 0 }
    for offset in 2..<max(length, 2) where !(0x80...0xBF).contains(bytes[index + offset]) { return 0 }
    return length
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes are well-formed UTF-8: no overlong forms, surrogates or values above 10FFFF.
  var isUTF8: Bool {
    var next = 0
    while next < count {
      let length = UTF8Text.sequenceLength(self, next)
      if length == 0 { return false }
      next += length
    }
    return true
  }

  /// Whether no byte is a C0 control character or DEL: such a text can be printed in one line.
  var hasNoControlCharacters: Bool {
    for byte in self where byte < 0x20 || byte == 0x7F { return false }
    return true
  }
}
