/// How well a score tells positives (errors, images out of distribution) from negatives: larger scores should be
/// positive.
///
/// All three figures treat equal scores exactly, as scikit-learn does: a threshold takes all of them or none.
public struct Detection: Equatable, Sendable {
  /// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half
  /// (`roc_auc_score`).
  public let auroc: Double
  /// Average precision: precision at each threshold, weighted with the recall it adds (`average_precision_score`).
  public let aupr: Double
  /// False-positive rate at the first threshold, from the highest down, with a true-positive rate of 0.95 or more.
  public let fpr95: Double

  /// - Parameters:
  ///   - scores: one per item; infinities are allowed.
  ///   - isPositive: which items should score high.
  /// - Returns: nil when a score is NaN or when there are no positives or no negatives: the figures are undefined.
  /// - Precondition: both arrays are of one length.
  public init?(scores: [Double], isPositive: [Bool]) {
    precondition(scores.count == isPositive.count)
    let positives = isPositive.count { $0 }
    let negatives = isPositive.count - positives
    guard positives > 0, negatives > 0, !scores.contains(where: \.isNaN) else { return nil }
    var (truePositives, falsePositives) = (0, 0)
    // Twice the number of ordered pairs, so that ties stay whole numbers.
    var doubledPairs = 0
    var precisionSum = 0.0
    var falseAt95: Int?
    for group in TieGroup.groups(of: scores, marked: isPositive, descending: true) {
      let falseInGroup = group.count - group.marked
      doubledPairs += falseInGroup * (2 * truePositives + group.marked)
      truePositives += group.marked
      falsePositives += falseInGroup
      precisionSum += Double(group.marked) * Double(truePositives) / Double(truePositives + falsePositives)
      if falseAt95 == nil, Double(truePositives) / Double(positives) >= 0.95 { falseAt95 = falsePositives }
    }
    auroc = Double(doubledPairs) / 2 / (Double(positives) * Double(negatives))
    aupr = precisionSum / Double(positives)
    fpr95 = Double(falseAt95 ?? negatives) / Double(negatives)
  }

  /// Scores of positives against scores of negatives.
  public init?(positives: [Double], negatives: [Double]) {
    self.init(
      scores: positives + negatives,
      isPositive: [Bool](repeating: true, count: positives.count) + [Bool](repeating: false, count: negatives.count))
  }
}
