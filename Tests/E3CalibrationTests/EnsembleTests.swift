import E3
import E3Checkpoint
import E3Converter
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

  @Test("fits one calibration for the members of all its networks, whatever the number of threads")
  func calibration() throws {
    let folder = try TemporaryFolder()
    _ = try folder.packModel()
    let config = try folder.write(Self.dense, to: "dense.json")
    try writeRandomWeights(config: config, output: folder["dense.safetensors"], seed: 5)
    try pack(
      [
        CheckpointSource(checkpoint: folder["random.safetensors"], config: folder["config.json"]),
        CheckpointSource(checkpoint: folder["dense.safetensors"], config: config),
      ], output: folder["both.e3"])
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
