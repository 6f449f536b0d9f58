import E3
import E3Checkpoint
import E3Converter
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Calibration
@testable import E3DataSets
@testable import E3Models

@Suite("Calibrating a deep ensemble")
struct EnsembleTests {
  /// A dense network beside the sample model's, with another width of the representation.
  private static let dense = """
    {"name":"VisionTransformerMoe","image_size":[8,8],"channels":1,"num_classes":5,"patch_size":[2,4],
     "hidden_size":24,"classifier":"gap","encoder":{"num_layers":2,"num_heads":3,"mlp_dim":16}}
    """

  /// The networks in one file, and pictures with labels.
  private func ensemble(_ folder: TemporaryFolder) throws -> String {
    _ = try folder.packModel()
    let config = try folder.write(Self.dense, to: "dense.json")
    try writeRandomWeights(config: config, output: folder["dense.safetensors"], seed: 5)
    try pack(
      [
        CheckpointSource(checkpoint: folder["random.safetensors"], config: folder["config.json"]),
        CheckpointSource(checkpoint: folder["dense.safetensors"], config: config),
      ], output: folder["both.e3"])
    return folder["both.e3"]
  }

  @Test("fits when an answer may stop, and keeps what it promises of the images that it was fitted on")
  func early() throws {
    let folder = try TemporaryFolder()
    let whole = try ensemble(folder)
    let data = try folder.world("held", model: whole, count: 1200, temperature: 1.5, seed: 3)
    let statistics = try folder.world("train", model: whole, count: 600, temperature: 1.5, seed: 4)
    var options = CalibrationOptions()
    (options.threads, options.earlyShare) = (2, 0.2)
    let summary = try calibrate(
      model: whole, data: data, statistics: statistics, output: folder["early.e3"], options: options)
    let stop = try #require(summary.early.first)
    #expect(summary.early.count == 1 && stop.stopped > 0 && stop.differing <= 0.2)
    #expect(summary.text.contains("early, network 0") && summary.text.contains("early, in all"))
    let (worth, labels) = (try #require(summary.earlyWorth), try #require(data.labels))
    let file = try folder.bytes("early.e3")
    #expect(file.header.version_minor == 2 && file.verifyError == nil)
    let model = try verify(model: folder["early.e3"])
    #expect(model.file.hasEarlyStops && model.file.earlyShare == 0.2)
    let inspection = inspectionJSON(of: model)
    #expect(inspection.contains("\"early_stops\":{\"share\":0.2"))
    var all = try ModelSession(model)
    var early = try ModelSession(model, stopsEarly: true)
    var (stopped, differing) = (0, 0)
    var counts = (accepted: (whole: 0, early: 0), held: (whole: 0, early: 0))
    for index in 0..<1200 {
      let image = try data.image(at: index)
      let answer = try all.run(image, name: "image")
      let (expected, decision, label) = (answer.topClass, answer.decision, UInt32(labels[index]))
      if decision == .accept { counts.accepted.whole += 1 }
      if Array(copying: answer.predictionSet).contains(label) { counts.held.whole += 1 }
      let found = try early.run(image, name: "image")
      let (networks, members) = (found.networkCount, found.memberCount)
      if found.decision == .accept { counts.accepted.early += 1 }
      if Array(copying: found.predictionSet).contains(label) { counts.held.early += 1 }
      #expect(members == (networks == 1 ? 2 : 3))
      guard networks == 1 else { continue }
      stopped += 1
      if (found.topClass, found.decision) != (expected, decision) { differing += 1 }
    }
    #expect(abs(Double(stopped) / 1200 - stop.stopped) < 1e-9)
    #expect(abs(Double(differing) / Double(stopped) - stop.differing) < 1e-9)
    #expect(Double(differing + 1) <= 0.2 * Double(stopped + 1))
    // What it costs is what the file does.
    #expect(abs(worth.whole.accept - Double(counts.accepted.whole) / 1200) < 1e-9)
    #expect(abs(worth.early.accept - Double(counts.accepted.early) / 1200) < 1e-9)
    #expect(abs(worth.whole.setCoverage - Double(counts.held.whole) / 1200) < 1e-9)
    #expect(abs(worth.early.setCoverage - Double(counts.held.early) / 1200) < 1e-9)
    #expect(abs(worth.whole.negativeLogLikelihood - summary.negativeLogLikelihood.after) < 1e-6)
    #expect(abs(worth.whole.accuracy - summary.accuracy) < 1e-9 && worth.early.negativeLogLikelihood.isFinite)
    // Calibrated anew without it, the stops are gone; the rest has the same bytes as without it at once.
    options.earlyShare = nil
    let anew = try calibrate(
      model: folder["early.e3"], data: data, statistics: statistics, output: folder["none.e3"], options: options)
    #expect(anew.lost == ["early stops (--early 0.2)"] && summary.lost.isEmpty)
    try calibrate(model: whole, data: data, statistics: statistics, output: folder["plain.e3"], options: options)
    #expect(try folder.bytes("none.e3") == folder.bytes("plain.e3"))
    // One network has nothing to leave out.
    options.earlyShare = 0.1
    #expect(throws: FileError.self) {
      try calibrate(model: folder["model.e3"], data: data, output: folder["one.e3"], options: options)
    }
  }

  @Test("takes the most images that the share allows, with one more that differs")
  func stops() {
    func candidates(
      _ count: Int, differing: (Int) -> Bool, score: (Int) -> Float = { _ in .nan }
    ) -> [EarlyStop.Candidate] {
      (0..<count).map {
        EarlyStop.Candidate(
          probability: 1 - Float($0) / Float(2 * count), unknownScore: score($0), differs: differing($0))
      }
    }
    // 199 of 200 are needed for 0.5 % with none that differs.
    #expect(EarlyStop(candidates(198, differing: { _ in false }), count: 400, share: 0.005) == .never)
    let all = EarlyStop(candidates(199, differing: { _ in false }), count: 398, share: 0.005)
    #expect(all.stopped == 0.5 && all.differing == 0 && all.unknownScore == .greatestFiniteMagnitude)
    // The last hundred differ: behind the 300 that do not, d + 1 is at most a tenth of 300 + d + 1 up to d = 32.
    let some = EarlyStop(candidates(400, differing: { $0 >= 300 }), count: 400, share: 0.1)
    #expect(some.stopped == 332.0 / 400 && abs(some.differing - 32.0 / 332) < 1e-12)
    // Equal probabilities stop together or not at all.
    let equal = (0..<400).map { EarlyStop.Candidate(probability: 0.9, unknownScore: .nan, differs: $0 % 8 == 0) }
    #expect(EarlyStop(equal, count: 400, share: 0.1) == .never)
    #expect(EarlyStop(equal, count: 400, share: 0.2).stopped == 1)
    // What differs is far away, whatever its probability: a limit of the score helps.
    let far = EarlyStop(
      candidates(400, differing: { $0 % 5 == 0 }, score: { $0 % 5 == 0 ? 10 : Float($0 % 7) }), count: 400, share: 0.01)
    #expect(far.unknownScore < 10 && far.stopped > 0.5 && far.differing == 0)
    #expect(EarlyStop([], count: 10, share: 0.5) == .never)
  }

  @Test("fits one calibration for the members of all its networks, whatever the number of threads")
  func calibration() throws {
    let folder = try TemporaryFolder()
    _ = try ensemble(folder)
    let data = try folder.world("held", model: folder["both.e3"], count: 1200, temperature: 1.5, seed: 3)
    let statistics = try folder.world("train", model: folder["both.e3"], count: 600, temperature: 1.5, seed: 4)
    var options = CalibrationOptions()
    options.threads = 2
    let summary = try calibrate(
      model: folder["both.e3"], data: data, statistics: statistics, output: folder["calibrated.e3"], options: options)
    options.threads = 1
    try calibrate(
      model: folder["both.e3"], data: data, statistics: statistics, output: folder["again.e3"], options: options)
    #expect(try folder.bytes("calibrated.e3") == folder.bytes("again.e3"))
    #expect(abs(summary.calibration.temperature - 1.5) < 0.4 && summary.representation == 24)
    let model = try verify(model: folder["calibrated.e3"])
    #expect(model.networks.count == 2 && model.file.hasStatistics && model.file.memberCount == 3)
    var session = try ModelSession(model)
    var known = 0
    for index in 0..<200 {
      let answer = StoredAnswer(try session.run(data.image(at: index), name: "image"))
      #expect(answer.memberLogits.count == 3 && answer.relativeDistance != nil && answer.predictionSet.count > 0)
      if answer.decision != .unknown { known += 1 }
    }
    #expect(known > 180, "98 % of the images are to be known: \(known) of 200")
    // A calibrated ensemble is calibrated anew, and keeps what its networks share.
    try calibrate(model: folder["calibrated.e3"], data: data, statistics: statistics, output: folder["calibrated.e3"])
    #expect(try folder.bytes("calibrated.e3") == folder.bytes("again.e3"))
  }
}
