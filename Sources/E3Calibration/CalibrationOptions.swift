/// How a model is to be calibrated.
public struct CalibrationOptions: Sendable {
  /// Share of images whose class is in the prediction set.
  public var coverage = 0.95
  /// Which classes a prediction set holds.
  public var sets = PredictionSetKind.leastAmbiguous
  /// Whether each class has a threshold of its own, so that the coverage holds for the images of every class.
  public var isClassConditional = false
  /// Share of images like those of the calibration that are not called unknown.
  public var knownCoverage = 0.98
  /// Share of the known images that are accepted.
  public var acceptCoverage = 0.9
  /// Whether the file gets the class statistics, without which nothing is unknown.
  public var hasDistance = true
  /// What decides between known and unknown; nil: what tells foreign images best.
  public var distance: DistanceName?
  /// Share of the images that stop before the last network of a deep ensemble and may differ from the answer of all; nil:
  /// none stops.
  public var earlyShare: Double?
  /// Images that are run at the same time.
  public var threads = 1

  /// The shares of the command without options, on one thread.
  public init() {}
}
