/// Panels side by side with one legend below them.
struct Figure {
  let name: String
  let panels: [Panel]
  /// Lines of the legend hold so many pixels.
  fileprivate static let margin = (left: 66.0, top: 36.0, right: 22.0, bottom: 50.0)
  private static let legendLine = 19.0

  /// The figure as an SVG document.
  var svg: String {
    let plotHeight = panels.map(\.height).max() ?? 0
    let width = panels.reduce(0) { $0 + $1.width + Self.margin.left + Self.margin.right }
    let lines = legendLines(width: width - 2 * Self.margin.right)
    let legendTop = Self.margin.top + plotHeight + Self.margin.bottom
    var svg = SVG(
      width: width, height: legendTop + (lines.isEmpty ? 0 : Self.legendLine * Double(lines.count) + 6))
    var left = 0.0
    for panel in panels {
      panel.draw(into: &svg, left: left + Self.margin.left, top: Self.margin.top)
      left += panel.width + Self.margin.left + Self.margin.right
    }
    for (number, line) in lines.enumerated() {
      let base = legendTop + Self.legendLine * Double(number) + 10
      var x = (width - line.reduce(0) { $0 + entryWidth($1.style.label) }) / 2
      for entry in line {
        if entry.isFilled {
          svg.rectangle(x: x, y: base - 9, width: 22, height: 10, fill: entry.style.colour.rawValue, opacity: 0.3)
        }
        svg.line(
          (x, base - 4), (x + 22, base - 4), stroke: entry.style.colour.rawValue, width: entry.style.width,
          dash: entry.style.dash)
        svg.text(entry.style.label, at: (x + 28, base))
        x += entryWidth(entry.style.label)
      }
    }
    return svg.document
  }

  /// The entries of all panels' legends, each label once, broken into lines.
  private func legendLines(width: Double) -> [[(style: Panel.Style, isFilled: Bool)]] {
    var lines: [[(style: Panel.Style, isFilled: Bool)]] = []
    var seen: Set<String> = []
    var used = 0.0
    for entry in panels.flatMap(\.legend) where seen.insert(entry.style.label).inserted {
      let needed = entryWidth(entry.style.label)
      if lines.isEmpty || used + needed > width {
        lines.append([])
        used = 0
      }
      lines[lines.count - 1].append(entry)
      used += needed
    }
    return lines
  }

  /// Pixels of a legend's entry: sample, text at about 6.6 pixels a character, space.
  private func entryWidth(_ label: String) -> Double { 28 + 6.6 * Double(label.count) + 24 }
}

extension Panel {
  /// The panel alone as a part of a page, without the legend.
  var svg: String {
    let margin = Figure.margin
    var svg = SVG(width: width + margin.left + margin.right, height: height + margin.top + margin.bottom)
    draw(into: &svg, left: margin.left, top: margin.top)
    return svg.part(title: title)
  }
}
