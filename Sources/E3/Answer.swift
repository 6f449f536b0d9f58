import CE3

/// What may be done with an answer.
public enum Decision: UInt32, Sendable {
  /// The top class may be used.
  case accept = 1
  /// A known kind of scene, but the classes are not told apart well enough.
  case unsure = 2
  /// Unlike anything the model was trained on.
  case unknown = 3
}

/// The answer to one image. Its arrays lie in the session's arena; the compiler keeps it from being read after the
/// session was used again. The equivalent of `e3_result`.
///
/// Entropies are in nats, of the mean before any temperature; total = expected + mutual information (Depeweg et al.
/// 2018, "Decomposition of Uncertainty in Bayesian Deep Learning").
public struct Answer: ~Copyable, ~Escapable {
  let result: e3_result
  /// R, the width of a representation.
  public let representationSize: Int

  static var emptyResult: e3_result {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    return result
  }

  /// - Parameter result: as a session filled it. The caller ties the answer to the session.
  @_lifetime(immortal)
  init(_ result: e3_result, _ model: Model) {
    self.result = result
    representationSize = model.representationSize
  }
}

// MARK: The class and what may be done with it

extension Answer {
  /// C, the number of classes.
  public var classCount: Int { Int(result.classes) }
  /// Networks of the file that answered: all, or fewer in a session that stops early (``SessionOptions/stopsEarly``).
  public var networkCount: Int { Int(result.networks) }
  /// M, the number of members, of the networks that answered.
  public var memberCount: Int { Int(result.members) }
  /// The most probable class; the lowest on a tie.
  public var topClass: Int { Int(result.top_class) }
  /// Probability of the top class.
  public var topProbability: Float { result.top_probability }
  /// What may be done with the answer. Without a calibration: ``Decision/accept`` from a probability of 0.5 on, never
  /// ``Decision/unknown``.
  public var decision: Decision { Decision(rawValue: result.decision) ?? .unsure }

  /// The conformal prediction set: classes, most probable first; empty when the file is not calibrated.
  public var predictionSet: Span<UInt32> {
    @_lifetime(borrow self)
    get {
      let set = UnsafeBufferPointer(start: result.prediction_set, count: Int(result.prediction_set_count))
      return _overrideLifetime(Span(_unsafeElements: set), borrowing: self)
    }
  }
}

// MARK: Probabilities

extension Answer {
  /// `[C]` mean of the members' softmax, tempered when the file is calibrated.
  public var probabilities: Span<Float> {
    @_lifetime(borrow self)
    get { _overrideLifetime(Span(_unsafeStart: result.probabilities, count: classCount), borrowing: self) }
  }

  /// `[M][C]` logits of the members.
  public var memberLogits: Span<Float> {
    @_lifetime(borrow self)
    get {
      _overrideLifetime(Span(_unsafeStart: result.member_logits, count: memberCount * classCount), borrowing: self)
    }
  }

  /// `[M][C]` softmax of `memberLogits`.
  public var memberProbabilities: Span<Float> {
    @_lifetime(borrow self)
    get {
      _overrideLifetime(
        Span(_unsafeStart: result.member_probabilities, count: memberCount * classCount), borrowing: self)
    }
  }

  /// `[C]` logits of a member.
  ///
  /// - Precondition: `member` is below `memberCount`.
  @_lifetime(borrow self)
  public func logits(ofMember member: Int) -> Span<Float> {
    precondition(member >= 0 && member < memberCount)
    let start = result.member_logits + member * classCount
    return _overrideLifetime(Span(_unsafeStart: start, count: classCount), borrowing: self)
  }

  /// `[C]` softmax of a member's logits.
  ///
  /// - Precondition: `member` is below `memberCount`.
  @_lifetime(borrow self)
  public func probabilities(ofMember member: Int) -> Span<Float> {
    precondition(member >= 0 && member < memberCount)
    let start = result.member_probabilities + member * classCount
    return _overrideLifetime(Span(_unsafeStart: start, count: classCount), borrowing: self)
  }

  /// `[R]` what the head reads of a member.
  ///
  /// - Precondition: `member` is below `memberCount`.
  @_lifetime(borrow self)
  public func representation(ofMember member: Int) -> Span<Float> {
    precondition(member >= 0 && member < memberCount)
    let start = result.representations + member * Int(result.representation_stride)
    return _overrideLifetime(Span(_unsafeStart: start, count: representationSize), borrowing: self)
  }
}

// MARK: Uncertainty

extension Answer {
  /// Entropy of the mean of the members' probabilities.
  public var totalEntropy: Float { result.total_entropy }
  /// Mean of the members' entropies: what the image leaves open (aleatoric).
  public var expectedEntropy: Float { result.expected_entropy }
  /// Total less expected entropy, never negative: what the members differ in (epistemic).
  public var mutualInformation: Float { result.mutual_information }
  /// Share of the pairs of members whose top classes differ, 0 to 1; 0 when M is 1.
  public var disagreement: Float { result.disagreement }
  /// Mahalanobis distance of the representations from the training data, in standard deviations (Lee et al. 2018);
  /// infinite when it is too large for a float; nil when the file has no class statistics.
  public var distance: Float? { result.distance.isNaN ? nil : result.distance }
  /// Relative Mahalanobis distance, of squares (Ren et al. 2021); nil when the file has no class statistics.
  public var relativeDistance: Float? { result.relative_distance.isNaN ? nil : result.relative_distance }
  /// What decides whether the image is unknown: a distance, and where the calibration says so an entropy with it; nil when
  /// the file has no class statistics.
  public var unknownScore: Float? { result.unknown_score.isNaN ? nil : result.unknown_score }
}
