import E3Host

/// A piece of a page that is well-formed, also as XML. Text that is put into it is escaped, so that names and labels,
/// which come from outside, stay text:
///
///     let cell: HTML = "<td>\(label)</td>"
struct HTML: ExpressibleByStringInterpolation {
  let markup: String

  init(stringLiteral markup: String) { self.markup = markup }

  init(stringInterpolation parts: StringInterpolation) { markup = parts.markup }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate(set) var markup = ""

    init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(2 * literalCapacity) }

    mutating func appendLiteral(_ literal: String) { markup += literal }
    mutating func appendInterpolation(_ text: String) { markup += escapedMarkup(text) }
    mutating func appendInterpolation(_ number: Int) { markup += String(number) }
    mutating func appendInterpolation(_ html: HTML) { markup += html.markup }
    mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { markup += part.markup } }
  }

  /// Markup that the program made itself, such as a diagram.
  init(trusted markup: String) { self.markup = markup }
}

/// `text` for the inside of an element or of an attribute in double quotes, of HTML and of SVG. Characters that XML
/// cannot hold, and those that turn the direction of what comes after them, are replaced; what is very long is cut.
func escapedMarkup(_ text: String) -> String {
  var result = ""
  for (place, scalar) in text.unicodeScalars.enumerated() {
    guard place < 300 else { return result + "…" }
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    // XML has no U+FFFE and U+FFFF, nor those of other planes.
    default: result.unicodeScalars.append(scalar.isPrintable && scalar.value & 0xFFFE != 0xFFFE ? scalar : "?")
    }
  }
  return result
}

extension TextTable {
  /// The same cells as a table of a page: the first row has the titles where `hasTitles` says so.
  func html(hasTitles: Bool = true) -> HTML {
    let lines = rows.enumerated().map { number, row -> HTML in
      let isTitle = hasTitles && number == 0
      let cells = row.enumerated().map { column, cell -> HTML in
        isTitle || column == 0 ? "<th>\(cell)</th>" : "<td>\(cell)</td>"
      }
      return "<tr>\(cells)</tr>\n"
    }
    return "<div class=\"wide\"><table>\(lines)</table></div>\n"
  }
}
