import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Evaluation
@testable import E3Format
@testable import E3Host
@testable import E3Models

/// `pack` of several checkpoints.
@Suite("Packing a deep ensemble")
struct EnsembleTests {
  /// A dense model for the pictures and classes of ``SampleConfig/ensemble``.
  private static let dense = """
    {"name":"VisionTransformerMoe","image_size":[12,12],"channels":1,"num_classes":5,"patch_size":[3,4],
     "hidden_size":24,"classifier":"gap","encoder":{"num_layers":2,"num_heads":3,"mlp_dim":40}}
    """
  private static let sparse = """
    {"name":"VisionTransformerMoeEnsemble","image_size":[12,12],"channels":1,"num_classes":5,"patch_size":[4,4],
     "hidden_size":16,"classifier":"token","encoder":{"num_layers":3,"num_heads":2,"mlp_dim":24,
     "moe":{"num_experts":12,"layers":[0,2],"ensemble_size":3,"group_size":30,
      "router":{"num_selected_experts":2,"dispatcher":{"name":"einsum","capacity_factor":2.0}}}}}
    """

  /// Checkpoints of random weights.
  private func sources(_ folder: TemporaryFolder, _ configs: [String]) throws -> [CheckpointSource] {
    try configs.enumerated().map { index, text in
      let config = try folder.write(text, to: "\(index).json")
      let checkpoint = folder["\(index).safetensors"]
      try writeRandomWeights(config: config, output: checkpoint, seed: UInt64(index) + 1)
      return CheckpointSource(checkpoint: checkpoint, config: config)
    }
  }

  private func image(_ index: Int) -> [Float] {
    (0..<144).map { Float(($0 * 7919 + index * 104729) % 2001) / 1000 - 1 }
  }

  @Test("the file answers, bit for bit, as its parts do; it verifies and names its networks")
  func parts() throws {
    let folder = try TemporaryFolder()
    let sources = try sources(folder, [Self.dense, Self.sparse, Self.dense])
    try pack(sources, output: folder["all.e3"])
    let whole = try verify(model: folder["all.e3"])
    #expect(whole.file.memberCount == 5 && whole.networks.count == 3)
    var session = try ModelSession(whole)
    for index in 0..<3 {
      var expected: [[Float]] = []
      for (place, source) in sources.enumerated() {
        let path = folder["part\(place).e3"]
        try pack([source], output: path)
        var part = try ModelSession(MappedModel(path: path))
        expected += try part.memberLogits(image(index))
      }
      #expect(try session.memberLogits(image(index)) == expected)
    }
    let text = inspectionText(of: whole)
    #expect(text.contains("deep ensemble of 3 networks with 5 members") && text.contains("configuration of network 2"))
    #expect(text.contains("router, network 1, block 0") && text.contains("golden image with 5 x 5 logits"))
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(inspectionJSON(of: whole).utf8)) as? [String: Any])
    #expect((object["networks"] as? [Any])?.count == 3 && object["members"] as? Int == 5)
    let provenance = try #require(object["provenance"] as? [String: Any])
    #expect((provenance["networks"] as? [Any])?.count == 3 && provenance["tool"] as? String == "e3-convert")
  }

  @Test("one configuration serves all, and the same input gives the same bytes")
  func oneConfiguration() throws {
    let folder = try TemporaryFolder()
    let made = try sources(folder, [Self.dense, Self.dense])
    let one = try #require(CheckpointSource.all(made.map(\.checkpoint), configs: [made[0].config ?? ""]))
    try pack(one, output: folder["one.e3"])
    try pack(made, output: folder["each.e3"])
    #expect(try folder.bytes("one.e3") == folder.bytes("each.e3"))
    #expect(CheckpointSource.all(["a", "b", "c"], configs: ["x", "y"]) == nil)
  }

  @Test("what networks have in common is stored once")
  func sharing() throws {
    let folder = try TemporaryFolder()
    let source = try sources(folder, [Self.sparse])[0]
    // Another head on the same trunk.
    let other = try folder.editedCheckpoint(source.checkpoint) { name, _, values in
      if name?.hasPrefix("head/") == true { values = values.map { $0 / 2 } }
    }
    try pack([source], output: folder["one.e3"])
    let headed = [source, CheckpointSource(checkpoint: other, config: source.config)]
    try pack(headed, output: folder["both.e3"])
    let model = try verify(model: folder["both.e3"])
    let one = try folder.bytes("one.e3").count
    #expect(model.file.size < one + 8192)
    let own = (0..<model.file.extentCount).filter { model.network(ofTable: $0) == 1 && !model.isShared($0) }
    #expect(own.map { model.extentName($0) } == ["head, network 1"])
    #expect(inspectionText(of: model).contains("norm_0, network 1, block 0, stored with an earlier network's"))
  }

  @Test("networks of other classes, images or preprocessing are refused by what differs, and nothing is written")
  func refused() throws {
    let folder = try TemporaryFolder()
    for (old, new, difference) in [
      ("\"num_classes\":5", "\"num_classes\":6", "number of classes"),
      ("\"image_size\":[12,12]", "\"image_size\":[12,16]", "image size"),
      ("\"channels\":1", "\"channels\":3", "channels"),
    ] {
      let sources = try sources(folder, [Self.dense, Self.dense.replacing(old, with: new)])
      let message = fault { try pack(sources, output: folder["refused.e3"]) }
      #expect(
        message
          == "\(folder["1.json"]): differs from \(folder["0.safetensors"]) in \(difference): the networks of an ensemble "
          + "see the same image and know the same classes")
    }
    #expect(!folder.names.contains("refused.e3"))
    let one = try sources(folder, [Self.dense])[0]
    let many = fault { try pack([CheckpointSource](repeating: one, count: 65), output: folder["refused.e3"]) }
    #expect(many == "\(one.checkpoint): 65 networks, expected at most 64")
    let own = fault { try pack([one, one], output: one.checkpoint) }
    #expect(own != nil)
  }

  @Test("it is compared with the checkpoints of all its networks")
  func comparison() throws {
    let folder = try TemporaryFolder()
    let sources = try sources(folder, [Self.dense, Self.sparse])
    try pack(sources, output: folder["all.e3"])
    let images = (0..<20).flatMap { image($0) }
    try NumpyArray.write(images, shape: [20, 12, 12, 1], path: folder["images.npy"])
    let comparison = try compare(sources, model: folder["all.e3"], tensor: folder["images.npy"])
    #expect(comparison.images == 20 && comparison.meanTotalVariation < 0.05 && comparison.flippedChoices != nil)
    let wrongOrder = fault {
      _ = try compare(sources.reversed(), model: folder["all.e3"], tensor: folder["images.npy"])
    }
    #expect(wrongOrder != nil)
    let one = fault { _ = try compare([sources[0]], model: folder["all.e3"], tensor: folder["images.npy"]) }
    #expect(one == "\(folder["all.e3"]): 2 networks, but 1 checkpoint to compare them with")
  }

  @Test("a damaged second network is named")
  func damage() throws {
    let folder = try TemporaryFolder()
    try pack(sources(folder, [Self.dense, Self.sparse]), output: folder["all.e3"])
    let model = try MappedModel(path: folder["all.e3"])
    let index = try #require(
      (0..<model.file.extentCount).first {
        model.network(ofTable: $0) == 1 && model.file.extent(at: $0).kind == ExtentKind.expert.rawValue
      })
    var bytes = try folder.bytes("all.e3")
    bytes[Int(model.file.extent(at: index).offset)] ^= 1
    let path = try folder.write(bytes, to: "damaged.e3")
    let message = fault { try verify(model: path) }
    #expect(message?.contains("expert, network 1, block 0, index 0") == true, "\(message ?? "")")
  }
}
