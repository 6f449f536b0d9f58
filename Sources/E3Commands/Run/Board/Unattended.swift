import CE3
import CE3Board
import E3Format

/// What is done with every answer on a board that nobody watches: a decision over several frames, frames that are kept,
/// metrics, a line when the scene drifts away from the calibration.
struct Unattended: ~Copyable {
  private let options: BoardOptions
  private let regions: Int
  private var smoothing: Smoothing?
  private var saving: Saving?
  private var drift: Drift
  private var acceptThreshold: Float
  /// Bytes that the JSON of an answer hardly exceeds.
  private var jsonBytes: Int
  /// Whether a frame could not be kept.
  private(set) var hasFailed = false

  init(_ options: Options, _ model: borrowing Model) throws(Failure) {
    let board = options.board
    let regions = options.capture.view.answerCount
    var saving: Saving?
    if let save = board.save { saving = try Saving(save) }
    if let path = board.metrics {
      Self.expect(model)
      var losesOwner: Int32 = 0
      if let fault = e3c_begin_metrics(path, &losesOwner) { throw .report(path, cString: fault) }
      if losesOwner != 0 { Failure.noteLostOwner(path) }
    }
    let smoothing = try Self.smoothing(board, regions, model)
    (self.options, self.regions, self.saving) = (board, regions, saving)
    self.smoothing = smoothing
    drift = Drift(model.calibration)
    acceptThreshold = Self.acceptThreshold(model)
    jsonBytes = Self.jsonBytes(model)
  }

  private static func smoothing(
    _ options: BoardOptions, _ regions: Int, _ model: borrowing Model
  ) throws(Failure) -> Smoothing? {
    if options.smooth == 1 { return nil }
    return try Smoothing(length: options.smooth, regions: regions, classes: Int(model.info.classes))
  }

  private static func acceptThreshold(_ model: borrowing Model) -> Float {
    model.calibration?.accept_threshold ?? UncalibratedDecision.acceptProbability
  }

  private static func jsonBytes(_ model: borrowing Model) -> Int {
    4096 + 24 * Int(model.info.classes) * (2 * Int(model.info.members) + 2)
  }

  private static func expect(_ model: borrowing Model) {
    var expected = e3c_expected()
    if let calibration = model.calibration, calibration.has_distance != 0 {
      expected.has_distance = 1
      expected.unknown_share = 1 - calibration.known_coverage
      expected.distance_mean = calibration.distance_mean
      expected.distance_deviation = calibration.distance_deviation
    }
    e3c_expect(&expected)
  }

  /// From now on `model` answers.
  mutating func begin(_ model: borrowing Model) throws(Failure) {
    drift = Drift(model.calibration)
    Self.expect(model)
    acceptThreshold = Self.acceptThreshold(model)
    jsonBytes = Self.jsonBytes(model)
    smoothing = try Self.smoothing(options, regions, model)
  }

  /// From now on frames come from somewhere else, or after a gap.
  mutating func beginSource() { smoothing?.reset() }

  /// Takes an answer in; returns the decision over the last frames, where one is asked for.
  mutating func add(
    _ answer: Answer, region: Int, path: UnsafePointer<CChar>, isLive: Bool
  ) -> SmoothedAnswer? {
    let result = answer.result
    e3c_count(Self.counter(result.decision, E3C_ACCEPTED), 1)
    e3c_observe(answer.latency.total, result.relative_distance)
    if isLive { drift.add(result.decision, path) }
    guard smoothing != nil else { return nil }
    let smoothed = smoothing!.add(result, region: region, acceptFrom: acceptThreshold)
    e3c_count(Self.counter(smoothed.decision, E3C_SMOOTHED_ACCEPTED), 1)
    return smoothed
  }

  /// Keeps the frame, if frames with its decision are to be kept.
  mutating func keep(
    _ frame: SourceFrame, _ decision: e3_decision, isLive: Bool, _ writeAnswer: (TextStream) -> Void
  ) {
    guard saving != nil, saving!.wants(decision, isLive: isLive) else { return }
    if !saving!.keep(frame, jsonBytes: jsonBytes, writeAnswer) { hasFailed = true }
  }

  /// The counter of a decision; `accepted` and the two after it.
  private static func counter(_ decision: e3_decision, _ accepted: e3c_counter) -> e3c_counter {
    e3c_counter(accepted.rawValue + decision - UInt32(E3_DECISION_ACCEPT))
  }
}
