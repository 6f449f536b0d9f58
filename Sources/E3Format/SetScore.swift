import CE3

/// How well a class fits an image, for prediction sets: the lower, the better. FORMAT.md, section 5.1.
///
/// Sources: Sadinle et al. 2019, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels"; Romano et al. 2020,
/// "Classification with Valid and Adaptive Coverage" (APS); Angelopoulos et al. 2021, "Uncertainty Sets for Image
/// Classifiers using Conformal Prediction" (RAPS). Adaptive sets are not randomised: the same image has the same set, which
/// ends with the class that takes the sum past the threshold. Were a class's own probability in its score, a clear image
/// would score as high as an unclear one, and the sets of both would be large.
public struct SetScore: BitwiseCopyable, Equatable, Sendable {
  /// Whether the score is the probability of all more probable classes, not one less that of the class.
  public var isAdaptive: Bool
  /// Ranks that have no penalty; 0 without one.
  public var freeRanks: Int
  /// Of each further rank, in units of ``penaltyUnit``.
  public var penalty: Int

  public init(isAdaptive: Bool, freeRanks: Int = 0, penalty: Int = 0) {
    (self.isAdaptive, self.freeRanks, self.penalty) = (isAdaptive, freeRanks, penalty)
  }

  /// One less the probability of the class, which every reader of format 2.0 knows.
  public static var leastAmbiguous: SetScore { SetScore(isAdaptive: false) }

  /// What a unit of ``penalty`` adds to a score.
  public static var penaltyUnit: Float { 1 / 1024 }

  /// What a valid calibration says.
  public init(_ calibration: e3_file_calibration) {
    self.init(
      isAdaptive: calibration.set_score == UInt32(E3_FILE_SCORE_ADAPTIVE.rawValue),
      freeRanks: Int(calibration.set_free_ranks), penalty: Int(calibration.set_penalty))
  }

  /// Writes it into a calibration.
  public func store(in calibration: inout e3_file_calibration) {
    calibration.set_score = UInt32((isAdaptive ? E3_FILE_SCORE_ADAPTIVE : E3_FILE_SCORE_LEAST_AMBIGUOUS).rawValue)
    calibration.set_free_ranks = UInt16(clamping: freeRanks)
    calibration.set_penalty = UInt16(clamping: penalty)
  }

  /// The adaptive score, in f32.
  ///
  /// - Parameters:
  ///   - mass: Probability of all more probable classes, added from the most probable one on; 0 for that one.
  ///   - rank: Of the class: 0 for the most probable one; of equal ones, the lower index comes first.
  public func score(mass: Float, rank: Int) -> Float {
    mass + Self.penaltyUnit * Float(penalty) * Float(max(rank + 1 - freeRanks, 0))
  }
}
