/// How often images of each class were taken for each class. Only what occurs is kept, so that many classes cost no
/// more than few.
public struct ConfusionMatrix: Sendable {
  /// Images of one class that were taken for another.
  public struct Confusion: Sendable, Equatable {
    /// The true class and the most probable one.
    public let actual, predicted: Int
    /// Images.
    public let count: Int
  }

  /// `[C]` images of each class, and images that were taken for it.
  public let actualCounts, predictedCounts: [Int]
  /// What was taken for something else: most frequent first, then by true and by predicted class.
  public let confusions: [Confusion]
  private let counts: [Pair: Int]

  private struct Pair: Hashable {
    let actual, predicted: Int
  }

  /// Counts the most probable classes of labelled images.
  public init(_ predictions: LabelledPredictions) {
    var (actual, predicted) = (
      [Int](repeating: 0, count: predictions.classCount), [Int](repeating: 0, count: predictions.classCount)
    )
    var counts: [Pair: Int] = [:]
    for (label, prediction) in zip(predictions.labels, predictions.predictions) {
      actual[label] += 1
      predicted[prediction] += 1
      counts[Pair(actual: label, predicted: prediction), default: 0] += 1
    }
    (actualCounts, predictedCounts, self.counts) = (actual, predicted, counts)
    confusions = counts.filter { $0.key.actual != $0.key.predicted }
      .map { Confusion(actual: $0.key.actual, predicted: $0.key.predicted, count: $0.value) }
      .sorted { ($1.count, $0.actual, $0.predicted) < ($0.count, $1.actual, $1.predicted) }
  }

  /// Images of class `actual` that were taken for `predicted`.
  public subscript(actual: Int, predicted: Int) -> Int { counts[Pair(actual: actual, predicted: predicted)] ?? 0 }

  /// Recall: share of a class's images that were taken for it; nil where there are none.
  public func recall(of index: Int) -> Double? {
    actualCounts[index] == 0 ? nil : Double(self[index, index]) / Double(actualCounts[index])
  }

  /// Precision: share of the images taken for a class that are of it; nil where there are none.
  public func precision(of index: Int) -> Double? {
    predictedCounts[index] == 0 ? nil : Double(self[index, index]) / Double(predictedCounts[index])
  }
}
