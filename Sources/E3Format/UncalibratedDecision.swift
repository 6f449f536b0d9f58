/// What a model without a calibration decides by.
public enum UncalibratedDecision {
  /// The least probability that is accepted; nothing is unknown.
  public static var acceptProbability: Float { 0.5 }
}
