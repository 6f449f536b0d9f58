import E3Host

/// One diagram: axes with lines, bars and steps in it.
struct Panel {
  /// How a mark is drawn, and what the legend calls it.
  struct Style {
    var colour: Palette
    var dash = ""
    /// Empty: not in the legend.
    var label = ""
    var width = 1.6
  }

  private enum Mark {
    case line([(x: Double, y: Double)], Style, hasPoints: Bool)
    case steps(edges: [Double], heights: [Double], Style)
    case bars([(lower: Double, upper: Double, height: Double)], Style)
    case intervals([(x: Double, range: ClosedRange<Double>)], Style)
    case threshold(Double, Style)
  }

  let title: String
  let x, y: Axis
  /// Pixels of the space between the axes.
  var width = 300.0
  var height = 220.0
  private var marks: [Mark] = []

  init(title: String, x: Axis, y: Axis) { (self.title, self.x, self.y) = (title, x, y) }

  /// Adds a line through `points`.
  mutating func addLine(_ points: [(x: Double, y: Double)], _ style: Style, hasPoints: Bool = false) {
    marks.append(.line(points, style, hasPoints: hasPoints))
  }

  /// Adds the outline of a histogram; one edge more than heights.
  mutating func addSteps(edges: [Double], heights: [Double], _ style: Style) {
    marks.append(.steps(edges: edges, heights: heights, style))
  }

  /// Adds bars that stand on the axis.
  mutating func addBars(_ bars: [(lower: Double, upper: Double, height: Double)], _ style: Style) {
    marks.append(.bars(bars, style))
  }

  /// Adds an upright bar with ends for the range of values at each place.
  mutating func addIntervals(_ intervals: [(x: Double, range: ClosedRange<Double>)], _ style: Style) {
    marks.append(.intervals(intervals, style))
  }

  /// Adds an upright line through the whole panel.
  mutating func addThreshold(_ x: Double, _ style: Style) { marks.append(.threshold(x, style)) }

  /// What the legend lists, in the order in which it was added.
  var legend: [(style: Style, isFilled: Bool)] {
    marks.compactMap { mark in
      switch mark {
      case .line(_, let style, _), .intervals(_, let style), .threshold(_, let style):
        style.label.isEmpty ? nil : (style, false)
      case .steps(_, _, let style), .bars(_, let style): style.label.isEmpty ? nil : (style, true)
      }
    }
  }

  /// Draws the panel with the upper left corner of its plotting area at (`left`, `top`).
  func draw(into svg: inout SVG, left: Double, top: Double) {
    func px(_ value: Double) -> Double { left + x.position(value) * width }
    func py(_ value: Double) -> Double { top + (1 - y.position(value)) * height }
    for tick in y.ticks {
      svg.line((left, py(tick.value)), (left + width, py(tick.value)), stroke: Palette.grid.rawValue, width: 0.6)
    }
    for mark in marks {
      switch mark {
      case .bars(let bars, let style):
        for bar in bars where bar.height > y.lower {
          svg.rectangle(
            x: px(bar.lower) + 0.75, y: py(bar.height), width: max(px(bar.upper) - px(bar.lower) - 1.5, 0.5),
            height: top + height - py(bar.height), fill: style.colour.rawValue, opacity: 0.75)
        }
      case .steps(let edges, let heights, let style):
        var points = [(px(edges[0]), py(y.lower))]
        for (index, height) in heights.enumerated() {
          points += [(px(edges[index]), py(height)), (px(edges[index + 1]), py(height))]
        }
        points.append((px(edges[heights.count]), py(y.lower)))
        svg.polyline(
          points, stroke: style.colour.rawValue, width: style.width, dash: style.dash, fill: style.colour.rawValue,
          fillOpacity: 0.14)
      case .line(let points, let style, let hasPoints):
        let places = points.map { (px($0.x), py($0.y)) }
        svg.polyline(places, stroke: style.colour.rawValue, width: style.width, dash: style.dash)
        if hasPoints { for place in places { svg.circle(place, radius: 2.4, fill: style.colour.rawValue) } }
      case .intervals(let intervals, let style):
        for interval in intervals {
          let (centre, low, high) = (px(interval.x), py(interval.range.lowerBound), py(interval.range.upperBound))
          svg.line((centre, low), (centre, high), stroke: style.colour.rawValue, width: style.width)
          for end in [low, high] {
            svg.line((centre - 3, end), (centre + 3, end), stroke: style.colour.rawValue, width: style.width)
          }
        }
      case .threshold(let value, let style):
        svg.line(
          (px(value), top), (px(value), top + height), stroke: style.colour.rawValue, width: style.width,
          dash: style.dash)
      }
    }
    drawAxes(into: &svg, left: left, top: top)
  }

  private func drawAxes(into svg: inout SVG, left: Double, top: Double) {
    let bottom = top + height
    svg.line((left, bottom), (left + width, bottom), stroke: Palette.ink.rawValue, width: 1)
    svg.line((left, top), (left, bottom), stroke: Palette.ink.rawValue, width: 1)
    for tick in x.ticks {
      let place = left + x.position(tick.value) * width
      svg.line((place, bottom), (place, bottom + 4), stroke: Palette.ink.rawValue, width: 1)
      svg.text(tick.label, at: (place, bottom + 17), anchor: .middle)
    }
    for tick in y.ticks {
      let place = top + (1 - y.position(tick.value)) * height
      svg.line((left - 4, place), (left, place), stroke: Palette.ink.rawValue, width: 1)
      svg.text(tick.label, at: (left - 8, place + 4), anchor: .end)
    }
    svg.text(x.title, at: (left + width / 2, bottom + 36), anchor: .middle)
    svg.text(y.title, at: (left - 46, top + height / 2), anchor: .middle, turned: true)
    svg.text(title, at: (left + width / 2, top - 12), anchor: .middle, isBold: true)
  }
}
