import Glibc

/// Sharpens (below 1) or flattens (above 1) probabilities: `softmax(log p / temperature)`.
///
/// Applied to an ensemble's mean, this is calibration after averaging. Source: Rahaman and Thiery 2021, "Uncertainty
/// Quantification and Deep Ensembles" ("pool then calibrate").
///
/// - Parameter probabilities: `[C]`, a distribution.
public func tempered(_ probabilities: ArraySlice<Float>, temperature: Double) -> [Float] {
  let logs = probabilities.map { logProbability($0) / temperature }
  let largest = logs.max() ?? 0
  let powers = logs.map { exp($0 - largest) }
  let sum = powers.reduce(0, +)
  return powers.map { Float($0 / sum) }
}

extension LabelledPredictions {
  /// The same images with every row tempered.
  public func tempered(by temperature: Double) -> LabelledPredictions {
    LabelledPredictions(
      probabilities: labels.indices.flatMap { E3Metrics.tempered(self[$0], temperature: temperature) },
      classCount: classCount, labels: labels)
  }

  /// Where a fitted temperature must lie. Images that are all right ask for 0, images that are all wrong for infinity.
  public static let temperatureRange = 0.05...20.0

  /// The temperature whose tempered probabilities have the least NLL, within `temperatureRange`; nil for no images or a
  /// probability that is NaN.
  ///
  /// NLL is convex in the inverse temperature b: its slope is the mean over the images of E[log p] - log p(true), the
  /// expectation taken under the tempered probabilities, and its curvature their variance of log p. The root of the
  /// slope is found by Newton steps that fall back to bisection. Cost: about ten passes over the probabilities.
  public func fittedTemperature() -> Double? {
    guard !labels.isEmpty, !probabilities.contains(where: \.isNaN) else { return nil }
    let logs = probabilities.map(logProbability)
    var low = 1 / Self.temperatureRange.upperBound
    var high = 1 / Self.temperatureRange.lowerBound
    guard slope(logs, inverse: low).slope < 0 else { return 1 / low }
    guard slope(logs, inverse: high).slope > 0 else { return 1 / high }
    var inverse = 1.0
    for _ in 0..<100 {
      let (slope, curvature) = slope(logs, inverse: inverse)
      if slope < 0 { low = inverse } else { high = inverse }
      let step = inverse - slope / curvature
      let next = step > low && step < high ? step : (low + high) / 2
      let isDone = abs(next - inverse) <= 1e-12 * inverse
      inverse = next
      if isDone { break }
    }
    return 1 / inverse
  }

  /// First and second derivative of the mean NLL with respect to the inverse temperature.
  private func slope(_ logs: [Double], inverse: Double) -> (slope: Double, curvature: Double) {
    var (slope, curvature) = (0.0, 0.0)
    var weights = [Double](repeating: 0, count: classCount)
    for index in labels.indices {
      let row = logs[index * classCount..<(index + 1) * classCount]
      let largest = row.max() ?? 0
      var (sum, first) = (0.0, 0.0)
      for (c, value) in row.enumerated() {
        weights[c] = exp(inverse * (value - largest))
        sum += weights[c]
        first += weights[c] * value
      }
      let mean = first / sum
      slope += mean - row[row.startIndex + labels[index]]
      curvature += zip(weights, row).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) } / sum
    }
    return (slope / Double(count), curvature / Double(count))
  }
}
