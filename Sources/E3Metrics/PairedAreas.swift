/// The areas under the ROC curves of two scores that tell the same positives from the same negatives, and how well their
/// difference is known.
///
/// Source: DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated Receiver Operating
/// Characteristic Curves".
public struct PairedAreas: Equatable, Sendable {
  /// Area under the first curve, and under the second.
  public let first, second: Double
  /// Standard error of `first - second`.
  public let standardError: Double

  /// - Parameters:
  ///   - first: scores of the positives and of the negatives; infinities are allowed.
  ///   - second: other scores of the same items, in the same order.
  /// - Returns: nil for fewer than two positives or negatives, or a score that is NaN.
  public init?(first: (positives: [Double], negatives: [Double]), second: (positives: [Double], negatives: [Double])) {
    precondition(first.positives.count == second.positives.count && first.negatives.count == second.negatives.count)
    guard first.positives.count > 1, first.negatives.count > 1,
      ![first.positives, first.negatives, second.positives, second.negatives].joined().contains(where: \.isNaN)
    else { return nil }
    let (a, b) = (Self.placements(first), Self.placements(second))
    (self.first, self.second) = (Self.mean(a.positives), Self.mean(b.positives))
    let positives = zip(a.positives, b.positives).map(-)
    let negatives = zip(a.negatives, b.negatives).map(-)
    standardError = (Self.errorOfMean(positives) + Self.errorOfMean(negatives)).squareRoot()
  }

  /// For each positive the share of negatives below it, for each negative that of positives above it; ties count half.
  private static func placements(
    _ scores: (positives: [Double], negatives: [Double])
  ) -> (positives: [Double], negatives: [Double]) {
    let (positives, negatives) = (scores.positives.sorted(), scores.negatives.sorted())
    return (
      scores.positives.map { rank($0, in: negatives) }, scores.negatives.map { 1 - rank($0, in: positives) }
    )
  }

  /// Share of `sorted` below `value`.
  private static func rank(_ value: Double, in sorted: [Double]) -> Double {
    func count(_ isBefore: (Double) -> Bool) -> Int {
      var (low, high) = (0, sorted.count)
      while low < high {
        let middle = (low + high) / 2
        if isBefore(sorted[middle]) { low = middle + 1 } else { high = middle }
      }
      return low
    }
    return Double(count { $0 < value } + count { $0 <= value }) / 2 / Double(sorted.count)
  }

  private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  /// Squared standard error of the mean.
  private static func errorOfMean(_ values: [Double]) -> Double {
    let mean = mean(values)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count * (values.count - 1))
  }
}
