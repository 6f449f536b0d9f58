import Glibc

/// Class probabilities of N images beside the classes that are true: what accuracy, NLL and Brier score are computed
/// from.
///
/// Sums are in float64 whatever the probabilities' precision was.
public struct LabelledPredictions: Sendable {
  /// `[N][C]`, each row a distribution.
  public let probabilities: [Float]
  /// `[N]`, each in `0 ..< classCount`.
  public let labels: [Int]
  /// C
  public let classCount: Int
  /// `[N]` most probable class, the lowest index on a tie.
  public let predictions: [Int]

  /// Pairs `[N][C]` probabilities with `[N]` labels.
  ///
  /// - Precondition: `probabilities` has `labels.count * classCount` values; every label is below `classCount`.
  public init(probabilities: [Float], classCount: Int, labels: [Int]) {
    precondition(classCount > 0 && probabilities.count == labels.count * classCount)
    precondition(labels.allSatisfy { 0..<classCount ~= $0 })
    (self.probabilities, self.labels, self.classCount) = (probabilities, labels, classCount)
    predictions = labels.indices.map { topClass(of: probabilities[$0 * classCount..<($0 + 1) * classCount]) }
  }

  /// N
  public var count: Int { labels.count }

  /// Probabilities of image `index`.
  public subscript(index: Int) -> ArraySlice<Float> { probabilities[index * classCount..<(index + 1) * classCount] }

  /// Probability of image `index`'s most probable class.
  public func confidence(of index: Int) -> Double { Double(probabilities[index * classCount + predictions[index]]) }

  /// `[N]` largest probabilities.
  public var confidences: [Double] { labels.indices.map(confidence(of:)) }

  /// `[N]` whether the most probable class is the true one.
  public var isRight: [Bool] { labels.indices.map { predictions[$0] == labels[$0] } }

  /// Share of the images whose most probable class is the true one; nil for no images.
  public var accuracy: Double? {
    labels.isEmpty ? nil : Double(isRight.count { $0 }) / Double(count)
  }

  /// Mean negative log-likelihood of the true classes in nats; nil for no images. A probability of zero counts as the
  /// smallest positive float32, so that one image cannot make the mean infinite.
  public var negativeLogLikelihood: Double? {
    guard !labels.isEmpty else { return nil }
    return labels.indices.reduce(0) { $0 - logProbability(probabilities[$1 * classCount + labels[$1]]) } / Double(count)
  }

  /// Mean over the images of the squared distance between probabilities and the true class's indicator, summed over the
  /// classes (0 to 2); nil for no images. Source: Brier 1950.
  public var brierScore: Double? {
    guard !labels.isEmpty else { return nil }
    var sum = 0.0
    for index in labels.indices {
      for (c, probability) in self[index].enumerated() {
        let difference = Double(probability) - (c == labels[index] ? 1 : 0)
        sum += difference * difference
      }
    }
    return sum / Double(count)
  }
}

/// Index of the largest value, the lowest on a tie; 0 when no value is a number.
public func topClass(of probabilities: ArraySlice<Float>) -> Int {
  guard var best = probabilities.indices.first else { return 0 }
  for index in probabilities.indices {
    let isFirstNumber = probabilities[best].isNaN && !probabilities[index].isNaN
    if probabilities[index] > probabilities[best] || isFirstNumber { best = index }
  }
  return best - probabilities.startIndex
}

/// The logarithm of a probability, with zero as the smallest positive float32.
package func logProbability(_ probability: Float) -> Double { log(Double(max(probability, .leastNonzeroMagnitude))) }
