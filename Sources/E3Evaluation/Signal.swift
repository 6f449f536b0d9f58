import E3Metrics

/// A number per image that should be large where the answer is wrong or the image is unlike the training data.
public enum Signal: String, Sendable, CaseIterable {
  /// One minus the largest probability.
  case maximumProbability = "maximum_probability"
  case entropy
  case mutualInformation = "mutual_information"
  case disagreement
  case distance
  case relativeDistance = "relative_distance"
  /// What decides between known and unknown.
  case unknownScore = "unknown_score"

  /// Name for people.
  public var title: String {
    switch self {
    case .maximumProbability: "maximum probability"
    case .entropy: "entropy"
    case .mutualInformation: "mutual information"
    case .disagreement: "disagreement"
    case .distance: "Mahalanobis distance"
    case .relativeDistance: "relative Mahalanobis distance"
    case .unknownScore: "unknown score (decides)"
    }
  }

  /// `[N]` values for `answers`; nil where the model cannot give it: one member has nothing to disagree with, and
  /// only a file with statistics of the training data knows distances.
  public func values(of answers: Answers) -> [Double]? {
    switch self {
    case .maximumProbability:
      return (0..<answers.count).map { image in
        let row = answers.meanProbabilities[image * answers.classCount..<(image + 1) * answers.classCount]
        return 1 - Double(row.max() ?? 0)
      }
    case .entropy: return answers.totalEntropy
    case .mutualInformation: return answers.memberCount > 1 ? answers.mutualInformation : nil
    case .disagreement: return answers.memberCount > 1 ? answers.disagreement : nil
    case .distance: return answers.distance.isEmpty ? nil : answers.distance
    case .relativeDistance: return answers.relativeDistance.isEmpty ? nil : answers.relativeDistance
    case .unknownScore: return answers.unknownScore.isEmpty ? nil : answers.unknownScore
    }
  }
}

/// How well a signal tells two kinds of images apart; nil figures where one kind is missing.
public struct SignalScore: Sendable {
  /// What was measured.
  public let signal: Signal
  /// Its figures; nil where they are undefined.
  public let detection: Detection?

  /// The scores of all signals that both answers give, for telling `positives` from `negatives`.
  static func scores(positives: Answers, negatives: Answers) -> [SignalScore] {
    Signal.allCases.compactMap { signal in
      guard let high = signal.values(of: positives), let low = signal.values(of: negatives) else { return nil }
      return SignalScore(signal: signal, detection: Detection(positives: high, negatives: low))
    }
  }

  /// The scores of all signals of `answers`, for telling wrong answers from right ones.
  static func misclassification(_ answers: Answers, isRight: [Bool]) -> [SignalScore] {
    Signal.allCases.compactMap { signal in
      signal.values(of: answers).map {
        SignalScore(signal: signal, detection: Detection(scores: $0, isPositive: isRight.map { !$0 }))
      }
    }
  }
}
