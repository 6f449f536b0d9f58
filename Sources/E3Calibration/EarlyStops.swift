import CE3
import E3
import E3Format
import E3Host
import E3Metrics
import E3Models

/// When an answer may stop after a network that is not the last of a deep ensemble: where it is accepted, with a top
/// probability of at least ``probability`` and an unknown score of at most ``unknownScore``.
public struct EarlyStop: Sendable, Equatable {
  /// Above 1 where nothing stops.
  public let probability: Float
  public let unknownScore: Float
  /// Share of the images of the thresholds that stop here.
  public let stopped: Double
  /// Share of those whose decision or class is another than that of all networks.
  public let differing: Double

  /// Nothing stops.
  static let never = EarlyStop(probability: 2, unknownScore: 0, stopped: 0, differing: 0)
  /// Whatever is accepted stops.
  static let always = EarlyStop(probability: 0, unknownScore: .greatestFiniteMagnitude, stopped: 0, differing: 0)

  var stored: e3_file_early_stop {
    e3_file_early_stop(
      probability: probability, unknown_score: unknownScore, stopped: Float(stopped), differing: Float(differing))
  }
}

extension EarlyStop {
  /// An image whose answer the networks so far accept.
  struct Candidate {
    let probability: Float
    /// NaN without class statistics.
    let unknownScore: Float
    /// Whether decision or class are others than those of all networks.
    let differs: Bool
  }

  /// Shares of the candidates that a limit of the unknown score lets pass: what is tried.
  private static let scoreShares = [1, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5]

  /// The stop that takes the most of `candidates`, so that (differing + 1) / (stopped + 1) of them is at most `share`.
  ///
  /// The one that is added stands for the next image (conformal risk control: Angelopoulos, Bates, Fisch, Lei and Schuster
  /// 2024): for a given limit of the score, the chance that a new image stops and differs is at most `share`; to ask it of
  /// those that stop, and not of all, is stricter. Two things are not in that bound: of several limits of the score the one
  /// that stops most is taken, and the decisions come from thresholds that were fitted to the same images.
  ///
  /// - Parameter count: images, the candidates among them.
  init(_ candidates: [Candidate], count: Int, share: Double) {
    let scores = candidates.map(\.unknownScore).sorted()
    var best: (stop: EarlyStop, count: Int) = (.never, 0)
    for part in Self.scoreShares where !scores.isEmpty {
      let isLimited = part < 1 && !scores[0].isNaN
      let limit = isLimited ? scores[Int(Double(scores.count - 1) * part)] : .greatestFiniteMagnitude
      let inside = candidates.filter { !($0.unknownScore > limit) }.sorted { $0.probability > $1.probability }
      var differing = 0
      for (index, candidate) in inside.enumerated() {
        differing += candidate.differs ? 1 : 0
        let isLastOfEqual = index + 1 == inside.count || inside[index + 1].probability < candidate.probability
        let stopped = index + 1
        guard isLastOfEqual, Double(differing + 1) <= share * Double(stopped + 1), stopped > best.count else {
          continue
        }
        best = (
          EarlyStop(
            probability: candidate.probability, unknownScore: limit, stopped: Double(stopped) / Double(count),
            differing: Double(differing) / Double(stopped)), stopped
        )
      }
    }
    self = best.stop
  }
}

/// What all images come to when some of them stop early, and when none does.
public struct EarlyWorth: Sendable {
  public let whole, early: Figures

  public struct Figures: Sendable {
    /// Shares of the images: accepted, not called unknown, and with their class in their set.
    public let accept, known, setCoverage: Double
    /// Of the tempered probabilities.
    public let accuracy, negativeLogLikelihood: Double

    init(_ observations: Observations) {
      let verdicts = observations.verdicts
      func share(_ condition: (Observations.Verdict) -> Bool) -> Double {
        Double(verdicts.count(where: condition)) / Double(max(verdicts.count, 1))
      }
      accept = share { $0.decision == .accept }
      known = share { $0.decision != .unknown }
      setCoverage = share(\.setHoldsTruth)
      let right = verdicts.indices.count { verdicts[$0].topClass == observations.classes[$0] }
      accuracy = Double(right) / Double(max(verdicts.count, 1))
      let sum = verdicts.reduce(0) { $0 + logProbability($1.trueProbability) }
      negativeLogLikelihood = -sum / Double(max(verdicts.count, 1))
    }
  }
}

/// Fits after which networks of `model` an answer may stop: for one network after the other, to the images that have not
/// stopped before.
///
/// The runtime itself says what the first networks answer: it runs files that stop where the answer of so many is accepted.
///
/// - Parameters:
///   - images: Those of the thresholds.
///   - parts: The file's sections, but the stops.
///   - output: Where the files are written, which get no name.
func earlyStops(
  of model: MappedModel, _ images: LabelledImages, _ parts: CalibrationParts, share: Double, output: String,
  threads: Int,
  progress: (String, Double) -> Void
) throws(FileError) -> (stops: [EarlyStop], worth: EarlyWorth) {
  func observed(_ stops: [EarlyStop], _ stage: String) throws(FileError) -> Observations {
    var provisional = parts
    provisional.early = (share, stops)
    return try provisional.write(model, to: output).withMappedBytes { (bytes) throws(FileError) in
      try Observations(
        of: images, model: MappedModel(borrowing: bytes, path: model.path), stopsEarly: true, threads: threads
      ) { progress(stage, Double($0) / Double(images.count)) }
    }
  }

  var stops = [EarlyStop](repeating: .never, count: model.networks.count - 1)
  let whole = try observed(stops, "all networks")
  for network in stops.indices {
    var trial = stops
    trial[network] = .always
    let found = try observed(trial, network == 0 ? "network 0" : "networks 0 to \(network)")
    let candidates = found.indices.filter { found.verdicts[$0].networks == network + 1 }.map { index in
      let (verdict, expected) = (found.verdicts[index], whole.verdicts[index])
      return EarlyStop.Candidate(
        probability: verdict.probability, unknownScore: found.unknownScores[index],
        differs: (verdict.topClass, verdict.decision) != (expected.topClass, expected.decision))
    }
    stops[network] = EarlyStop(candidates, count: images.count, share: share)
  }
  let early = try observed(stops, "stopping early")
  return (stops, EarlyWorth(whole: .init(whole), early: .init(early)))
}
