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
    let images: DataSet
    let answers: Answers
    let referenceAnswers: Answers?
  }

  /// The float path on the same images.
  public struct Reference: Sendable {
    /// Paths as they were given, one for each network.
    public let checkpoints: [String]
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

  /// The model files.
  public let models: [EvaluatedModel]
  /// The labelled images.
  let images: DataSet
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
  /// The float path; nil unless it was asked for.
  public internal(set) var reference: Reference?
  /// What stopping early is worth, on the labelled images and then on the others; empty unless it was asked for.
  public internal(set) var early: [EarlyAnswers] = []

  let answers: Answers
  let labels: [Int]

  /// - Parameters:
  ///   - answers: to the images, at least one.
  ///   - labels: true classes, one per image.
  ///   - temperature: to score the probabilities with as well.
  init(
    models: [EvaluatedModel], images: DataSet, answers: Answers, labels: [Int], temperature: Double? = nil
  ) {
    let predictions = answers.labelled(labels)
    (self.models, self.images, self.answers, self.labels) = (models, images, answers, labels)
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
  mutating func setReference(_ found: Answers, checkpoints: [String], temperature: Double?) {
    let predictions = found.labelled(labels)
    let mine = answers.labelled(labels).predictions
    var flipped: Double?
    if let routing = answers.routing, let floats = found.routing { flipped = routing.flippedShare(against: floats) }
    reference = Reference(
      checkpoints: checkpoints, scores: Scores(predictions),
      calibratedScores: temperature.map { Scores(predictions.tempered(by: $0)) }, disagreement: found.meanDisagreement,
      misclassification: SignalScore.misclassification(found, isRight: predictions.isRight),
      topAgreement: Double(zip(mine, predictions.predictions).count { $0 == $1 }) / Double(count),
      flippedChoices: flipped)
    referenceAnswers = found
  }

  /// Answers of the float path to the labelled images; kept for the detection of other data sets.
  private(set) var referenceAnswers: Answers?

  mutating func addOutOfDistribution(_ found: Answers, reference: Answers?, images: DataSet) {
    var floats: [SignalScore]?
    if let reference, let referenceAnswers {
      floats = SignalScore.scores(positives: reference, negatives: referenceAnswers)
    }
    outOfDistribution.append(
      OutOfDistribution(
        dataSet: images.path, count: found.count, signals: SignalScore.scores(positives: found, negatives: answers),
        decisions: found.calibrated.map(DecisionShares.init), reference: floats, images: images, answers: found,
        referenceAnswers: reference))
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

// MARK: What was evaluated

extension Report {
  /// Path of the labelled images.
  public var dataSet: String { images.path }
  /// Bytes of all model files.
  public var fileBytes: Int { models.reduce(0) { $0 + $1.fileBytes } }
  /// Their weights: "int8", or "int4" where MLPs or experts have 4 bits.
  public var weights: String { models.contains(where: \.hasInt4Weights) ? "int4" : "int8" }
  /// What one image costs all of them.
  public var multiplyAccumulates: Int { models.reduce(0) { $0 + $1.multiplyAccumulates } }
  /// How folders of classes were found among the model's classes; nil for a data set of another form.
  public var folderMatching: DataSet.FolderMatching? { images.folderMatching(modelLabels: models[0].labels) }

  /// What the file decides by; nil where it is not calibrated, and for several models.
  var thresholds: Thresholds? { models.count == 1 ? models[0].thresholds : nil }
}

/// What a calibrated file decides by.
struct Thresholds: Sendable {
  let temperature: Double
  /// The probability from which on an answer is accepted.
  let accept: Double
  /// The relative distance above which an image is unknown; nil without class statistics.
  let unknown: Double?
}

extension EvaluatedModel {
  /// Nil for a file without a calibration.
  var thresholds: Thresholds? {
    mapped.file.calibration.map {
      Thresholds(
        temperature: Double($0.temperature), accept: Double($0.accept_threshold),
        unknown: mapped.file.hasStatistics ? Double($0.unknown_threshold) : nil)
    }
  }
}
