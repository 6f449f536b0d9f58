import E3Host
import E3Metrics

extension Report {
  /// Tables for people.
  public var text: String {
    let parts = tables.flatMap { [""] + ($0.title.isEmpty ? [] : [$0.title]) + [$0.table.text] }
    return ([header] + parts).joined(separator: "\n")
  }

  /// Every table that there are figures for, with its title; the first one has none.
  var tables: [(kind: TableKind, title: String, table: TextTable)] {
    var tables: [(kind: TableKind, title: String, table: TextTable)] = [(.scores, "", scoreTable)]
    func add(_ kind: TableKind, _ title: String, _ table: TextTable) {
      if !table.isEmpty { tables.append((kind, title, table)) }
    }
    if let calibrated { add(.decisions, "decisions and prediction sets", decisionTable(calibrated)) }
    add(
      .detection, "wrong answers told from right ones by",
      Self.signalTable(misclassification, reference?.misclassification))
    for other in outOfDistribution {
      add(
        .detection,
        "\(inOneLine(other.dataSet)), \(grouped(other.count)) \(other.count == 1 ? "image" : "images"), "
          + "told from the data set by",
        Self.signalTable(other.signals, other.reference))
    }
    add(
      .corruptions, "corruptions: accuracy, NLL and ECE, means over the severities and the worst one", corruptionTable)
    let note = early.first?.stopsNothing == true ? "; the file stops nothing" : ""
    add(.early, "answers that stop early, beside those of all networks\(note)", earlyTable)
    add(.experts, "experts", routingTable)
    return tables
  }

  /// What a table is about.
  enum TableKind { case scores, decisions, detection, corruptions, early, experts }

  /// Two lines: the models and the data set.
  var header: String {
    let members = counted(self.members, "member")
    let size = "\(decimals(Double(fileBytes) / 1e6, 2)) MB"
    let cost = "\(decimals(Double(multiplyAccumulates) / 1e6, 2)) MMAC an image"
    let ensemble = models.count == 1 ? "" : "deep ensemble of \(models.count) models, "
    let matching = folderMatching.map { ", folders are classes by \($0.rawValue)" } ?? ""
    return "\(inOneLine(models.map(\.path).joined(separator: " + "))): \(ensemble)\(members), \(size), \(cost)\n"
      + "\(inOneLine(dataSet)): \(grouped(count)) \(count == 1 ? "image" : "images")\(matching)"
  }

  /// A column for the model, and where there are others for the float path, the difference and the calibrated file.
  private var scoreTable: TextTable {
    var table = TextTable()
    let float = reference?.scores
    var titles = ["", weights]
    if float != nil { titles += ["float", "difference"] }
    if calibrated != nil { titles.append("\(weights), calibrated") }
    if reference?.calibratedScores != nil { titles += ["float, calibrated", "difference"] }
    if let tempered { titles.append("T = \(decimals(tempered.temperature, 3))") }
    if titles.count > 2 { table.add(titles) }
    for (title, name, value) in Scores.fields {
      let isShare = name == "accuracy"
      func cell(_ number: Double) -> String { isShare ? percent(number) : decimals(number, 4) }
      func cells(_ float: Scores, _ int8: Scores) -> [String] {
        let difference = value(int8) - value(float)
        return [cell(value(float)), isShare ? points(difference) : decimals(difference, 4, sign: true)]
      }
      var row = [title, cell(value(scores))]
      if let float { row += cells(float, scores) }
      if let calibrated {
        row.append(cell(value(calibrated.scores)))
        if let float = reference?.calibratedScores { row += cells(float, calibrated.scores) }
      }
      if let tempered { row.append(cell(value(tempered.scores))) }
      table.add(row)
    }
    if members > 1 {
      var row = ["members disagree", percent(disagreement)]
      if let reference {
        row += [percent(reference.disagreement), points(disagreement - reference.disagreement)]
      }
      table.add(row)
    }
    table.add(["best temperature", decimals(fittedTemperature, 3)])
    if let reference {
      table.add(["same top class", percent(reference.topAgreement)])
      if let flipped = reference.flippedChoices { table.add(["router choices flipped", percent(flipped)]) }
    }
    return table
  }

  private func decisionTable(_ calibrated: CalibratedScores) -> TextTable {
    var table = TextTable()
    func add(_ title: String, _ shares: DecisionShares, _ more: [String]) {
      table.add([title, percent(shares.accept, 1), percent(shares.unsure, 1), percent(shares.unknown, 1)] + more)
    }
    table.add(["", "accept", "unsure", "unknown", "accuracy of accepted", "true class in set", "mean set size"])
    add(
      fileName(dataSet), calibrated.decisions,
      [
        percent(calibrated.acceptedAccuracy), percent(calibrated.sets.coverage),
        decimals(calibrated.sets.meanSize, 3),
      ])
    for other in outOfDistribution { if let shares = other.decisions { add(fileName(other.dataSet), shares, []) } }
    return table
  }

  private static func signalTable(_ scores: [SignalScore], _ reference: [SignalScore]?) -> TextTable {
    var table = TextTable()
    table.add(["", "AUROC", "AUPR", "FPR95"] + (reference == nil ? [] : ["float AUROC", "difference"]))
    for score in scores {
      let detection = score.detection
      var row = [
        score.signal.title, decimals(detection?.auroc, 4), decimals(detection?.aupr, 4), decimals(detection?.fpr95, 4),
      ]
      if let float = reference?.first(where: { $0.signal == score.signal }) {
        row.append(decimals(float.detection?.auroc, 4))
        if let mine = detection, let theirs = float.detection {
          row.append(decimals(mine.auroc - theirs.auroc, 4, sign: true))
        }
      }
      table.add(row)
    }
    return table
  }

  private var corruptionTable: TextTable {
    var table = TextTable()
    guard !corrupted.isEmpty else { return table }
    table.add(["", "accuracy", "NLL", "ECE", "worst accuracy", "worst NLL", "worst ECE"])
    func add(_ title: String, _ scores: [Scores]) {
      guard let mean = Scores.mean(scores) else { return }
      table.add([
        title, percent(mean.accuracy), decimals(mean.nll, 4), decimals(mean.ece, 4),
        percent(scores.map(\.accuracy).min()), decimals(scores.map(\.nll).max(), 4),
        decimals(scores.map(\.ece).max(), 4),
      ])
    }
    for corruption in Corruption.allCases {
      add(corruption.title, corrupted.filter { $0.corruption == corruption }.map(\.scores))
    }
    add("all", corrupted.map(\.scores))
    return table
  }

  private var earlyTable: TextTable {
    var table = TextTable()
    guard !early.isEmpty else { return table }
    table.add([
      "", "stop", "of them differ", "time, this run", "accept", "unsure", "unknown", "accuracy", "NLL", "ECE",
      "true class in set",
    ])
    for (place, answers) in early.enumerated() {
      let scores = place == 0 ? answers.scores(labels) : nil
      func add(_ title: String, _ first: [String], _ decisions: DecisionShares, _ scores: CalibratedScores?) {
        var row = ["\(fileName(answers.dataSet)), \(title)"] + first
        row += [percent(decisions.accept, 1), percent(decisions.unsure, 1), percent(decisions.unknown, 1)]
        if let scores {
          row += [percent(scores.scores.accuracy), decimals(scores.scores.nll, 4), decimals(scores.scores.ece, 4)]
          row.append(percent(scores.sets.coverage))
        }
        table.add(row)
      }
      let stopped = answers.stopped.map { percent($0, 1) }.joined(separator: " + ")
      add("all networks", ["", "", ""], answers.decisions.whole, scores?.whole)
      add(
        "early", [stopped, percent(answers.differingShare), percent(answers.timeShare, 1)], answers.decisions.early,
        scores?.early)
    }
    return table
  }

  var routingTable: TextTable {
    var table = TextTable()
    guard let routing else { return table }
    let networks = (routing.layers.map(\.network).max() ?? 0) + 1
    table.add(["", "least used", "most used", "mean margin", "margin below 0.01"])
    for layer in routing.layers {
      table.add([
        (networks > 1 ? "network \(layer.network), " : "") + "block \(layer.block)", percent(layer.usage.min(), 1),
        percent(layer.usage.max(), 1),
        decimals(layer.meanMargin, 3), percent(layer.closeShare, 1),
      ])
    }
    return table
  }
}
