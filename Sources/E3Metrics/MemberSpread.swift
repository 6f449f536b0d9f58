import Glibc

/// The mean of several members' distributions for one image, and how far the members are from it. Entropies in nats.
///
/// Source: Depeweg et al. 2018, "Decomposition of Uncertainty in Bayesian Deep Learning".
public struct MemberSpread: Sendable {
  /// `[C]` mean of the members' probabilities, in the runtime's bits: ``memberMean(_:classCount:)``.
  public let probabilities: [Float]
  /// Entropy of the mean.
  public let totalEntropy: Double
  /// Mean of the members' entropies.
  public let expectedEntropy: Double
  /// Share of the pairs of members whose most probable classes differ; 0 for one member.
  public let disagreement: Double

  /// Total minus expected entropy, never negative.
  public var mutualInformation: Double { max(totalEntropy - expectedEntropy, 0) }

  /// - Parameter members: `[M][C]`, each row a distribution.
  /// - Precondition: `members` has one row or more of `classCount` values.
  public init(members: ArraySlice<Float>, classCount: Int) {
    precondition(classCount > 0 && !members.isEmpty && members.count.isMultiple(of: classCount))
    let count = members.count / classCount
    var mean = [Double](repeating: 0, count: classCount)
    var expected = 0.0
    var tops: [Int] = []
    for member in 0..<count {
      let row = members[members.startIndex + member * classCount..<members.startIndex + (member + 1) * classCount]
      for (c, probability) in row.enumerated() { mean[c] += Double(probability) / Double(count) }
      expected += entropy(row.lazy.map(Double.init)) / Double(count)
      tops.append(topClass(of: row))
    }
    probabilities = memberMean(members, classCount: classCount)
    totalEntropy = entropy(mean)
    expectedEntropy = expected
    var differing = 0
    for first in tops.indices { differing += tops[..<first].count { $0 != tops[first] } }
    disagreement = count > 1 ? Double(differing) / Double(count * (count - 1) / 2) : 0
  }
}

/// `[C]` the mean of the rows `[M][C]`, by the operations of the runtime in their order: in float32 the sum of all members,
/// first to last, times 1/M.
///
/// - Precondition: one row or more of `classCount` values.
public func memberMean(_ members: ArraySlice<Float>, classCount: Int) -> [Float] {
  precondition(classCount > 0 && !members.isEmpty && members.count.isMultiple(of: classCount))
  let reciprocal = 1 / Float(members.count / classCount)
  return (0..<classCount).map { index in
    var sum = members[members.startIndex + index]
    for place in stride(from: members.startIndex + classCount + index, to: members.endIndex, by: classCount) {
      sum += members[place]
    }
    return sum * reciprocal
  }
}

/// Entropy of a distribution in nats.
public func entropy(_ probabilities: some Sequence<Double>) -> Double {
  -probabilities.reduce(0) { $1 > 0 ? $0 + $1 * log($1) : $0 }
}
