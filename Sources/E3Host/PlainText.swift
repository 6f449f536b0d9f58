import Glibc

// Numbers and names as people read them.

/// `value` with a fixed number of decimals; a dash for what is undefined.
package func decimals(_ value: Double?, _ count: Int, sign: Bool = false) -> String {
  guard let value, value.isFinite else { return "–" }
  let scale = pow(10, Double(count))
  let scaled = (value.magnitude * scale).rounded()
  guard scaled < 1e15 else { return "\(value)" }
  let digits = String(Int(scaled))
  let padded = String(repeating: "0", count: max(0, count + 1 - digits.count)) + digits
  let text = count == 0 ? padded : "\(padded.dropLast(count)).\(padded.suffix(count))"
  if value < 0 && scaled > 0 { return "-\(text)" }
  return sign && scaled > 0 ? "+\(text)" : text
}

/// A share as percent.
package func percent(_ share: Double?, _ count: Int = 2) -> String {
  guard let share, share.isFinite else { return "–" }
  return decimals(share * 100, count) + " %"
}

/// A share that somebody asked for as percent, with as many digits as it takes, at most four behind the point.
package func askedPercent(_ share: Double) -> String {
  // A float of a share is off by less.
  let count = (0..<4).first { count in
    let scale = pow(10, Double(count))
    return abs((100 * share * scale).rounded() / scale - 100 * share) < 1e-5
  }
  return "\(decimals(100 * share, count ?? 4)) %"
}

/// A difference of two shares in percentage points.
package func points(_ difference: Double) -> String { decimals(difference * 100, 2, sign: true) + " pt" }

/// Whether two texts have the same bytes. `==` also takes texts for the same that Unicode calls equivalent; labels are
/// not the same then.
package func areSame(_ text: some StringProtocol, _ other: some StringProtocol) -> Bool {
  text.utf8.elementsEqual(other.utf8)
}

extension Unicode.Scalar {
  /// Whether it leaves the line and its direction alone: no control character, separator of lines, or control of
  /// direction.
  package var isPrintable: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: false
    default: true
    }
  }
}

/// A path, or what else somebody chose, in one line: a question mark for what would break it or command a terminal.
package func inOneLine(_ text: String) -> String {
  String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isPrintable ? $0 : "?" }))
}

/// `1 image`, `2 images`.
///
/// - Parameter several: What more than one, or none, are called; nil: with an s.
package func counted(_ count: Int, _ one: String, _ several: String? = nil) -> String {
  "\(count) \(count == 1 ? one : several ?? one + "s")"
}

/// 10000 as 10,000.
package func grouped(_ value: Int) -> String {
  var text = ""
  for (place, digit) in String(value).reversed().enumerated() {
    if place > 0 && place.isMultiple(of: 3) { text.append(",") }
    text.append(digit)
  }
  return String(text.reversed())
}

/// The last component of `path`.
package func fileName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

/// Sixteen hexadecimal digits.
package func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

/// `text` with spaces behind it up to `width` characters.
package func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

/// `text` with spaces before it up to `width` characters.
package func leading(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}
