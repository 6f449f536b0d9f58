extension UnsafeRawBufferPointer {
  /// Whether the bytes are well-formed UTF-8 (Unicode, table 3-7): no overlong forms, surrogates or values above 10FFFF.
  var isUTF8: Bool {
    var next = 0
    while next < count {
      let lead = self[next]
      let trailing: Int
      var second: ClosedRange<UInt8> = 0x80...0xBF
      switch lead {
      case 0x00...0x7F: trailing = 0
      case 0xC2...0xDF: trailing = 1
      case 0xE0: (trailing, second) = (2, 0xA0...0xBF)
      case 0xE1...0xEC, 0xEE...0xEF: trailing = 2
      case 0xED: (trailing, second) = (2, 0x80...0x9F)
      case 0xF0: (trailing, second) = (3, 0x90...0xBF)
      case 0xF1...0xF3: trailing = 3
      case 0xF4: (trailing, second) = (3, 0x80...0x8F)
      default: return false
      }
      guard trailing < count - next else { return false }
      if trailing > 0 {
        guard second.contains(self[next + 1]) else { return false }
        for i in 1...trailing where self[next + i] & 0xC0 != 0x80 { return false }
      }
      next += 1 + trailing
    }
    return true
  }

  /// Whether no byte is a C0 control character or DEL: such a text can be printed in one line.
  var hasNoControlCharacters: Bool {
    for byte in self where byte < 0x20 || byte == 0x7F { return false }
    return true
  }
}
