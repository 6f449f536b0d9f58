import E3
import E3Host
import E3Metrics

extension Report {
  /// Classes that occur, the one that is found least often first.
  func classesByRecall(_ matrix: ConfusionMatrix) -> [Int] {
    let present = matrix.actualCounts.indices.filter { matrix.actualCounts[$0] > 0 }
    let keyed = present.map { (matrix.recall(of: $0) ?? 0, $0) }
    return keyed.sorted { $0 < $1 }.map(\.1)
  }

  /// A line for every class that occurs, the worst first: at most 1000 of them, and the first 20 at once.
  func classTable(_ matrix: ConfusionMatrix) -> HTML {
    let order = classesByRecall(matrix)
    let decisions = DecisionCounts(self)
    let most = Dictionary(matrix.confusions.map { ($0.actual, $0) }, uniquingKeysWith: { first, _ in first })
    let lines = order.prefix(1000).map { index -> HTML in
      let images = matrix.actualCounts[index]
      let interval = wilsonInterval(successes: Double(matrix[index, index]), count: Double(images))
      let taken = most[index].map { "\(className($0.predicted)), \(grouped($0.count))" } ?? "–"
      return """
        <tr><th>\(className(index))</th><td>\(percent(matrix.recall(of: index), 1))</td><td>\(shares(interval))</td>\
        <td class="left">\(taken)</td><td>\(grouped(images))</td><td>\(percent(matrix.precision(of: index), 1))</td>\
        \(decisions?.cells(index) ?? "")</tr>

        """
    }
    let titles: HTML = """
      <tr><th>class</th><th>found</th><th>95 % interval</th><th class="left">most often taken for</th>\
      <th>pictures</th><th>right of those called so</th>\
      \(decisions == nil ? "" : "<th>accepted</th><th>right of accepted</th><th>unknown</th>" as HTML)</tr>

      """
    func table(_ lines: ArraySlice<HTML>) -> HTML {
      "<div class=\"wide\"><table>\(titles)\(Array(lines))</table></div>\n"
    }
    let rest = lines.dropFirst(20)
    guard !rest.isEmpty else { return table(lines[...]) }
    let left = order.count > lines.count ? " of the other \(grouped(order.count - 20))" : ""
    return """
      \(table(lines.prefix(20)))<details><summary>\(grouped(rest.count)) more\(left)</summary>\(table(rest))</details>

      """
  }

  /// Rows are true classes, columns what they were taken for: of many classes those with the most wrong answers.
  func confusionTable(_ matrix: ConfusionMatrix) -> HTML {
    let limit = 24
    var shown = Array(matrix.actualCounts.indices)
    if shown.count > limit {
      let wrong = shown.map { matrix.actualCounts[$0] + matrix.predictedCounts[$0] - 2 * matrix[$0, $0] }
      shown = Array(shown.sorted { (-wrong[$0], $0) < (-wrong[$1], $1) }.prefix(limit)).sorted()
    }
    let isPart = shown.count < matrix.actualCounts.count
    let titles = shown.map { index -> HTML in "<th><span>\(className(index))</span></th>" }
    let lines = shown.map { actual -> HTML in
      let total = max(matrix.actualCounts[actual], 1)
      func cell(_ count: Int, _ colour: String) -> HTML {
        let share = decimals(count == 0 ? 0 : 0.08 + 0.72 * (Double(count) / Double(total)).squareRoot(), 2)
        let style = count == 0 ? "" : "background:rgba(\(colour),\(share))"
        return "<td style=\"\(style)\">\(count == 0 ? "" : String(count))</td>"
      }
      let cells = shown.map { cell(matrix[actual, $0], $0 == actual ? "0,114,178" : "213,94,0") }
      let others = matrix.actualCounts[actual] - shown.reduce(0) { $0 + matrix[actual, $1] }
      return "<tr><th>\(className(actual))</th>\(cells)\(isPart ? cell(others, "213,94,0") : "")</tr>\n"
    }
    let note: HTML = isPart ? "<p>The \(limit) classes with the most wrong answers.</p>" : ""
    return """
      \(note)<div class="wide"><table class="confusion"><tr><th></th>\(titles)\
      \(isPart ? "<th><span>others</span></th>" as HTML : "")</tr>
      \(lines)</table></div>

      """
  }
}

/// A range of shares in percent.
func shares(_ range: ClosedRange<Double>?) -> String {
  range.map { "\(decimals(100 * $0.lowerBound, 1)) – \(decimals(100 * $0.upperBound, 1))" } ?? "–"
}

/// How often each decision was made about the images of each class.
private struct DecisionCounts {
  private var images, accepted, acceptedRight, unknown: [Int]

  /// - Returns: nil without a calibration.
  init?(_ report: Report) {
    guard let calibrated = report.answers.calibrated else { return nil }
    let zeros = [Int](repeating: 0, count: report.answers.classCount)
    (images, accepted, acceptedRight, unknown) = (zeros, zeros, zeros, zeros)
    let isRight = report.answers.labelled(report.labels).isRight
    for (index, label) in report.labels.enumerated() {
      images[label] += 1
      switch calibrated.decisions[index] {
      case .accept:
        accepted[label] += 1
        if isRight[index] { acceptedRight[label] += 1 }
      case .unknown: unknown[label] += 1
      case .unsure: break
      }
    }
  }

  func cells(_ index: Int) -> HTML {
    func share(_ count: Int, _ total: Int) -> String {
      percent(total == 0 ? nil : Double(count) / Double(total), 1)
    }
    return """
      <td>\(share(accepted[index], images[index]))</td><td>\(share(acceptedRight[index], accepted[index]))</td>\
      <td>\(share(unknown[index], images[index]))</td>
      """
  }
}
