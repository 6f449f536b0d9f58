import E3Host

/// Colours that people with colour-blindness tell apart: Okabe and Ito 2008, "Color Universal Design".
enum Palette: String {
  case blue = "#0072B2"
  case vermilion = "#D55E00"
  case green = "#009E73"
  case orange = "#E69F00"
  case purple = "#CC79A7"
  case sky = "#56B4E9"
  case ink = "#222222"
  case grey = "#888888"
  case grid = "#E2E2E2"

  /// For series, in the order of use.
  static let series: [Palette] = [.blue, .vermilion, .green, .orange, .purple, .sky, .grey]
  /// Dashes beside the colours, for print without them.
  static let dashes = ["", "6 3", "2 2.5", "8 3 2 3", "4 2", "1 2", "10 4"]
}

/// An SVG picture that is drawn from back to front.
struct SVG {
  enum Anchor: String { case start, middle, end }

  let width, height: Double
  private var elements: [String] = []

  init(width: Double, height: Double) { (self.width, self.height) = (width, height) }

  mutating func line(_ a: (Double, Double), _ b: (Double, Double), stroke: String, width: Double, dash: String = "") {
    elements.append(
      "<line x1=\"\(n(a.0))\" y1=\"\(n(a.1))\" x2=\"\(n(b.0))\" y2=\"\(n(b.1))\" stroke=\"\(stroke)\" "
        + "stroke-width=\"\(n(width))\"\(dashAttribute(dash))/>")
  }

  mutating func polyline(
    _ points: [(Double, Double)], stroke: String, width: Double, dash: String = "", fill: String = "none",
    fillOpacity: Double = 1
  ) {
    let places = points.map { "\(n($0.0)),\(n($0.1))" }.joined(separator: " ")
    let opacity = fill == "none" ? "" : " fill-opacity=\"\(n(fillOpacity))\""
    elements.append(
      "<polyline points=\"\(places)\" fill=\"\(fill)\"\(opacity) stroke=\"\(stroke)\" stroke-width=\"\(n(width))\" "
        + "stroke-linejoin=\"round\"\(dashAttribute(dash))/>")
  }

  mutating func rectangle(x: Double, y: Double, width: Double, height: Double, fill: String, opacity: Double = 1) {
    elements.append(
      "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" fill=\"\(fill)\""
        + (opacity < 1 ? " fill-opacity=\"\(n(opacity))\"" : "") + "/>")
  }

  mutating func circle(_ centre: (Double, Double), radius: Double, fill: String) {
    elements.append("<circle cx=\"\(n(centre.0))\" cy=\"\(n(centre.1))\" r=\"\(n(radius))\" fill=\"\(fill)\"/>")
  }

  /// Text with its base line at `at`; turned: it reads upwards.
  mutating func text(
    _ text: String, at place: (Double, Double), anchor: Anchor = .start, isBold: Bool = false, turned: Bool = false
  ) {
    let turn = turned ? " transform=\"rotate(-90 \(n(place.0)) \(n(place.1)))\"" : ""
    elements.append(
      "<text x=\"\(n(place.0))\" y=\"\(n(place.1))\" text-anchor=\"\(anchor.rawValue)\""
        + (isBold ? " font-weight=\"bold\"" : "") + turn + ">\(escapedMarkup(text))</text>")
  }

  /// The whole document.
  var document: String { element(attributes: " xmlns=\"http://www.w3.org/2000/svg\"") }

  /// The picture as a part of a page, which calls it `title`.
  func part(title: String) -> String { element(attributes: " role=\"img\" aria-label=\"\(escapedMarkup(title))\"") }

  private func element(attributes: String) -> String {
    """
    <svg\(attributes) width="\(n(width))" height="\(n(height))" \
    viewBox="0 0 \(n(width)) \(n(height))" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif" \
    font-size="12" fill="\(Palette.ink.rawValue)">
    <rect width="100%" height="100%" fill="white"/>
    \(elements.joined(separator: "\n"))
    </svg>

    """
  }

  /// A coordinate with two decimals at most.
  private func n(_ value: Double) -> String {
    var text = decimals(value, 2)
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text == "-0" ? "0" : text
  }

  private func dashAttribute(_ dash: String) -> String { dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"" }
}
