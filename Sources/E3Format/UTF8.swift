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

  /// The value of the well-formed character of `length` bytes at `index`.
  package static func scalar(_ bytes: UnsafeRawBufferPointer, _ index: Int, length: Int) -> UInt32 {
    let first = UInt32(bytes[index])
    if length == 1 { return first }
    var value = first & (0x7F >> UInt32(length))
    for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
    return value
  }

  /// Whether a character leaves the line and its direction alone: no control character (C0, DEL, C1), no line or
  /// paragraph separator, no mark, embedding, override or isolate of direction.
  ///
  /// Source: Unicode Standard Annex 9, table 3; Unicode 15, section 23.1.
  package static func isPrintable(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: false
    default: true
    }
  }

  /// Whether a character leaves nothing to be seen: White_Space and Default_Ignorable_Code_Point of Unicode 15 (PropList.txt,
  /// DerivedCoreProperties.txt), the empty pattern of Braille, and what has no meaning: private use, noncharacters, and the
  /// specials of FFF0 to FFFF.
  fileprivate static func isBlank(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09...0x0D, 0x20, 0x85, 0xA0, 0xAD, 0x034F, 0x061C, 0x115F...0x1160, 0x1680, 0x17B4...0x17B5, 0x180B...0x180F,
      0x2000...0x200F, 0x2028...0x202F, 0x205F...0x206F, 0x2800, 0x3000, 0x3164, 0xE000...0xF8FF, 0xFDD0...0xFDEF,
      0xFE00...0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0...0xFFFF, 0x1BCA0...0x1BCA3, 0x1D173...0x1D17A, 0xE0000...0x10FFFF:
      true
    default: scalar & 0xFFFE == 0xFFFE
    }
  }

  package static func isPrintable(_ scalar: Unicode.Scalar) -> Bool { isPrintable(scalar.value) }
}

extension UnsafeRawBufferPointer {
  /// Whether these are the bytes of `other`.
  package func isSame(as other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    for place in 0..<count where self[place] != other[place] { return false }
    return true
  }

  /// Whether the bytes are well-formed UTF-8: no overlong forms, surrogates or values above 10FFFF.
  var isUTF8: Bool { isText { _ in true } }

  /// Whether nothing of the text can be seen.
  package var isBlank: Bool { isText(of: UTF8Text.isBlank) }

  /// Whether the text is `word`, which is of small ASCII letters, but for its case and for what cannot be seen around it.
  package func isCalled(_ word: StaticString) -> Bool {
    var (next, matched) = (0, 0)
    while next < count {
      let length = UTF8Text.sequenceLength(self, next)
      guard length > 0 else { return false }
      if !UTF8Text.isBlank(UTF8Text.scalar(self, next, length: length)) {
        guard matched < word.utf8CodeUnitCount, self[next] | 0x20 == word.utf8Start[matched] else { return false }
        matched += 1
      } else if matched > 0, matched < word.utf8CodeUnitCount {
        return false
      }
      next += length
    }
    return matched == word.utf8CodeUnitCount
  }

  /// Whether no character breaks the line, turns its direction or commands a terminal: such a text can be printed in
  /// one line as it is. The bytes are well-formed UTF-8.
  var hasNoControlCharacters: Bool { isText { UTF8Text.isPrintable($0) } }

  /// Whether the bytes are well-formed UTF-8 of characters that all meet `condition`.
  @inline(never)
  private func isText(of condition: (UInt32) -> Bool) -> Bool {
    var next = 0
    while next < count {
      let length = UTF8Text.sequenceLength(self, next)
      guard length > 0, condition(UTF8Text.scalar(self, next, length: length)) else { return false }
      next += length
    }
    return true
  }
}
