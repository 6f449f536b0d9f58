/// How confidence and accuracy go together: images grouped by the probability of their most probable class.
///
/// Sources: Guo et al. 2017, "On Calibration of Modern Neural Networks"; Google's uncertainty-baselines for the edges
/// of the bins; Nixon et al. 2019, "Measuring Calibration in Deep Learning", for bins of equal mass.
public struct ReliabilityDiagram: Sendable {
  /// One group of images.
  public struct Bin: Sendable, Equatable {
    /// Lowest and highest confidence that belongs here; of the images themselves for bins of equal mass.
    public let lower, upper: Double
    /// Images; a share of an image where equal confidences lie across the edge of two bins of equal mass.
    public let count: Double
    /// Means over the bin's images; 0 when it has none.
    public let confidence, accuracy: Double
  }

  /// The bins, lowest confidence first.
  public let bins: [Bin]

  /// Mean over all images of the distance between their bin's confidence and accuracy.
  public let expectedCalibrationError: Double

  private init(_ bins: [Bin]) {
    self.bins = bins
    let total = bins.reduce(0) { $0 + $1.count }
    expectedCalibrationError = bins.reduce(0) { $0 + abs($1.confidence - $1.accuracy) * $1.count } / total
  }

  /// Bins of equal width over 0 to 1, `[i/n, (i+1)/n)`, the last one closed: those of `ExpectedCalibrationError` in
  /// uncertainty-baselines.
  ///
  /// - Returns: nil for no images or a confidence that is no number within 0 to 1.
  public static func equalWidth(confidences: [Double], isRight: [Bool], binCount: Int = 15) -> ReliabilityDiagram? {
    precondition(confidences.count == isRight.count && binCount > 0)
    guard !confidences.isEmpty, confidences.allSatisfy({ 0...1.000_001 ~= $0 }) else { return nil }
    var sums = [(count: Double, confidence: Double, right: Double)](repeating: (0, 0, 0), count: binCount)
    for (confidence, isRight) in zip(confidences, isRight) {
      let bin = equalWidthBin(of: confidence, binCount: binCount)
      sums[bin].count += 1
      sums[bin].confidence += confidence
      sums[bin].right += isRight ? 1 : 0
    }
    return ReliabilityDiagram(
      sums.enumerated().map { index, sum in
        Bin(
          lower: Double(index) / Double(binCount), upper: Double(index + 1) / Double(binCount), count: sum.count,
          confidence: sum.count > 0 ? sum.confidence / sum.count : 0,
          accuracy: sum.count > 0 ? sum.right / sum.count : 0)
      })
  }

  /// What the error over bins of equal width comes to by chance, when every confidence is exactly the probability to be
  /// right: each bin is a sample, and its accuracy strays from its confidence. `√(2/π) / N · Σ over bins √(Σ over their
  /// images c (1 - c))`, the mean of |normal| for the distance of each bin. No model can be expected below it on as
  /// many images.
  ///
  /// - Returns: nil for no images or a confidence that is no number within 0 to 1.
  public static func chanceError(confidences: [Double], binCount: Int = 15) -> Double? {
    precondition(binCount > 0)
    guard !confidences.isEmpty, confidences.allSatisfy({ 0...1.000_001 ~= $0 }) else { return nil }
    var variances = [Double](repeating: 0, count: binCount)
    for confidence in confidences {
      variances[equalWidthBin(of: confidence, binCount: binCount)] += max(0, confidence * (1 - confidence))
    }
    return (2 / Double.pi).squareRoot() / Double(confidences.count) * variances.reduce(0) { $0 + $1.squareRoot() }
  }

  private static func equalWidthBin(of confidence: Double, binCount: Int) -> Int {
    min(Int(confidence * Double(binCount)), binCount - 1)
  }

  /// Bins of equally many images (to one image), in the order of their confidence. The error over these bins is the
  /// adaptive calibration error.
  ///
  /// Images of equal confidence have no order: where they lie across an edge, each place counts their mean accuracy, so
  /// the result does not depend on how the data set is sorted.
  /// - Returns: nil for no images or a confidence that is NaN.
  public static func equalMass(confidences: [Double], isRight: [Bool], binCount: Int = 15) -> ReliabilityDiagram? {
    precondition(confidences.count == isRight.count && binCount > 0)
    guard !confidences.isEmpty, !confidences.contains(where: \.isNaN) else { return nil }
    let groups = TieGroup.groups(of: confidences, marked: isRight, descending: false)
    let count = confidences.count
    // As numpy.array_split: the first count % binCount bins have one image more.
    var bins: [Bin] = []
    var (group, used) = (0, 0)
    for bin in 0..<min(binCount, count) {
      let size = count / binCount + (bin < count % binCount ? 1 : 0)
      var (missing, confidence, right) = (size, 0.0, 0.0)
      let lower = groups[group].value
      var upper = lower
      while missing > 0 {
        let tie = groups[group]
        let taken = min(missing, tie.count - used)
        confidence += Double(taken) * tie.value
        right += Double(taken) * Double(tie.marked) / Double(tie.count)
        upper = tie.value
        missing -= taken
        used += taken
        if used == tie.count { (group, used) = (group + 1, 0) }
      }
      bins.append(
        Bin(
          lower: lower, upper: upper, count: Double(size), confidence: confidence / Double(size),
          accuracy: right / Double(size)))
    }
    return ReliabilityDiagram(bins)
  }
}

extension LabelledPredictions {
  /// ECE over 15 bins of equal width; nil for no images.
  public var expectedCalibrationError: Double? {
    ReliabilityDiagram.equalWidth(confidences: confidences, isRight: isRight)?.expectedCalibrationError
  }

  /// The ECE that chance gives a perfectly calibrated model with these confidences on as many images; nil for no
  /// images.
  public var chanceCalibrationError: Double? { ReliabilityDiagram.chanceError(confidences: confidences) }

  /// Calibration error over 15 bins of equal mass; nil for no images.
  public var adaptiveCalibrationError: Double? {
    ReliabilityDiagram.equalMass(confidences: confidences, isRight: isRight)?.expectedCalibrationError
  }
}
