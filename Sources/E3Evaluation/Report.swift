import E3DataSets
import E3Metrics
import E3Models

/// Everything that was measured of one model, or of several as a deep ensemble.
public struct Report: Sendable {
  /// One data set that is not what the model was trained for.
  public struct OutOfDistribution: Sendable {
    /// Path as it was given.
    public let dataSet: String
    /// N
    public let count: Int
    /// In the order of `Signal.allCases`, as far as the model has them.
    public let signals: [SignalScore]
    /// Of a calibrated file; nil for others.
    public let decisions: DecisionShares?
    /// Of the float path; nil unless it was asked for.
    public let reference: [SignalScore]?
    let answers: Answers
  }

  /// The float path on the same images.
  public struct Reference: Sendable {
    /// Path as it was given.
    public let checkpoint: String
    /// Of the untempered probabilities.
    public let scores: Scores
    /// With the temperature of a calibrated file; nil for others.
    public let calibratedScores: Scores?
    /// Mean share of the pairs of members whose most probable classes differ.
    public let disagreement: Double
    /// How well each signal tells wrong answers.
    public let misclassification: [SignalScore]
    /// Share of the images whose most probable classes are equal.
    public let topAgreement: Double
    /// Share of the router choices that int8 made differently; nil for a dense model.
    public let flippedChoices: Double?
  }

  /// One corruption at one severity.
  public struct Corrupted: Sendable {
    /// What was done to the images.
    public let corruption: Corruption
    /// 1 to 5
    public let severity: Int
    /// Of the untempered probabilities.
    public let scores: Scores
    /// Of a calibrated file; nil for others.
    public let calibrated: CalibratedScores?
  }

  /// Paths of the model files.
  public let models: [String]
  /// Bytes of all model files.
  public internal(set) var fileBytes = 0
  /// What one image costs all of them.
  public internal(set) var multiplyAccumulates = 0
  /// Path of the labelled images.
  public let dataSet: String
  /// N
  public let count: Int
  /// M, over all models.
  public let members: Int
  /// Of the untempered probabilities.
  public let scores: Scores
  /// Mean share of the pairs of members whose most probable classes differ.
  public let disagreement: Double
  /// Of a calibrated file; nil for others.
  public let calibrated: CalibratedScores?
  /// The temperature that would give these images the least NLL; to be used on others.
  public let fittedTemperature: Double
  /// A temperature that was asked for and what it gives; nil when none was.
  public let tempered: (temperature: Double, scores: Scores)?
  /// How well each signal tells wrong answers.
  public let misclassification: [SignalScore]
  /// What the routers did; nil for a dense model and for several models.
  public let routing: RoutingStatistics?
  /// The data sets that are not what the model was trained for, as they were named.
  public internal(set) var outOfDistribution: [OutOfDistribution] = []
  /// Every corruption at every severity; empty unless they were asked for.
  public internal(set) var corrupted: [Corrupted] = []
  /// How folders of classes were found among the model's classes; nil for a data set of another form.
  public internal(set) var folderMatching: DataSet.FolderMatching?
  /// The float path; nil unless it was asked for.
  public internal(set) var reference: Reference?

  let answers: Answers
  let labels: [Int]

  /// - Parameters:
  ///   - answers: to at least one image.
  ///   - labels: true classes, one per image.
  ///   - temperature: to score the probabilities with as well.
  init(models: [String], dataSet: String, answers: Answers, labels: [Int], temperature: Double? = nil) {
    let predictions = answers.labelled(labels)
    (self.models, self.dataSet, self.answers, self.labels) = (models, dataSet, answers, labels)
    count = answers.count
    members = answers.memberCount
    scores = Scores(predictions)
    disagreement = answers.meanDisagreement
    calibrated = answers.calibrated.flatMap {
      CalibratedScores($0, classCount: answers.classCount, labels: labels)
    }
    fittedTemperature = predictions.fittedTemperature() ?? .nan
    tempered = temperature.map { ($0, Scores(predictions.tempered(by: $0))) }
    misclassification = SignalScore.misclassification(answers, isRight: predictions.isRight)
    routing = answers.routing
  }

  /// - Parameter temperature: of the model file; nil where it is not calibrated.
  mutating func setReference(_ found: Answers, checkpoint: String, temperature: Double?) {
    let predictions = found.labelled(labels)
    let mine = answers.labelled(labels).predictions
    var flipped: Double?
    if let routing = answers.routing, let floats = found.routing { flipped = routing.flippedShare(against: floats) }
    reference = Reference(
      checkpoint: checkpoint, scores: Scores(predictions),
      calibratedScores: temperature.map { Scores(predictions.tempered(by: $0)) }, disagreement: found.meanDisagreement,
      misclassification: SignalScore.misclassification(found, isRight: predictions.isRight),
      topAgreement: Double(zip(mine, predictions.predictions).count { $0 == $1 }) / Double(count),
      flippedChoices: flipped)
    referenceAnswers = found
  }

  /// Answers of the float path to the labelled images; kept for the detection of other data sets.
  private(set) var referenceAnswers: Answers?

  mutating func addOutOfDistribution(_ found: Answers, reference: Answers?, dataSet: String) {
    var floats: [SignalScore]?
    if let reference, let referenceAnswers {
      floats = SignalScore.scores(positives: reference, negatives: referenceAnswers)
    }
    outOfDistribution.append(
      OutOfDistribution(
        dataSet: dataSet, count: found.count, signals: SignalScore.scores(positives: found, negatives: answers),
        decisions: found.calibrated.map(DecisionShares.init), reference: floats, answers: found))
  }

  mutating func addCorrupted(_ found: Answers, _ corruption: Corruption, severity: Int) {
    corrupted.append(
      Corrupted(
        corruption: corruption, severity: severity, scores: Scores(found.labelled(labels)),
        calibrated: found.calibrated.flatMap {
          CalibratedScores($0, classCount: found.classCount, labels: labels)
        }))
  }
}
