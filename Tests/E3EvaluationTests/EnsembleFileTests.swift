import E3Checkpoint
import E3Converter
import E3TestSupport
import Foundation
import Testing
@testable import E3DataSets
@testable import E3Evaluation
@testable import E3Models

/// A deep ensemble in one file beside the files that it consists of.
@Suite("The networks of one file")
struct EnsembleFileTests {
  let folder: TemporaryFolder
  let parts: [String]
  let whole: String

  init() throws {
    folder = try TemporaryFolder()
    let folder = folder
    parts = try [("a", SampleConfig.ensemble), ("b", SampleConfig.dense), ("c", SampleConfig.dense)].enumerated().map {
      try folder.packModel($1.1, as: $1.0, seed: UInt64($0) + 1)
    }
    whole = folder["whole.e3"]
    try pack(
      ["a", "b", "c"].map { CheckpointSource(checkpoint: folder["\($0).safetensors"], config: folder["\($0).json"]) },
      output: whole)
  }

  private func images() throws -> String {
    try folder.write(npy([30, 12, 12, 1], noise(30 * 144)), to: "images.npy")
  }

  // promise: networks
  @Test("are evaluated to the same bits as the files combined")
  func sameBits() throws {
    let data = try DataSet(path: images())
    let combined = Answers.ensemble(
      try parts.map { try EvaluatedModel(path: $0).answers(to: data, threads: 2) })
    let model = try EvaluatedModel(path: whole)
    let answers = try model.answers(to: data, threads: 2)
    #expect(answers.memberCount == 5 && combined.memberCount == 5)
    #expect(answers.meanProbabilities.map(\.bitPattern) == combined.meanProbabilities.map(\.bitPattern))
    #expect(answers.memberProbabilities.map(\.bitPattern) == combined.memberProbabilities.map(\.bitPattern))
    #expect(answers.disagreement == combined.disagreement.map { Double(Float($0)) })
    #expect(answers.routing?.layers.map(\.network) == [0, 0] && answers.routing?.layers.map(\.block) == [0, 2])
    let costs = try parts.map { try EvaluatedModel(path: $0).multiplyAccumulates }
    #expect(model.multiplyAccumulates == costs.reduce(0, +))
  }

  @Test("that stop early are measured beside all of them, on foreign images too")
  func early() throws {
    let labels = try folder.write((0..<300).map { "\($0 % 5)\n" }.joined(), to: "labels.txt")
    let images = try folder.write(npy([300, 12, 12, 1], noise(300 * 144)), to: "images.npy")
    let model = folder["early.e3"]
    let calibration = ["calibrate", whole, images, "--labels", labels, "--no-distance", "-o", model]
    let fitted = try BuiltCommand("e3-convert").run(calibration + ["--early", "0.3"])
    #expect(fitted.status == 0 && fitted.output.contains("early, network 1"), "\(fitted.errors)")
    let evaluation = [model, images, "--labels", labels, "--ood", images, "--early"]
    let found = try BuiltCommand("e3-eval").run(evaluation + ["--json"])
    let rows = try #require(found.object["early"] as? [[String: Any]])
    #expect(rows.count == 2)
    for (place, row) in rows.enumerated() {
      let stopped = try #require(row["stopped"] as? [Double])
      #expect(stopped.count == 2 && stopped.allSatisfy { (0...1).contains($0) } && row["count"] as? Int == 300)
      let (all, early) = (try #require(row["all_networks"] as? [String: Any]), row["early"] as? [String: Any])
      #expect((all["nll"] != nil) == (place == 0) && early?["accept"] is Double)
      guard stopped.reduce(0, +) > 0 else { continue }
      #expect(try #require(row["differing"] as? Double) <= 0.3 && #require(row["time"] as? Double) > 0)
    }
    // What all networks say is what is said of the file anyway.
    let calibrated = try found.object["calibrated"] as? [String: Any]
    let all = rows[0]["all_networks"] as? [String: Any]
    #expect(calibrated?["nll"] as? Double == all?["nll"] as? Double)
    let text = try BuiltCommand("e3-eval").run(evaluation)
    #expect(text.output.contains("answers that stop early, beside those of all networks"))
    let rare = try BuiltCommand("e3-convert").run(calibration + ["--early", "0.000001"])
    #expect(rare.status == 0 && rare.output.contains("stops nothing"), "\(rare.errors)")
    #expect(try BuiltCommand("e3-eval").run(evaluation).output.contains("all networks; the file stops nothing\n"))
    let one = try BuiltCommand("e3-eval").run([folder["a.e3"], images, "--labels", labels, "--early"])
    #expect(one.status == 2 && one.errors.contains("--early is for deep ensembles"), "\(one.errors)")
    let none = try BuiltCommand("e3-eval").run([whole, images, "--labels", labels, "--early"])
    #expect(none.status == 1 && none.errors.contains("no early stops"))
    let two = try BuiltCommand("e3-eval").run([model, model, images, "--labels", labels, "--early"])
    #expect(two.status == 2 && two.errors.contains("--early is for the networks of one model file"))
    let usage = try BuiltCommand("e3-convert").run(calibration + ["--early", "1"])
    #expect(usage.status == 2)
  }

  @Test("have a float path, one checkpoint for each")
  func reference() throws {
    let labels = try folder.write((0..<30).map { "\($0 % 5)\n" }.joined(), to: "labels.txt")
    let checkpoints = ["a", "b", "c"].flatMap {
      ["--reference", folder["\($0).safetensors"], "--config", folder["\($0).json"]]
    }
    let run = try BuiltCommand("e3-eval").run([whole, images(), "--labels", labels, "--json"] + checkpoints)
    let object = try run.object
    let reference = try #require(object["reference"] as? [String: Any])
    let (int8, float) = (try #require(object["nll"] as? Double), try #require(reference["nll"] as? Double))
    #expect(int8 != float && abs(int8 - float) < 0.05 * float)
    #expect(reference["router_choices_flipped"] is Double && object["members"] as? Int == 5)
    let two = try BuiltCommand("e3-eval").run([whole, images(), "--labels", labels] + checkpoints.prefix(8))
    #expect(two.status == 1 && two.errors.contains("3 networks, but 2 checkpoints to compare them with"))
    let usage = try BuiltCommand("e3-eval").run(
      [whole, images(), "--labels", labels] + checkpoints + checkpoints.suffix(2))
    #expect(usage.status == 2)
  }
}
