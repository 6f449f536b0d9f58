#if !hasFeature(Embedded)
  /// An answer that outlives its session's next run: a copy of an ``Answer`` to keep, compare or send elsewhere.
  public struct StoredAnswer: Sendable, Equatable {
    /// The most probable class; the lowest on a tie.
    public let topClass: Int
    /// What may be done with the answer.
    public let decision: Decision
    /// The conformal prediction set: classes, most probable first; empty when the file is not calibrated.
    public let predictionSet: [Int]
    /// `[C]` mean of the members' softmax, tempered when the file is calibrated.
    public let probabilities: [Float]
    /// `[M][C]` logits of the members.
    public let memberLogits: [[Float]]
    /// `[M][C]` softmax of the logits.
    public let memberProbabilities: [[Float]]
    /// `[M][R]` what the head reads of each member.
    public let representations: [[Float]]
    /// Entropy of the mean of the members' probabilities, in nats.
    public let totalEntropy: Float
    /// Mean of the members' entropies, in nats.
    public let expectedEntropy: Float
    /// Total less expected entropy, in nats.
    public let mutualInformation: Float
    /// Share of the pairs of members whose top classes differ.
    public let disagreement: Float
    /// Mahalanobis distance of the representations; nil when the file has no class statistics.
    public let distance: Float?
    /// Relative Mahalanobis distance; nil when the file has no class statistics.
    public let relativeDistance: Float?
    /// What decides whether the image is unknown; nil when the file has no class statistics.
    public let unknownScore: Float?

    /// Copies what the answer says.
    public init(_ answer: borrowing Answer) {
      (topClass, decision) = (answer.topClass, answer.decision)
      predictionSet = Array(copying: answer.predictionSet).map { Int($0) }
      probabilities = Array(copying: answer.probabilities)
      var (logits, softmax, representations): ([[Float]], [[Float]], [[Float]]) = ([], [], [])
      for member in 0..<answer.memberCount {
        logits.append(Array(copying: answer.logits(ofMember: member)))
        softmax.append(Array(copying: answer.probabilities(ofMember: member)))
        representations.append(Array(copying: answer.representation(ofMember: member)))
      }
      (memberLogits, memberProbabilities, self.representations) = (logits, softmax, representations)
      (totalEntropy, expectedEntropy) = (answer.totalEntropy, answer.expectedEntropy)
      (mutualInformation, disagreement) = (answer.mutualInformation, answer.disagreement)
      (distance, relativeDistance) = (answer.distance, answer.relativeDistance)
      unknownScore = answer.unknownScore
    }
  }
#endif
