import Glibc

/// Columns of text, the first one aligned to the left and the others to the right.
struct TextTable {
  private var rows: [[String]] = []

  /// Adds a row; it may have fewer cells than others.
  mutating func add(_ cells: [String]) { rows.append(cells) }

  var isEmpty: Bool { rows.isEmpty }

  /// The rows, one a line, indented by two spaces.
  var text: String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      var line = " "
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += column == 0 ? " \(cell)\(padding)" : "  \(padding)\(cell)"
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}

/// `value` with a fixed number of decimals; a dash for what is undefined.
func decimals(_ value: Double?, _ count: Int, sign: Bool = false) -> String {
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
func percent(_ share: Double?, _ count: Int = 2) -> String {
  guard let share, share.isFinite else { return "–" }
  return decimals(share * 100, count) + " %"
}

/// A difference of two shares in percentage points.
func points(_ difference: Double) -> String { decimals(difference * 100, 2, sign: true) + " pt" }

/// 10000 as 10,000.
func grouped(_ value: Int) -> String {
  var text = ""
  for (place, digit) in String(value).reversed().enumerated() {
    if place > 0 && place.isMultiple(of: 3) { text.append(",") }
    text.append(digit)
  }
  return String(text.reversed())
}

/// The last part of a path.
func fileName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
