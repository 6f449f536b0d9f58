/// Text of a file, in UTF-8; nil where the bytes are none, or where more than 30 combining marks follow each other.
///
/// Comparing and hashing a string sorts such marks, in time that grows with the square of their number. No language has
/// more than a few: 30 is the limit of Unicode's stream-safe text (UAX #15, section 13).
package func readableText(_ bytes: some Collection<UInt8>) -> String? {
  guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
  guard bytes.contains(where: { $0 >= 0x80 }) else { return text }
  var marks = 0
  for scalar in text.unicodeScalars {
    marks = scalar.isASCII || scalar.properties.canonicalCombiningClass == .notReordered ? 0 : marks + 1
    if marks > 30 { return nil }
  }
  return text
}
