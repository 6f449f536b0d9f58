import E3Metrics

/// What probabilities are worth on labelled images.
public struct Scores: Sendable {
  /// As EVALUATION.md defines them.
  public let accuracy, nll, brier, ece, chanceECE, adaptiveECE: Double
  /// Area under the risk-coverage curve of the maximum probability.
  public let aurc: Double

  /// - Precondition: at least one image, all probabilities numbers.
  init(_ predictions: LabelledPredictions) {
    let curve = RiskCoverageCurve(confidences: predictions.confidences, isRight: predictions.isRight)
    accuracy = predictions.accuracy ?? .nan
    nll = predictions.negativeLogLikelihood ?? .nan
    brier = predictions.brierScore ?? .nan
    ece = predictions.expectedCalibrationError ?? .nan
    chanceECE = predictions.chanceCalibrationError ?? .nan
    adaptiveECE = predictions.adaptiveCalibrationError ?? .nan
    aurc = curve?.area ?? .nan
  }

  private init(_ value: (KeyPath<Scores, Double>) -> Double) {
    (accuracy, nll, brier) = (value(\.accuracy), value(\.nll), value(\.brier))
    (ece, chanceECE, adaptiveECE) = (value(\.ece), value(\.chanceECE), value(\.adaptiveECE))
    aurc = value(\.aurc)
  }

  /// The mean of each score; nil for none.
  static func mean(_ all: [Scores]) -> Scores? {
    all.isEmpty ? nil : Scores { path in all.reduce(0) { $0 + $1[keyPath: path] } / Double(all.count) }
  }

  /// Title, name in JSON and value of every score, in the order in which they are shown.
  public static let fields: [(title: String, name: String, value: @Sendable (Scores) -> Double)] = [
    ("accuracy", "accuracy", { $0.accuracy }), ("NLL", "nll", { $0.nll }), ("Brier score", "brier", { $0.brier }),
    ("ECE", "ece", { $0.ece }), ("ECE by chance", "ece_by_chance", { $0.chanceECE }),
    ("adaptive ECE", "adaptive_ece", { $0.adaptiveECE }), ("AURC", "aurc", { $0.aurc }),
  ]
}

/// How often each decision was made.
public struct DecisionShares: Sendable {
  /// Shares of the images, together 1.
  public let accept, unsure, unknown: Double

  init(_ answers: CalibratedAnswers) {
    accept = answers.share(of: .accept)
    unsure = answers.share(of: .unsure)
    unknown = answers.share(of: .unknown)
  }
}

/// What a file's calibration is worth on labelled images.
public struct CalibratedScores: Sendable {
  /// Of the tempered probabilities.
  public let scores: Scores
  /// How often the thresholds made each decision.
  public let decisions: DecisionShares
  /// Among the accepted images; nil when none is.
  public let acceptedAccuracy: Double?
  /// Of the conformal prediction sets.
  public let sets: PredictionSetSummary

  init?(_ answers: CalibratedAnswers, classCount: Int, labels: [Int]) {
    guard let sets = PredictionSetSummary(sets: answers.predictionSets, labels: labels) else { return nil }
    let predictions = LabelledPredictions(
      probabilities: answers.probabilities, classCount: classCount, labels: labels)
    let accepted = labels.indices.filter { answers.decisions[$0] == .accept }
    let right = accepted.count { predictions.predictions[$0] == labels[$0] }
    scores = Scores(predictions)
    decisions = DecisionShares(answers)
    acceptedAccuracy = accepted.isEmpty ? nil : Double(right) / Double(accepted.count)
    self.sets = sets
  }
}

extension Answers {
  /// The untempered probabilities beside the true classes.
  func labelled(_ labels: [Int]) -> LabelledPredictions {
    LabelledPredictions(probabilities: meanProbabilities, classCount: classCount, labels: labels)
  }

  /// Mean share of the pairs of members whose most probable classes differ.
  var meanDisagreement: Double { disagreement.reduce(0, +) / Double(max(count, 1)) }
}
