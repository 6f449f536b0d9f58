import E3Goldens
import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Evaluation
@testable import E3Host
@testable import E3Models
@testable import E3Reference

@Suite("Compare")
struct CompareTests {
  private func golden(_ name: String) throws -> Goldens.Case {
    try #require(Goldens.cases.first { $0.name == name })
  }

  @Test("every model of another library packs, and int8 gives its answers", arguments: Goldens.libraryModels)
  func libraries(_ model: Goldens.LibraryModel) throws {
    let folder = try TemporaryFolder()
    try pack(checkpoint: model.folder, output: folder["model.e3"])
    let comparison = try compare(
      checkpoint: model.folder, config: nil, model: folder["model.e3"], tensor: model.inputs)
    #expect(comparison.topAgreement == 1 && comparison.meanTotalVariation < 0.03, "\(comparison.meanTotalVariation)")
  }

  @Test("a packed model is near its checkpoint")
  func near() throws {
    let folder = try TemporaryFolder()
    let golden = try golden("e3_token/e3_token.safetensors")
    try pack(checkpoint: golden.checkpoint, config: golden.config, output: folder["model.e3"])
    let comparison = try compare(
      checkpoint: golden.checkpoint, config: golden.config, model: folder["model.e3"], tensor: golden.inputs)
    #expect(comparison.images == 3)
    #expect(comparison.meanTotalVariation <= 0.07 && comparison.maxLogitDifference > 0)
    #expect(comparison.meanLogitDifference <= comparison.maxLogitDifference)
    #expect(comparison.topAgreement == 1 - Float(comparison.disagreeing.count) / 3)
  }

  @Test("the share of flipped router choices is small for an ensemble of experts, and there is none for a dense model")
  func routing() throws {
    let folder = try TemporaryFolder()
    // One of each member's two experts: with both chosen nothing could flip.
    let ensemble = SampleConfig.ensemble.replacing("\"num_selected_experts\":2", with: "\"num_selected_experts\":1")
    for (config, hasExperts) in [(ensemble, true), (SampleConfig.map, false)] {
      let model = try folder.randomModel(config)
      try pack(checkpoint: model.checkpoint, config: model.config, output: folder["model.e3"])
      let shape = try MappedModel(path: folder["model.e3"]).file.shape
      // More images than one batch of the float path.
      let values = (0..<70 * shape.imageValues).map { index -> Float in Float((index * 7919) % 2001) / 1000 - 1 }
      try NumpyArray.write(
        values, shape: [70, shape.imageHeight, shape.imageWidth, shape.channels], path: folder["images.npy"])
      let comparison = try compare(
        checkpoint: model.checkpoint, config: model.config, model: folder["model.e3"], tensor: folder["images.npy"])
      #expect((comparison.flippedChoices != nil) == hasExperts)
      if let flipped = comparison.flippedChoices { #expect(flipped > 0 && flipped < 0.1, "\(flipped)") }
    }
  }

  @Test("a model of another shape, and a tensor of another size, are refused")
  func refused() throws {
    let folder = try TemporaryFolder()
    let packed = try golden("e3_token/e3_token.safetensors")
    try pack(checkpoint: packed.checkpoint, config: packed.config, output: folder["model.e3"])
    let other = try golden("vmoe_map/vmoe_map.safetensors")
    let message = fault {
      _ = try compare(
        checkpoint: other.checkpoint, config: other.config, model: folder["model.e3"], tensor: other.inputs)
    }
    #expect(message == "\(other.config): encoder.moe.num_experts is 3, expected a multiple of 2 members")
    let narrow = try folder.randomModel(SampleConfig.ensemble)
    try pack(checkpoint: narrow.checkpoint, config: narrow.config, output: folder["narrow.e3"])
    let wide = try folder.randomModel(SampleConfig.ensemble.replacing("\"mlp_dim\":21", with: "\"mlp_dim\":22"))
    let size = fault {
      _ = try compare(
        checkpoint: wide.checkpoint, config: wide.config, model: folder["narrow.e3"], tensor: other.inputs)
    }
    #expect(size == "\(folder["narrow.e3"]): MLP size is 21, expected 22 as in \(wide.checkpoint)")
    let larger = try golden("vmoe_first/vmoe_first.safetensors").inputs
    let tensor = fault {
      _ = try compare(
        checkpoint: packed.checkpoint, config: packed.config, model: folder["model.e3"], tensor: larger)
    }
    #expect(tensor?.contains("\(larger): shape") == true)
  }

  @Test("a model is compared with its own checkpoint, or with the float32 weights behind it, and with no other")
  func ownCheckpoint() throws {
    let folder = try TemporaryFolder()
    let mine = try folder.randomModel(SampleConfig.ensemble)
    let model = folder["model.e3"]
    try pack(checkpoint: mine.checkpoint, config: mine.config, output: model)
    let packed = try MappedModel(path: model)
    func source(_ checkpoint: String) throws -> SourceModel {
      try SourceModel(checkpoint: checkpoint, config: mine.config, options: packed.file.shape.modelOptions)
    }
    try requirePacked(packed, from: source(mine.checkpoint))
    let rounded = try folder.editedCheckpoint(mine.checkpoint) { _, _, values in
      values = values.map { Float(bitPattern: ($0.bitPattern + 0x8000) & 0xFFFF_0000) }
    }
    try pack(checkpoint: rounded, config: mine.config, output: folder["rounded.e3"])
    try requirePacked(MappedModel(path: folder["rounded.e3"]), from: source(mine.checkpoint))
    let other = folder["other.safetensors"]
    try writeRandomWeights(config: mine.config, output: other, seed: 2)
    let refused = fault { try requirePacked(packed, from: source(other)) }
    #expect(refused?.contains("was not packed from \(other)") == true)
  }

  @Test("differences are measured as defined")
  func definition() {
    let reference = [
      EnsembleAnswer(memberLogits: [[0, 0], [0, 0]]), EnsembleAnswer(memberLogits: [[9, 0], [9, 0]]),
    ]
    let int8 = [EnsembleAnswer(memberLogits: [[0, 1], [0, 0]]), EnsembleAnswer(memberLogits: [[0, 9], [0, 9]])]
    let comparison = Comparison(reference: reference, int8: int8)
    #expect(comparison.maxLogitDifference == 9)
    #expect(comparison.meanLogitDifference == 37.0 / 8)
    #expect(comparison.disagreeing == [0, 1])
    #expect(abs(comparison.maxTotalVariation - 0.99975) < 1e-4)
  }
}
