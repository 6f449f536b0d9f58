import E3Host
import E3Metrics
import Glibc

extension Report {
  /// Makes the folder for the diagrams where there is none: before the work, so that its result cannot be lost.
  ///
  /// - Throws: a folder that cannot be made or written to.
  public static func makePlotFolder(_ directory: String) throws(FileError) {
    guard mkdir(directory, 0o777) == 0 || errno == EEXIST, access("\(directory)/.", W_OK) == 0 else {
      throw FileError(file: directory, problem: String(cString: strerror(errno)))
    }
  }

  /// Writes the diagrams to the folder `directory`.
  ///
  /// - Throws: a file that cannot be written.
  public func writePlots(to directory: String) throws(FileError) {
    for figure in figures {
      let file = try AtomicFile(path: "\(directory)/\(figure.name).svg")
      try file.write(Array(figure.svg.utf8))
      try file.commit()
    }
  }

  /// Every diagram that the report has figures for.
  var figures: [Figure] {
    var figures = [reliability, riskCoverage].compactMap { $0 }
    if let confidence = calibratedConfidence { figures.append(confidence) }
    figures += Signal.allCases.compactMap(histogram)
    if !corrupted.isEmpty { figures.append(corruptionCurves) }
    return figures
  }

  /// Accuracy over confidence in 15 bins, and how many images each bin has; for a calibrated file before and after.
  private var reliability: Figure? {
    var versions = [(answers.calibrated == nil ? "reliability" : "as trained", answers.labelled(labels))]
    if let calibrated = answers.calibrated {
      let tempered = LabelledPredictions(
        probabilities: calibrated.probabilities, classCount: answers.classCount, labels: labels)
      versions.append(("calibrated", tempered))
    }
    var panels: [Panel] = []
    for (title, predictions) in versions {
      guard
        let diagram = ReliabilityDiagram.equalWidth(
          confidences: predictions.confidences, isRight: predictions.isRight)
      else { return nil }
      var panel = Panel(
        title: "\(title): ECE \(decimals(diagram.expectedCalibrationError, 4))",
        x: Axis(title: "confidence", lower: 0, upper: 1), y: Axis(title: "accuracy", lower: 0, upper: 1))
      panel.width = 240
      panel.height = 240
      let filled = diagram.bins.filter { $0.count > 0 }
      panel.addBars(
        filled.map { (lower: $0.lower, upper: $0.upper, height: $0.accuracy) },
        Panel.Style(colour: .blue, label: "accuracy of the bin"))
      panel.addLine([(0, 0), (1, 1)], Panel.Style(colour: .ink, dash: "4 3", label: "perfect calibration", width: 1.2))
      panel.addIntervals(
        filled.compactMap { bin in
          wilsonInterval(successes: bin.accuracy * bin.count, count: bin.count).map {
            ((bin.lower + bin.upper) / 2, $0)
          }
        }, Panel.Style(colour: .ink, label: "95 % interval of the accuracy", width: 1))
      panel.addLine(
        filled.map { ($0.confidence, $0.accuracy) },
        Panel.Style(colour: .vermilion, label: "at the bin's mean confidence", width: 1.4), hasPoints: true)
      if title == "calibrated", let threshold = thresholds?.accept { panel.addThreshold(threshold, Self.acceptStyle) }
      panels.append(panel)
    }
    if let last = versions.last { panels.append(confidenceHistogram(last.1)) }
    return Figure(name: "reliability", panels: panels)
  }

  static let acceptStyle = Panel.Style(colour: .purple, label: "accepted from here on", width: 2.5)

  /// How many images have which confidence.
  private func confidenceHistogram(_ predictions: LabelledPredictions) -> Panel {
    let diagram = ReliabilityDiagram.equalWidth(confidences: predictions.confidences, isRight: predictions.isRight)
    let bars = (diagram?.bins ?? []).map { (lower: $0.lower, upper: $0.upper, height: $0.count / Double(count)) }
    var panel = Panel(
      title: "confidence", x: Axis(title: "confidence", lower: 0, upper: 1),
      y: .covering(bars.map(\.height), title: "share of images, %", from: 0, isShare: true))
    panel.width = 200
    panel.height = 240
    panel.addBars(bars, Panel.Style(colour: .grey))
    return panel
  }

  /// Error rate among the images that are answered, when those of the highest uncertainty are left out.
  private var riskCoverage: Figure? {
    let isRight = answers.labelled(labels).isRight
    var lines: [(title: String, curve: RiskCoverageCurve)] = []
    for signal in Signal.allCases where signal != .disagreement {
      guard let values = signal.values(of: answers),
        let curve = RiskCoverageCurve(confidences: values.map { -$0 }, isRight: isRight)
      else { continue }
      lines.append(("\(signal.title), AURC \(decimals(curve.area, 4))", curve))
    }
    // The first few images are too few for a rate.
    let shown = lines.map { line in line.curve.points.filter { $0.coverage >= 0.02 } }
    var panel = Panel(
      title: "risk and coverage", x: Axis(title: "coverage, %", lower: 0, upper: 1, isShare: true),
      y: .covering(shown.joined().map(\.risk), title: "error rate of answered images, %", from: 0, isShare: true))
    panel.width = 420
    panel.height = 260
    for (index, (line, points)) in zip(lines, shown).enumerated() {
      panel.addLine(
        thinned(points).map { ($0.coverage, $0.risk) },
        Panel.Style(colour: Palette.series[index], dash: Palette.dashes[index], label: line.title))
    }
    return Figure(name: "risk-coverage", panels: [panel])
  }

  /// At most some 400 of the points: more than pixels make no finer line.
  private func thinned(_ points: [RiskCoverageCurve.Point]) -> [RiskCoverageCurve.Point] {
    let step = max(1, points.count / 400)
    return points.enumerated().filter { $0.offset.isMultiple(of: step) || $0.offset == points.count - 1 }.map(\.element)
  }

  /// Accuracy, NLL and ECE over the severity of every corruption; severity 0 is the data set itself.
  private var corruptionCurves: Figure {
    let kinds: [(title: String, value: (Scores) -> Double)] = [
      ("accuracy", \.accuracy), ("NLL", \.nll), ("ECE", \.ece),
    ]
    let panels = kinds.map { title, value in
      let isShare = title == "accuracy"
      let all = [value(scores)] + corrupted.map { value($0.scores) }
      var panel = Panel(
        title: title, x: Axis(title: "severity", lower: 0, upper: Double(Corruption.severities)),
        y: isShare ? .covering(all, title: "accuracy, %", isShare: true) : .logarithmic(covering: all, title: title))
      panel.width = 250
      for (index, corruption) in Corruption.allCases.enumerated() {
        let points = corrupted.filter { $0.corruption == corruption }.map { (Double($0.severity), value($0.scores)) }
        panel.addLine(
          [(0, value(scores))] + points,
          Panel.Style(colour: Palette.series[index], dash: Palette.dashes[index], label: corruption.title),
          hasPoints: true)
      }
      return panel
    }
    return Figure(name: "corruptions", panels: panels)
  }
}
