import E3Host
import E3Metrics
import Glibc

extension Report {
  /// How a signal is distributed over the data set and over those that are unlike it; nil where the model cannot give
  /// it.
  func histogram(of signal: Signal) -> Figure? {
    // Two members agree or they do not: nothing to draw.
    guard signal != .disagreement || members > 2, let inside = signal.values(of: answers) else { return nil }
    var series = [(title: "\(fileName(dataSet)) (in distribution)", values: inside)]
    for other in outOfDistribution {
      guard let values = signal.values(of: other.answers) else { continue }
      let auroc = Detection(positives: values, negatives: inside)?.auroc
      series.append(("\(fileName(other.dataSet)), AUROC \(decimals(auroc, 3))", values))
    }
    let axis = histogramAxis(signal, series.flatMap(\.values))
    var panel = histogramPanel(signal.title, axis, series)
    if signal == .unknownScore, let threshold = thresholds?.unknown {
      panel.addThreshold(threshold, Panel.Style(colour: .purple, label: "unknown above", width: 2.5))
    }
    return Figure(name: "histogram-\(signal.rawValue.replacing("_", with: "-"))", panels: [panel])
  }

  /// How the tempered confidence of a calibrated file is distributed over right and wrong answers and over the other
  /// data sets, with the threshold from which on it is accepted; nil for a file without a calibration.
  var calibratedConfidence: Figure? {
    guard let calibrated = answers.calibrated, let thresholds else { return nil }
    let confidences = calibrated.confidences(classCount: answers.classCount)
    let isRight = answers.labelled(labels).isRight
    var series = [
      (title: "right answers", values: zip(confidences, isRight).filter(\.1).map(\.0)),
      (title: "wrong answers", values: zip(confidences, isRight).filter { !$0.1 }.map(\.0)),
    ]
    for other in outOfDistribution {
      guard let found = other.answers.calibrated else { continue }
      series.append((fileName(other.dataSet), found.confidences(classCount: answers.classCount)))
    }
    let axis = Axis(title: "probability of the answer, calibrated", lower: 0, upper: 1)
    var panel = histogramPanel("confidence and answers", axis, series.filter { !$0.values.isEmpty })
    panel.addThreshold(thresholds.accept, Self.acceptStyle)
    return Figure(name: "histogram-confidence", panels: [panel])
  }

  func histogramPanel(_ title: String, _ axis: Axis, _ series: [(title: String, values: [Double])]) -> Panel {
    let binCount = 40
    let edges = (0...binCount).map { index -> Double in
      let share = Double(index) / Double(binCount)
      return axis.isLogarithmic
        ? pow(10, log10(axis.lower) + share * (log10(axis.upper) - log10(axis.lower)))
        : axis.lower + share * (axis.upper - axis.lower)
    }
    let heights = series.map { series in
      var counts = [Double](repeating: 0, count: binCount)
      for value in series.values { counts[min(Int(axis.position(value) * Double(binCount)), binCount - 1)] += 1 }
      return counts.map { $0 / Double(series.values.count) }
    }
    var panel = Panel(
      title: title, x: axis, y: .covering(Array(heights.joined()), title: "share of images, %", from: 0, isShare: true))
    panel.width = 420
    for (index, (series, heights)) in zip(series, heights).enumerated() {
      let place = index % Palette.series.count
      panel.addSteps(
        edges: edges, heights: heights,
        Panel.Style(colour: Palette.series[place], dash: Palette.dashes[place], label: series.title))
    }
    return panel
  }

  private func histogramAxis(_ signal: Signal, _ values: [Double]) -> Axis {
    switch signal {
    case .maximumProbability: return Axis(title: "1 – maximum probability", lower: 0, upper: 1)
    case .entropy:
      return Axis(title: "entropy of the mean, nats", lower: 0, upper: log(Double(answers.classCount)))
    case .mutualInformation:
      // Most images have next to none: on a linear axis they would be one bar.
      return Axis(
        title: "nats (first bin: 10⁻⁶ and less)", lower: 1e-6, upper: 1, isLogarithmic: true)
    case .disagreement: return Axis(title: "share of disagreeing pairs of members", lower: 0, upper: 1)
    case .distance, .relativeDistance, .unknownScore:
      // The farthest of a thousand, so that single images do not press all others together.
      let sorted = values.filter(\.isFinite).sorted()
      let high = sorted.isEmpty ? 1 : sorted[min(sorted.count - 1, sorted.count * 999 / 1000)]
      let title = signal == .unknownScore ? signal.title : "\(signal.title) from the training data"
      return .covering([sorted.first ?? 0, high], title: title)
    }
  }
}
