/// What a classifier that may abstain risks: the error rate among the images that it is most confident of.
///
/// Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks".
public struct RiskCoverageCurve: Sendable {
  /// One threshold.
  public struct Point: Equatable, Sendable {
    /// Share of the images that are answered: those of at least this confidence.
    public let coverage: Double
    /// Share of wrong answers among them.
    public let risk: Double
    /// The lowest confidence that is answered.
    public let threshold: Double
  }

  /// By rising coverage; the last one answers everything. One point per distinct confidence.
  public let points: [Point]
  /// AURC: mean over k of the risk among the k most confident images. Where a threshold cannot tell images apart, the
  /// mean is over all their orders.
  public let area: Double

  /// - Returns: nil for no images or a confidence that is NaN.
  /// - Precondition: both arrays are of one length.
  public init?(confidences: [Double], isRight: [Bool]) {
    precondition(confidences.count == isRight.count)
    guard !confidences.isEmpty, !confidences.contains(where: \.isNaN) else { return nil }
    let total = Double(confidences.count)
    var (answered, wrong, sum) = (0, 0.0, 0.0)
    var points: [Point] = []
    for group in TieGroup.groups(of: confidences, marked: isRight, descending: true) {
      let wrongShare = Double(group.count - group.marked) / Double(group.count)
      for place in 1...group.count { sum += (wrong + Double(place) * wrongShare) / Double(answered + place) }
      answered += group.count
      wrong += Double(group.count - group.marked)
      points.append(
        Point(coverage: Double(answered) / total, risk: wrong / Double(answered), threshold: group.value))
    }
    self.points = points
    area = sum / total
  }
}
