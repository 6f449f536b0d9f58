import E3DataSets
import E3Host
import E3Models

/// What stopping early is worth: the answers of a deep ensemble's first networks where the file says that these suffice,
/// beside those of all networks, image by image.
public struct EarlyAnswers: Sendable {
  /// Path of the images as it was given.
  public let dataSet: String
  /// Whether the file stops nothing: it was calibrated on too few images, or on too many that differ.
  let stopsNothing: Bool
  /// `[N]` networks that answered.
  private var networks: [Int] = []
  /// How many images stopped with another decision or class than all networks give.
  private var differing = 0
  /// Of all runs, of one session and of the other.
  private var time: (whole: Duration, early: Duration) = (.zero, .zero)
  private var answers = (whole: CalibratedAnswers(), early: CalibratedAnswers())
  private let networkCount, classCount: Int

  fileprivate init(dataSet: String, networkCount: Int, classCount: Int, stopsNothing: Bool) {
    (self.dataSet, self.networkCount, self.classCount) = (dataSet, networkCount, classCount)
    self.stopsNothing = stopsNothing
  }

  /// N
  public var count: Int { networks.count }
  /// Shares of the images that stopped after one network, after two and so on, all but the last.
  public var stopped: [Double] {
    (1..<networkCount).map { number in Double(networks.count { $0 == number }) / Double(max(count, 1)) }
  }
  /// Share of those that stopped whose decision or class is another than that of all networks; nil when none stopped.
  public var differingShare: Double? {
    let total = networks.count { $0 < networkCount }
    return total > 0 ? Double(differing) / Double(total) : nil
  }
  /// Time of all images, as a share of that of all networks, on one thread each.
  public var timeShare: Double { time.whole > .zero ? time.early / time.whole : .nan }
  /// What the decisions of all networks are, and those of the session that stops early.
  public var decisions: (whole: DecisionShares, early: DecisionShares) {
    (DecisionShares(answers.whole), DecisionShares(answers.early))
  }

  /// What both are worth on labelled images.
  func scores(_ labels: [Int]) -> (whole: CalibratedScores, early: CalibratedScores)? {
    guard let whole = CalibratedScores(answers.whole, classCount: classCount, labels: labels),
      let early = CalibratedScores(answers.early, classCount: classCount, labels: labels)
    else { return nil }
    return (whole, early)
  }

  fileprivate mutating func append(
    _ image: DataSetImage, name: String, whole: inout ModelSession, early: inout ModelSession
  ) throws(FileError) {
    var start = ContinuousClock.now
    let all = try whole.run(image, name: name)
    time.whole += start.duration(to: .now)
    answers.whole.append(all)
    let (topClass, decision) = (all.topClass, all.decision)
    start = ContinuousClock.now
    let first = try early.run(image, name: name)
    time.early += start.duration(to: .now)
    answers.early.append(first)
    networks.append(first.networkCount)
    if first.networkCount < networkCount, (first.topClass, first.decision) != (topClass, decision) { differing += 1 }
  }

  fileprivate mutating func append(contentsOf other: EarlyAnswers) {
    networks += other.networks
    differing += other.differing
    time = (time.whole + other.time.whole, time.early + other.time.early)
    answers.whole.append(contentsOf: other.answers.whole)
    answers.early.append(contentsOf: other.answers.early)
  }
}

extension EvaluatedModel {
  /// Runs all networks, and only as many as the file asks for, on each image of `data`; a pair of sessions on each thread.
  ///
  /// - Throws: a file without early stops.
  func earlyAnswers(
    to data: DataSet, threads: Int, progress: (Int) -> Void = { _ in }
  ) throws(FileError) -> EarlyAnswers {
    let mapped = mapped
    let (file, count) = (mapped.file, mapped.networks.count)
    guard count > 1 else {
      throw FileError(file: path, problem: "--early is for deep ensembles; the file is one network", isMisuse: true)
    }
    let empty = EarlyAnswers(
      dataSet: data.path, networkCount: count, classCount: classCount,
      stopsNothing: file.hasEarlyStops && file.stopsNothing)
    let parts = try parallelMap(
      count: data.count, chunk: 64, threads: threads, progress: progress,
      makeWorker: { () throws(FileError) in
        try SessionPair(whole: ModelSession(mapped), early: ModelSession(mapped, stopsEarly: true))
      },
      body: { (sessions: inout SessionPair, range: Range<Int>) throws(FileError) in
        var part = empty
        for index in range {
          try part.append(
            data.image(at: index), name: data.name(ofImage: index), whole: &sessions.whole, early: &sessions.early)
        }
        return part
      })
    return parts.reduce(into: empty) { $0.append(contentsOf: $1) }
  }
}

private struct SessionPair: ~Copyable {
  var whole, early: ModelSession
}
