import Glibc

/// The threshold of split conformal prediction: the `⌈(n + 1) · coverage⌉`-th smallest of n non-conformity scores of
/// held-out images. A new image of the same kind scores at most this with probability `coverage` or more.
///
/// Source: Angelopoulos and Bates 2023, "Conformal Prediction: A Gentle Introduction", equation 1.
///
/// - Parameters:
///   - scores: one per image, in any order; larger means the true class fits less.
///   - coverage: 0 to 1.
/// - Returns: infinity when n images are too few for the coverage (every class is in every set); nil for no scores or a
///   score that is NaN.
/// - Precondition: `coverage` is above 0 and below 1.
public func conformalQuantile(of scores: [Double], coverage: Double) -> Double? {
  precondition(coverage > 0 && coverage < 1)
  guard !scores.isEmpty, !scores.contains(where: \.isNaN) else { return nil }
  // 0.95 * 20 is a hair above 19 in binary: without the allowance it would ask for one image more than the formula.
  let rank = Int((Double(scores.count + 1) * coverage * (1 - 1e-12)).rounded(.up))
  return rank > scores.count ? .infinity : scores.sorted()[max(rank, 1) - 1]
}

/// What prediction sets are worth.
public struct PredictionSetSummary: Equatable, Sendable {
  /// Share of the images whose true class is in their set.
  public let coverage: Double
  /// Mean number of classes in a set.
  public let meanSize: Double
  /// Share of the sets that hold no class.
  public let emptyShare: Double

  /// - Parameters:
  ///   - sets: classes of each image's set.
  ///   - labels: the true classes.
  /// - Returns: nil for no images.
  /// - Precondition: as many sets as labels.
  public init?(sets: [[Int]], labels: [Int]) {
    precondition(sets.count == labels.count)
    guard !sets.isEmpty else { return nil }
    let count = Double(sets.count)
    coverage = Double(zip(sets, labels).count { $0.contains($1) }) / count
    meanSize = Double(sets.reduce(0) { $0 + $1.count }) / count
    emptyShare = Double(sets.count(where: \.isEmpty)) / count
  }
}
