import E3
import E3Host
import E3Metrics

extension PageWriter {
  /// What is seen first: the figures, the worst class, the worst mistake, the accepted foreign pictures.
  func overview() throws(FileError) -> HTML {
    "<div class=\"overview\">\(accuracy)\(worstClass)\(try worstMistake())\(try acceptedOverview())</div>\n"
  }

  private var accuracy: HTML {
    let right = report.answers.labelled(report.labels).isRight.count { $0 }
    let interval = wilsonInterval(successes: Double(right), count: Double(report.count))
    var decisions: HTML = ""
    if let calibrated = report.calibrated {
      let shares = calibrated.decisions
      decisions = """
        <p>accept \(percent(shares.accept, 1)), \(percent(calibrated.acceptedAccuracy)) of them right; \
        unsure \(percent(shares.unsure, 1)); unknown \(percent(shares.unknown, 1))</p>
        """
    }
    return """
      <a href="#figures"><h2>Accuracy</h2><p class="large">\(percent(report.scores.accuracy))</p>\
      <p>\(shares(interval)) % with 95 % confidence</p>\(decisions)</a>

      """
  }

  private var worstClass: HTML {
    guard let worst = report.classesByRecall(matrix).first else { return "" }
    let most = matrix.confusions.first { $0.actual == worst }
    let taken = most.map { taken in
      "most often taken for \(report.className(taken.predicted)), "
        + (taken.count == 1 ? "once" : "\(grouped(taken.count)) times")
    }
    return """
      <a href="#classes"><h2>Worst class</h2><p class="large">\(report.className(worst))</p>\
      <p>\(percent(matrix.recall(of: worst), 1)) of \(grouped(matrix.actualCounts[worst])) found</p>\
      <p>\(taken ?? "")</p></a>

      """
  }

  private func worstMistake() throws(FileError) -> HTML {
    guard let worst = known.mistakes.first else {
      return "<a href=\"#mistakes\"><h2>Worst mistake</h2><p>No answer is wrong.</p></a>\n"
    }
    let decision = known.decision(worst).map { ", \($0.name)" } ?? ""
    return """
      <a href="#mistakes"><h2>Worst mistake</h2><div class="strip">\(try cards.picture(known, worst))\
      <p><b>\(report.className(known.topClass(worst))) \(percent(Double(known.confidence(worst)), 1))</b>\(decision)<br/>\
      is \(report.className(report.labels[worst]))</p></div></a>

      """
  }

  private func acceptedOverview() throws(FileError) -> HTML {
    var parts: [HTML] = []
    for set in foreign.prefix(4) {
      let found = set.accepted
      var pictures: [HTML] = []
      for index in found.prefix(4) { pictures.append(try cards.picture(set, index)) }
      parts.append(
        "<p>\(fileName(set.images.path)): \(acceptedText(set, found.count))</p><div class=\"strip\">\(pictures)</div>\n"
      )
    }
    if foreign.isEmpty { parts.append("<p>none were given (--ood)</p>") }
    if foreign.count > 4 { parts.append("<p>and \(foreign.count - 4) more sets</p>") }
    return "<a href=\"#foreign\"><h2>Foreign pictures accepted</h2>\(parts)</a>\n"
  }
}
