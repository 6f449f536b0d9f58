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

/// A difference of two shares in percentage points.
package func points(_ difference: Double) -> String { decimals(difference * 100, 2, sign: true) + " pt" }

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
