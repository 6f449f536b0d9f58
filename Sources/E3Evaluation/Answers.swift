import E3
import E3Format
import E3Metrics
import E3Models

/// What one model, or several as one ensemble, answered to N images: a column per quantity.
public struct Answers: Sendable {
  /// C
  public let classCount: Int
  /// M, over all models.
  public let memberCount: Int
  /// `[N][M][C]`
  public private(set) var memberProbabilities: [Float] = []
  /// `[N][C]` mean over the members, as it is before any temperature.
  public private(set) var meanProbabilities: [Float] = []
  /// `[N]` entropy of the mean, in nats.
  public private(set) var totalEntropy: [Double] = []
  /// `[N]` mean of the members' entropies, in nats.
  public private(set) var expectedEntropy: [Double] = []
  /// `[N]` the difference of the two.
  public private(set) var mutualInformation: [Double] = []
  /// `[N]` share of the pairs of members whose most probable classes differ.
  public private(set) var disagreement: [Double] = []
  /// `[N]` Mahalanobis distance of the representations from the training data, as `e3.h` defines it; empty where the
  /// file has no statistics.
  public private(set) var distance: [Double] = []
  /// `[N]` the relative distance, likewise.
  public private(set) var relativeDistance: [Double] = []
  /// `[N]` what decides between known and unknown; empty where the file has no statistics, and for several models.
  public private(set) var unknownScore: [Double] = []
  /// `[N]` what a calibrated file adds; nil for others, for the float path and for several models.
  public private(set) var calibrated: CalibratedAnswers?
  /// Routing, where it was asked for.
  public internal(set) var routing: RoutingStatistics?

  init(classCount: Int, memberCount: Int, isCalibrated: Bool, routing: RoutingStatistics? = nil) {
    (self.classCount, self.memberCount, self.routing) = (classCount, memberCount, routing)
    calibrated = isCalibrated ? CalibratedAnswers() : nil
  }

  /// N
  public var count: Int { totalEntropy.count }

  /// Adds the runtime's answer to one image.
  mutating func append(_ answer: borrowing Answer) {
    let probabilities = Array(copying: answer.memberProbabilities)
    // The runtime's mean is tempered where the file is calibrated; this one never is.
    if calibrated == nil {
      memberProbabilities += probabilities
      meanProbabilities += Array(copying: answer.probabilities)
    } else {
      memberProbabilities += probabilities
      meanProbabilities += MemberSpread(members: probabilities[...], classCount: classCount).probabilities
    }
    totalEntropy.append(Double(answer.totalEntropy))
    expectedEntropy.append(Double(answer.expectedEntropy))
    mutualInformation.append(Double(answer.mutualInformation))
    disagreement.append(Double(answer.disagreement))
    if let distance = answer.distance, let relative = answer.relativeDistance {
      appendDistances((Double(distance), Double(relative)))
    }
    if let score = answer.unknownScore { unknownScore.append(Double(score)) }
    calibrated?.append(answer)
  }

  /// Adds an image from its members' probabilities `[M][C]`, and its distances where there are any.
  ///
  /// - Parameter score: What decides, of a file that has statistics.
  mutating func append(
    members: ArraySlice<Float>, distances: (distance: Double, relative: Double)? = nil, score: UnknownScore? = nil
  ) {
    let spread = MemberSpread(members: members, classCount: classCount)
    memberProbabilities += members
    meanProbabilities += spread.probabilities
    totalEntropy.append(spread.totalEntropy)
    expectedEntropy.append(spread.expectedEntropy)
    mutualInformation.append(spread.mutualInformation)
    disagreement.append(spread.disagreement)
    appendDistances(distances)
    if let distances, let score {
      unknownScore.append(
        score.value(
          distance: distances.distance, relativeDistance: distances.relative, entropy: spread.totalEntropy,
          mutualInformation: spread.mutualInformation))
    }
  }

  private mutating func appendDistances(_ distances: (distance: Double, relative: Double)?) {
    guard let distances else { return }
    distance.append(distances.distance)
    relativeDistance.append(distances.relative)
  }

  /// Adds the images of `other`, which come after these.
  mutating func append(contentsOf other: Answers) {
    memberProbabilities += other.memberProbabilities
    meanProbabilities += other.meanProbabilities
    totalEntropy += other.totalEntropy
    expectedEntropy += other.expectedEntropy
    mutualInformation += other.mutualInformation
    disagreement += other.disagreement
    distance += other.distance
    relativeDistance += other.relativeDistance
    unknownScore += other.unknownScore
    if let added = other.calibrated { calibrated?.append(contentsOf: added) }
    if let added = other.routing { routing?.append(contentsOf: added) }
  }

  /// The answers of several models to the same images, as those of one ensemble of all their members, each with the
  /// same weight (Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep
  /// Ensembles"). Distances are combined over the members as those of one model are: by the mean of their squares.
  ///
  /// - Precondition: as many images and classes in all of them.
  static func ensemble(_ models: [Answers]) -> Answers {
    precondition(Set(models.map(\.count)).count == 1 && Set(models.map(\.classCount)).count == 1)
    if models.count == 1 { return models[0] }
    var all = Answers(
      classCount: models[0].classCount, memberCount: models.reduce(0) { $0 + $1.memberCount }, isCalibrated: false)
    for image in 0..<models[0].count {
      let members = models.flatMap { model in
        let size = model.memberCount * model.classCount
        return model.memberProbabilities[image * size..<(image + 1) * size]
      }
      all.append(members: members[...], distances: distances(of: image, models))
    }
    return all
  }

  private static func distances(of image: Int, _ models: [Answers]) -> (distance: Double, relative: Double)? {
    guard models.allSatisfy({ !$0.distance.isEmpty }) else { return nil }
    let members = Double(models.reduce(0) { $0 + $1.memberCount })
    let squares = models.reduce(0) { $0 + Double($1.memberCount) * $1.distance[image] * $1.distance[image] }
    let relative = models.reduce(0) { $0 + Double($1.memberCount) * $1.relativeDistance[image] }
    return ((squares / members).squareRoot(), relative / members)
  }
}

/// What the calibration of a file says of N images.
public struct CalibratedAnswers: Sendable {
  /// `[N][C]` tempered mean.
  public private(set) var probabilities: [Float] = []
  /// `[N]`
  public private(set) var decisions: [Decision] = []
  /// `[N]` conformal prediction sets.
  public private(set) var predictionSets: [[Int]] = []

  mutating func append(_ answer: borrowing Answer) {
    probabilities += Array(copying: answer.probabilities)
    decisions.append(answer.decision)
    predictionSets.append(Array(copying: answer.predictionSet).map { Int($0) })
  }

  mutating func append(contentsOf other: CalibratedAnswers) {
    probabilities += other.probabilities
    decisions += other.decisions
    predictionSets += other.predictionSets
  }

  /// `[N]` largest tempered probabilities.
  func confidences(classCount: Int) -> [Double] {
    decisions.indices.map { Double(probabilities[$0 * classCount..<($0 + 1) * classCount].max() ?? 0) }
  }

  /// Share of the images with a decision.
  public func share(of decision: Decision) -> Double {
    Double(decisions.count { $0 == decision }) / Double(max(decisions.count, 1))
  }
}
