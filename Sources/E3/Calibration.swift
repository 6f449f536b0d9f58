import CE3

/// What a calibrated file says about its answers.
///
/// Each threshold was fitted on held-out images so that the stated share of images of the same kind is treated so. The
/// equivalent of `e3_calibration`.
public struct Calibration: Sendable {
  private let stored: e3_calibration

  init(_ stored: e3_calibration) { self.stored = stored }

  /// Whether the file carries the class statistics that distances need.
  public var hasDistance: Bool { stored.has_distance != 0 }
  /// T: probabilities are (mean of the members' softmax)^(1/T), normalised.
  public var temperature: Float { stored.temperature }
  /// ``Decision/accept`` from this top probability on, else ``Decision/unsure``.
  public var acceptThreshold: Float { stored.accept_threshold }
  /// ``Decision/unknown`` above this ``Answer/unknownScore``; nil without distances.
  public var unknownThreshold: Float? { hasDistance ? stored.unknown_threshold : nil }
  /// A class is in the prediction set from this probability on; of adaptive sets, up to this score.
  public var setThreshold: Float { stored.set_threshold }
  /// Share of known images that are accepted, 0 to 1.
  public var acceptCoverage: Float { stored.accept_coverage }
  /// Share of images that are not unknown, 0 to 1; nil without distances.
  public var knownCoverage: Float? { hasDistance ? stored.known_coverage : nil }
  /// Share of images whose class is in the prediction set, 0 to 1.
  public var setCoverage: Float { stored.set_coverage }
  /// Images that temperature and thresholds were fitted on.
  public var imageCount: Int { Int(stored.images) }
  /// Images that the class statistics were fitted on; 0 without distances.
  public var statisticsImageCount: Int { Int(stored.statistics_images) }
  /// Mean and standard deviation of the relative distance of the images that the thresholds were fitted on; nil without
  /// distances, and when the file does not say.
  public var relativeDistance: (mean: Float, deviation: Float)? {
    stored.distance_deviation > 0 ? (stored.distance_mean, stored.distance_deviation) : nil
  }
  /// Whether a prediction set holds as many of the most probable classes as it takes (APS), not those probable enough.
  public var hasAdaptiveSets: Bool { stored.set_score == 2 }
  /// What each rank beyond ``freeSetRanks`` adds to a class's score in adaptive sets (RAPS); 0 without a penalty.
  public var setPenalty: Float { stored.set_penalty }
  /// Ranks without a penalty in adaptive sets.
  public var freeSetRanks: Int { Int(stored.set_free_ranks) }
  /// Whether each class has a set threshold of its own, so that ``setCoverage`` holds for the images of each.
  public var hasClassConditionalSets: Bool { stored.class_conditional != 0 }
  /// Whether representations are divided by their length before distances are measured (Mahalanobis++).
  public var hasUnitLength: Bool { stored.unit_length != 0 }
  /// Share of the squared distance from the background that ``Answer/unknownScore`` takes off: 1 for the relative
  /// Mahalanobis distance, 0 for the plain one; nil without distances.
  public var backgroundWeight: Float? { hasDistance ? stored.background_weight : nil }
  /// What ``Answer/unknownScore`` adds to the distance for each nat of ``Answer/totalEntropy``.
  public var entropyWeight: Float { stored.uncertainty == 1 ? stored.uncertainty_weight : 0 }
  /// The same for each nat of ``Answer/mutualInformation``.
  public var mutualInformationWeight: Float { stored.uncertainty == 2 ? stored.uncertainty_weight : 0 }
}
