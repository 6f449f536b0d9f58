import CE3
import E3DataSets
import E3Host
import E3Metrics
import E3Models

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
  /// How folders of classes were found among the model's classes; nil for a data set of another form.
  public internal(set) var folderMatching: DataSet.FolderMatching?
  /// `[C]` of the prediction sets; empty where the calibration has one for all classes.
  public internal(set) var setThresholds: [Float] = []
  /// What makes these numbers doubtful, a line each.
  public internal(set) var doubts: [String] = []
  /// What the file's calibration had before and this one has not, without that anybody asked for it.
  public internal(set) var lost: [String] = []
  /// The class whose images are in their set least often, the share that is, and its number of images.
  public internal(set) var worstClass: (name: String, share: Double, count: Int) = ("", 0, 0)
  /// What decides between known and unknown, and why; nil without distances.
  public internal(set) var choice: UnknownChoice?
  /// After which networks an answer may stop; empty where it was not asked for.
  public internal(set) var early: [EarlyStop] = []
  /// What that costs on the held-out images; nil where it was not asked for.
  public internal(set) var earlyWorth: EarlyWorth?
  /// Values of a representation, whose covariance the class statistics hold.
  public let representation: Int

  init(
    _ calibration: e3_file_calibration, before: Observations, after: LabelledPredictions, representation: Int
  ) {
    let plain = LabelledPredictions(
      probabilities: before.probabilities, classCount: after.classCount, labels: after.labels)
    self.calibration = calibration
    self.representation = representation
    negativeLogLikelihood = (plain.negativeLogLikelihood ?? .nan, after.negativeLogLikelihood ?? .nan)
    expectedCalibrationError = (plain.expectedCalibrationError ?? .nan, after.expectedCalibrationError ?? .nan)
    accuracy = after.accuracy ?? .nan
  }

  /// How far a share of new images lies from the stated one, as the held-out images are no more than a sample: one
  /// standard deviation, of the share that varies most. Among n images a conformal threshold of coverage c leaves a
  /// share of new ones with the distribution Beta((n + 1) c, (n + 1) (1 - c)).
  public var shareDeviation: Double {
    let shares = [calibration.accept_coverage, calibration.set_coverage, calibration.known_coverage].map(Double.init)
    return shares.map { ($0 * (1 - $0) / (Double(calibration.image_count) + 2)).squareRoot() }.max() ?? 0
  }

  /// Whether the covariance of the class statistics comes from fewer images than five for each of its rows: distances
  /// then say more about these images than about new ones.
  public var hasFewStatistics: Bool {
    calibration.statistics_count > 0 && Int(calibration.statistics_count) < fewStatistics * representation
  }

  /// Whether the answers are right no more often than a guess among `classCount` classes would be.
  func isNoBetterThanChance(classCount: Int) -> Bool { accuracy <= 1 / Double(classCount) }

  /// What stopping early costs, in lines for people.
  private static func text(of worth: EarlyWorth) -> String {
    func percents(_ path: KeyPath<EarlyWorth.Figures, Double>) -> String {
      "\(decimals(100 * worth.early[keyPath: path], 2)) % instead of \(decimals(100 * worth.whole[keyPath: path], 2)) %"
    }
    let losses = [worth.early, worth.whole].map { decimals($0.negativeLogLikelihood, 4) }
    return """
        early, in all        accepted \(percents(\.accept)), known \(percents(\.known))
                             true class in set \(percents(\.setCoverage))
                             accuracy \(percents(\.accuracy)), NLL \(losses[0]) instead of \(losses[1])
      """
  }

  /// Lines for people.
  public var text: String {
    var fit = calibrationText(calibration, setThresholds: setThresholds)
    if let text = choice?.text, !text.isEmpty { fit += "\n" + text }
    for (index, stop) in early.enumerated() {
      fit += "\n  \(padded("early, network \(index)", 20)) " + earlyText(stop.stored)
    }
    if let earlyWorth { fit += "\n" + Self.text(of: earlyWorth) }
    if let folderMatching { fit += "\n  folders              are classes by \(folderMatching.rawValue)" }
    fit += "\n  new images           shares within \(decimals(100 * shareDeviation, 1)) points (one standard deviation)"
    if hasFewStatistics {
      fit +=
        "\n  class statistics     from too few images to tell unknown ones well: \(fewStatistics * representation) are better"
    }
    return """
      \(fit)
        accuracy             \(decimals(100 * accuracy, 2)) % of the \(counted(Int(calibration.image_count), "image"))
        NLL                  \(decimals(negativeLogLikelihood.before, 4)) before, \
      \(decimals(negativeLogLikelihood.after, 4)) after
        ECE                  \(decimals(expectedCalibrationError.before, 4)) before, \
      \(decimals(expectedCalibrationError.after, 4)) after
        worst class          \(worstClass.name): \(decimals(100 * worstClass.share, 1)) % of its \
      \(worstClass.count == 1 ? "1 image has it in its" : "\(worstClass.count) images have it in their") set
      """
  }
}
