/// Columns of text, the first one aligned to the left and the others to the right.
package struct TextTable {
  /// The cells, row by row.
  package private(set) var rows: [[String]] = []

  package init() {}

  /// Adds a row; it may have fewer cells than others. A cell is one line.
  package mutating func add(_ cells: [String]) { rows.append(cells.map(inOneLine)) }

  package var isEmpty: Bool { rows.isEmpty }

  /// The rows, one a line, indented by two spaces.
  package var text: String {
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
