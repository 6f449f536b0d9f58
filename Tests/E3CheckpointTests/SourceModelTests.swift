import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing

@Suite("Models of checkpoint and configuration") struct SourceModelTests {
  private static let folder = "\(Goldens.smallDirectory)/e3_token"
  private static let checkpoint = "\(folder)/e3_token"

  /// Opens the small ensemble with `old` replaced by `new` in its configuration.
  private func open(
    _ old: String = "", _ new: String = "", checkpoint: String = checkpoint, config: String = "\(folder)/config.json",
    options: ModelOptions = ModelOptions()
  ) throws -> SourceModel {
    var text = String(decoding: try contents(of: config), as: UTF8.self)
    if !old.isEmpty {
      try #require(text.contains(old))
      text = text.replacing(old, with: new)
    }
    let temporary = try TemporaryFolder()
    return try SourceModel(
      checkpoint: checkpoint, config: temporary.write(text.utf8, to: "config.json"), options: options)
  }

  @Test("what the shapes tell may be left out of the configuration")
  func inferred() throws {
    let full = try open()
    let bare = """
      {"name": "VisionTransformerMoeEnsemble", "image_size": [8, 12],
       "encoder": {"moe": {"router": {"num_selected_experts": 1}}}}
      """
    let temporary = try TemporaryFolder()
    let model = try SourceModel(checkpoint: Self.checkpoint, config: temporary.write(bare.utf8, to: "config.json"))
    #expect(model.config == full.config)
  }

  @Test(
    "a configuration that contradicts the weights is refused with tensor, found and expected shape",
    arguments: [
      (
        #""hidden_size": 12"#, #""hidden_size": 24"#,
        "embedding/kernel: shape [4, 4, 3, 12], expected 24 along axis 3 (hidden_size"
      ),
      (#""num_heads": 2"#, #""num_heads": 3"#, "SelfAttention/query/kernel: shape [12, 2, 6], expected 3 along axis 1"),
      (#""mlp_dim": 20"#, #""mlp_dim": 21"#, "Mlp/Dense_0/kernel: shape [12, 20], expected 21 along axis 1"),
      (#""num_classes": 5"#, #""num_classes": 6"#, "head/kernel: shape [8, 5], expected 6 along axis 1"),
      (#""representation_size": 8"#, #""representation_size": null"#, "head/kernel: shape [8, 5], expected [12, 5]"),
      (#""num_layers": 3"#, #""num_layers": 4"#, "3 encoder blocks, expected 4 (encoder.num_layers"),
      (#""num_experts": 4"#, #""num_experts": 8"#, "Dense_0/kernel: shape [4, 12, 20]: 4 experts, expected 8"),
      (#""ensemble_size": 2"#, #""ensemble_size": 4"#, "Router/dense/kernel: shape [12, 2, 2], expected [12, 4, 1]"),
      ("8,\n    12", "8,\n    8", "pos_embedding: shape [1, 7, 12]: 7 tokens, expected 5 for image_size"),
      (#""classifier": "token""#, #""classifier": "gap""#, "pos_embedding: shape [1, 7, 12]: 7 tokens, expected 6"),
      (
        "      \"layers\": [\n        1,\n        2\n      ]", "      \"layers\": [2]",
        "experts in blocks [1, 2], expected [2]"
      ),
    ])
  func contradictions(_ old: String, _ new: String, _ expected: String) throws {
    let error = try #require(throws: FileError.self) { try open(old, new) }
    #expect(error.description.contains(expected), "\(error)")
  }

  @Test("a tensor that the model does not have is named")
  func extraTensor() throws {
    let folder = "\(Goldens.smallDirectory)/vmoe_map"
    let error = try #require(throws: FileError.self) {
      try open(
        #""attention_qk_norm": true"#, #""attention_qk_norm": false"#, checkpoint: "\(folder)/vmoe_map.safetensors",
        config: "\(folder)/config.json")
    }
    #expect(error.tensor?.hasSuffix("_ln/scale") == true && error.problem.contains("has no such tensor"), "\(error)")
  }

  @Test("a weight that is not finite is refused with its tensor and place", arguments: [Float.nan, .infinity])
  func nonFinite(_ value: Float) throws {
    let model = try open()
    let temporary = try TemporaryFolder()
    let path = "\(temporary.path)/bad.safetensors"
    let bad = "Encoder/encoderblock_1/Moe/Mlp/Dense_1/kernel"
    let writer = try SafetensorsWriter(path: path, tensors: model.config.parameters.map { ($0.name, $0.shape) })
    for parameter in model.config.parameters {
      var values = try model.values(of: parameter.name)
      if parameter.name == bad { values[500] = value }
      try writer.append(values)
    }
    try writer.finish()
    let copy = try open(checkpoint: path)
    for read in [{ try copy.values(of: bad) }, { try copy.values(of: bad, at: 2) }] {
      let error = try #require(throws: FileError.self) { try read() }
      #expect(error.tensor == bad && error.problem.contains("flat index 500, expected finite"), "\(error)")
    }
    #expect(try copy.values(of: bad, at: 1) == model.values(of: bad, at: 1))
  }

  @Test("an image size that differs from the checkpoint's resizes the position embedding")
  func resized() throws {
    let model = try open(options: ModelOptions(imageSize: (height: 16, width: 20)))
    #expect(model.config.tokenCount == 21)
    let original = try open().values(of: ParameterNames.positionEmbedding)
    let values = try model.values(of: ParameterNames.positionEmbedding)
    #expect(values.count == 21 * 12)
    // The class token is copied, corners stay corners: 2 x 3 patches became 4 x 5.
    #expect(values[..<24] == original[..<24])
    #expect(values.suffix(12) == original.suffix(12))
    #expect(values[(1 + 4) * 12..<(1 + 5) * 12] == original[(1 + 2) * 12..<(1 + 3) * 12])
  }

  @Test("a router stored as [H, E] has the values of one stored as [H, M, Em]")
  func routerShapes() throws {
    let name = ParameterNames.block(1).router
    let flat = try open(checkpoint: "\(Self.checkpoint)_unversioned")
    #expect(flat.checkpoint.shape(of: name) == [12, 4])
    #expect(try flat.values(of: name) == open().values(of: name))
  }

  @Test("a missing checkpoint is named")
  func missing() throws {
    let error = try #require(throws: FileError.self) { try open(checkpoint: "\(Self.folder)/none") }
    #expect(error.description == "\(Self.folder)/none: No such file or directory")
  }
}
