import CE3
import E3Converter
import E3Metrics

/// What a calibration fitted, and what it did to the images that it was fitted on.
public struct CalibrationSummary: Sendable {
  /// What the file stores.
  public let calibration: e3_file_calibration
  /// NLL of the held-out images, before and after the temperature.
  public let negativeLogLikelihood: (before: Double, after: Double)
  /// Their expected calibration error, 15 bins.
  public let expectedCalibrationError: (before: Double, after: Double)
  /// Share of the held-out images whose most probable class is the true one.
  public let accuracy: Double

  init(_ calibration: e3_file_calibration, before: Observations, after: LabelledPredictions) {
    let plain = LabelledPredictions(
      probabilities: before.probabilities, classCount: after.classCount, labels: after.labels)
    self.calibration = calibration
    negativeLogLikelihood = (plain.negativeLogLikelihood ?? .nan, after.negativeLogLikelihood ?? .nan)
    expectedCalibrationError = (plain.expectedCalibrationError ?? .nan, after.expectedCalibrationError ?? .nan)
    accuracy = after.accuracy ?? .nan
  }

  /// Lines for people.
  public var text: String {
    let fit = calibrationText(calibration)
    return """
      \(fit)
        accuracy             \(decimals(100 * accuracy, 2)) % of the \(calibration.image_count) images
        NLL                  \(decimals(negativeLogLikelihood.before, 4)) before, \
      \(decimals(negativeLogLikelihood.after, 4)) after
        ECE                  \(decimals(expectedCalibrationError.before, 4)) before, \
      \(decimals(expectedCalibrationError.after, 4)) after
      """
  }
}
