import E3Host
import E3Metrics
import E3Models

extension Report {
  /// The object of `--json`, in one line; figures that are undefined are null.
  public var json: String {
    var members: [(String, JSONText)] = [
      ("model", .text(models.map(\.path).joined(separator: "+"))), ("models", .array(models.map { .text($0.path) })),
      ("dataset", .text(dataSet)), ("count", .integer(count)),
    ]
    members += scores.json
    members += [
      ("file_bytes", .integer(fileBytes)), ("weights", .text(weights)),
      ("multiply_accumulates", .integer(multiplyAccumulates)),
      ("members", .integer(self.members)), ("disagreement", .number(disagreement)),
    ]
    members.append(("fitted_temperature", .number(fittedTemperature)))
    if let tempered {
      members.append(("tempered", .object([("temperature", .number(tempered.temperature))] + tempered.scores.json)))
    }
    if let calibrated { members.append(("calibrated", .object(calibrated.json))) }
    members.append(("misclassification", .array(misclassification.map { .object($0.json) })))
    members.append(("ood", .array(outOfDistribution.flatMap { $0.json { $0.signals } })))
    if calibrated != nil {
      members.append(("ood_decisions", .array(outOfDistribution.compactMap(\.decisionsJSON))))
    }
    members.append(("corruptions", .array(corrupted.map(\.json))))
    if let mean = Scores.mean(corrupted.map(\.scores)) { members.append(("corrupted_mean", .object(mean.json))) }
    members.append(("routing", .array(routing?.layers.map(\.json) ?? [])))
    if let reference { members.append(("reference", .object(referenceJSON(reference)))) }
    if !early.isEmpty {
      members.append(
        ("early", .array(early.enumerated().map { .object(earlyJSON($1, labels: $0 == 0 ? labels : nil)) })))
    }
    return JSONText.object(members).description
  }

  private func earlyJSON(_ answers: EarlyAnswers, labels: [Int]?) -> [(String, JSONText)] {
    var (whole, early) = (answers.decisions.whole.json, answers.decisions.early.json)
    if let scores = labels.flatMap({ answers.scores($0) }) { (whole, early) = (scores.whole.json, scores.early.json) }
    return [
      ("dataset", .text(answers.dataSet)), ("count", .integer(answers.count)),
      ("stopped", .array(answers.stopped.map { .number($0) })),
      ("differing", answers.differingShare.map { .number($0) } ?? .null), ("time", .number(answers.timeShare)),
      ("all_networks", .object(whole)), ("early", .object(early)),
    ]
  }

  private func referenceJSON(_ reference: Reference) -> [(String, JSONText)] {
    [("checkpoint", .text(reference.checkpoints.joined(separator: "+")))] + reference.scores.json + [
      ("disagreement", .number(reference.disagreement)),
      ("calibrated", reference.calibratedScores.map { .object($0.json) } ?? .null),
      ("top1_agreement", .number(reference.topAgreement)),
      ("router_choices_flipped", reference.flippedChoices.map { .number($0) } ?? .null),
      ("misclassification", .array(reference.misclassification.map { .object($0.json) })),
      ("ood", .array(outOfDistribution.flatMap { $0.json { $0.reference ?? [] } })),
    ]
  }
}

extension Scores {
  var json: [(String, JSONText)] { Self.fields.map { ($0.name, .number($0.value(self))) } }
}

extension SignalScore {
  fileprivate var json: [(String, JSONText)] {
    func figure(_ value: KeyPath<Detection, Double>) -> JSONText {
      detection.map { .number($0[keyPath: value]) } ?? .null
    }
    return [
      ("signal", .text(signal.rawValue)), ("auroc", figure(\.auroc)), ("aupr", figure(\.aupr)),
      ("fpr95", figure(\.fpr95)),
    ]
  }
}

extension DecisionShares {
  var json: [(String, JSONText)] {
    [("accept", .number(accept)), ("unsure", .number(unsure)), ("unknown", .number(unknown))]
  }
}

extension CalibratedScores {
  fileprivate var json: [(String, JSONText)] {
    scores.json + decisions.json + [
      ("accepted_accuracy", acceptedAccuracy.map { .number($0) } ?? .null), ("coverage", .number(sets.coverage)),
      ("mean_set_size", .number(sets.meanSize)), ("empty_sets", .number(sets.emptyShare)),
    ]
  }
}

extension Report.OutOfDistribution {
  fileprivate func json(_ scores: (Self) -> [SignalScore]) -> [JSONText] {
    scores(self).map { .object([("dataset", .text(dataSet)), ("count", .integer(count))] + $0.json) }
  }

  fileprivate var decisionsJSON: JSONText? {
    decisions.map { .object([("dataset", .text(dataSet))] + $0.json) }
  }
}

extension Report.Corrupted {
  fileprivate var json: JSONText {
    var members: [(String, JSONText)] = [("name", .text(corruption.rawValue)), ("severity", .integer(severity))]
    members += scores.json
    if let calibrated {
      members.append(
        ("calibrated", .object(calibrated.scores.json + calibrated.decisions.json)))
    }
    return .object(members)
  }
}

extension RoutingStatistics.Layer {
  fileprivate var json: JSONText {
    .object([
      ("network", .integer(network)), ("block", .integer(block)), ("usage", .array(usage.map(JSONText.number))),
      ("mean_margin", .number(meanMargin)),
      ("margin_below_0.01", .number(closeShare)),
    ])
  }
}
