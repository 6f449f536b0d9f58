import E3Host
import Glibc

/// The answer to one image: the members' opinions, their mean, and how far they agree. Entropies are in nats.
public struct EnsembleAnswer: Sendable {
  /// `[M][C]`
  public let memberLogits: [[Float]]
  /// `[M][C]` softmax of each member's logits.
  public let memberProbabilities: [[Float]]
  /// `[C]` mean of the members' probabilities.
  public let probabilities: [Float]
  /// Entropy of the mean: all uncertainty.
  public let totalEntropy: Float
  /// Mean of the members' entropies: uncertainty of the data.
  public let expectedEntropy: Float
  /// Total minus expected entropy, never negative: uncertainty of the model. Source: Depeweg et al. 2018.
  public let mutualInformation: Float
  /// Share of the pairs of members whose top classes differ; 0 for one member.
  public let disagreement: Float

  /// - Parameter memberLogits: `[M][C]`, M and C at least 1.
  public init(memberLogits: [[Float]]) {
    let members = memberLogits.map(Self.softmax)
    let mean = memberLogits[0].indices.map { c in members.reduce(0) { $0 + $1[c] } / Double(members.count) }
    let expected = members.reduce(0) { $0 + Self.entropy($1) } / Double(members.count)
    let total = Self.entropy(mean)
    let tops = memberLogits.map(Self.top)
    var pairs = 0
    var differing = 0
    for i in tops.indices {
      for j in 0..<i {
        pairs += 1
        differing += tops[i] == tops[j] ? 0 : 1
      }
    }
    self.memberLogits = memberLogits
    memberProbabilities = members.map { $0.map(Float.init) }
    probabilities = mean.map(Float.init)
    totalEntropy = Float(total)
    expectedEntropy = Float(expected)
    mutualInformation = Float(max(0, total - expected))
    disagreement = pairs == 0 ? 0 : Float(differing) / Float(pairs)
  }

  /// The class of the largest probability, the lowest on a tie.
  public var topClass: Int { Self.top(probabilities) }

  /// The `count` most probable classes, most probable first, the lower index first on a tie.
  public func top(_ count: Int) -> [Int] {
    Array(
      probabilities.indices.sorted {
        probabilities[$0] != probabilities[$1] ? probabilities[$0] > probabilities[$1] : $0 < $1
      }.prefix(count))
  }

  private static func top(_ values: [Float]) -> Int {
    values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
  }

  private static func softmax(_ logits: [Float]) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private static func entropy(_ probabilities: [Double]) -> Double {
    -probabilities.reduce(0) { $1 > 0 ? $0 + $1 * log($1) : $0 }
  }
}

extension ReferenceModel {
  /// Predictions for images of any number: where no capacity group spans several of them, they run in batches.
  ///
  /// - Parameter observer: Makes what sees the values inside for a batch of so many images.
  /// - Throws: as `logits(_:count:observer:)`; logits that are not finite.
  public func answers(to images: ImageTensor, observer: (_ count: Int) -> (any ForwardObserver)? = { _ in nil })
    throws(FileError) -> [EnsembleAnswer]
  {
    let capacity = config.experts?.capacity
    let spansImages = capacity.map { $0.groupSize != config.tokenCount * config.memberCount } ?? false
    // 64 images keep the matrices of a base-size model within a few hundred megabytes.
    let batch = spansImages ? images.count : min(64, images.count)
    let imageSize = images.values.count / images.count
    var answers: [EnsembleAnswer] = []
    for start in stride(from: 0, to: images.count, by: batch) {
      let end = min(start + batch, images.count)
      let logits = try logits(
        images.values[start * imageSize..<end * imageSize], count: end - start, observer: observer(end - start))
      guard logits.values.allSatisfy(\.isFinite) else {
        throw FileError(file: model.checkpoint.path, problem: "logits are not finite: the weights are unusable")
      }
      for row in stride(from: 0, to: logits.rows, by: config.memberCount) {
        answers.append(EnsembleAnswer(memberLogits: (row..<row + config.memberCount).map { Array(logits[$0]) }))
      }
    }
    return answers
  }
}
