import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Testing

/// A configuration of an ensemble, some of whose text a test replaces.
private let ensemble = """
  {"name": "VisionTransformerMoeEnsemble", "image_size": [32, 48], "num_classes": 10, "patch_size": [8, 8],
   "hidden_size": 64, "classifier": "token", "representation_size": null,
   "encoder": {"num_layers": 4, "num_heads": 4, "mlp_dim": 128,
    "moe": {"num_experts": 8, "group_size": 50, "layers": [1, 3], "ensemble_size": 2,
     "router": {"num_selected_experts": 1, "dispatcher": {"name": "einsum", "capacity_factor": 1.05}}}}}
  """

@Suite("Configurations") struct ConfigTests {
  private func config(_ text: String, _ options: ModelOptions = ModelOptions()) throws -> ModelConfig {
    let folder = try TemporaryFolder()
    return try ModelConfig(path: folder.write(text.utf8, to: "config.json"), options: options)
  }

  private func edited(_ old: String, _ new: String) throws -> String {
    try #require(ensemble.contains(old))
    return ensemble.replacing(old, with: new)
  }

  @Test("all sizes of an ensemble are read")
  func sizes() throws {
    let config = try config(ensemble)
    #expect(config.gridHeight == 4 && config.gridWidth == 6 && config.tokenCount == 25)
    #expect(config.headSize == 16 && config.memberCount == 2 && config.expertsPerMember == 4)
    #expect(config.experts?.layers == [1, 3] && config.experts?.selected == 1 && config.experts?.capacity == nil)
    #expect(config.channels == 3 && config.headInputSize == 64 && config.positionEmbedding == .learned)
    #expect(config.firstMoEBlock == 1 && config.isMoE(3) && !config.isMoE(2))
  }

  @Test("the parameters of an ensemble have the names and shapes of V-MoE")
  func parameters() throws {
    let parameters = try config(ensemble).parameters
    let shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
    #expect(shapes.count == parameters.count)
    #expect(shapes["embedding/kernel"] == [8, 8, 3, 64])
    #expect(shapes["Encoder/posembed_input/pos_embedding"] == [1, 25, 64])
    #expect(shapes["Encoder/encoderblock_1/Moe/Router/dense/kernel"] == [64, 2, 4])
    #expect(shapes["Encoder/encoderblock_1/Moe/Mlp/Dense_1/kernel"] == [8, 128, 64])
    #expect(shapes["Encoder/encoderblock_2/Mlp/Dense_0/bias"] == [128])
    #expect(shapes["Encoder/encoderblock_0/SelfAttention/out/kernel"] == [4, 16, 64])
    #expect(shapes["pre_logits/kernel"] == nil && shapes["cls"] == [1, 1, 64])
  }

  @Test(
    "capacity is computed as the reference does it",
    arguments: [
      // 50 tokens x 1 choice x 1.05 / 8 experts = 6.56, up to 7, up to a multiple of 4
      (#""capacity_factor": 1.05"#, 8),
      (#""capacity_factor": 1.05, "capacity_multiple_of": null"#, 7),
      (#""capacity_factor": 1.05, "capacity_multiple_of": 1, "capacity_ceil_or_round": "round""#, 7),
      // 50 x 0.72 / 8 = 4.5, which Python rounds to the even 4
      (#""capacity_factor": 0.72, "capacity_multiple_of": 0, "capacity_ceil_or_round": "round""#, 4),
      (#""capacity": 5"#, 5),
    ])
  func capacity(_ dispatcher: String, _ slots: Int) throws {
    let text = try edited(#""capacity_factor": 1.05"#, dispatcher)
    for mode in [ModelOptions.CapacityMode.reference, .config] {
      let capacity = try #require(try config(text, ModelOptions(capacity: mode)).experts?.capacity)
      #expect(capacity.slots == slots && capacity.groupSize == 50 && !capacity.batchPriority)
    }
  }

  @Test("groups are one image or the configuration's own")
  func groups() throws {
    let text = try edited(#""group_size": 50"#, #""group_size": 4352"#)
    #expect(try config(text, ModelOptions(capacity: .reference)).experts?.capacity?.groupSize == 50)
    let own = try config(text, ModelOptions(capacity: .config)).experts?.capacity
    #expect(own?.groupSize == 4352 && own?.slots == 572)
  }

  @Test("an ensemble's encoder ignores position_emb and attention_qk_norm, as the reference's does")
  func ignored() throws {
    let fields = #""position_emb": {"name": "none"}, "attention_qk_norm": true, "num_layers""#
    let config = try config(edited(#""num_layers""#, fields))
    #expect(config.positionEmbedding == .learned && !config.hasQueryKeyNorm)
  }

  @Test("a V-MoE is viewed as an ensemble when asked")
  func ensembleView() throws {
    let plain = try edited("MoeEnsemble", "Moe").replacing(#", "ensemble_size": 2"#, with: "")
    #expect(try config(plain).memberCount == 1)
    #expect(try config(plain, ModelOptions(ensembleSize: 4)).memberCount == 4)
  }

  @Test("without experts there is one member, whatever ensemble_size says")
  func denseEnsemble() throws {
    #expect(try config(edited("[1, 3]", "[]")).memberCount == 1)
  }

  @Test(
    "a bad field is refused with its name, its value and what was expected",
    arguments: [
      (#""num_classes": 10"#, #""num_classes": 0"#, "num_classes is 0, expected a whole number from 1"),
      (#""num_classes": 10"#, #""num_classes": 2.5"#, "num_classes is 2.5, expected a whole number"),
      (#""num_classes": 10,"#, "", "num_classes is missing"),
      (#""patch_size": [8, 8]"#, #""patch_size": [8]"#, "patch_size is [8], expected 2 whole numbers"),
      (#""hidden_size": 64"#, #""hidden_size": "64""#, "hidden_size is \"64\", expected a whole number"),
      (#""hidden_size": 64"#, #""hidden_size": 66"#, "hidden_size is 66, expected a multiple of encoder.num_heads, 4"),
      (#""num_layers": 4"#, #""num_layers": 1e9"#, "encoder.num_layers is 1000000000, expected"),
      (#""classifier": "token""#, #""classifier": "tokens""#, "classifier is \"tokens\", expected one of"),
      ("VisionTransformerMoeEnsemble", "ResNet", "name is \"ResNet\", expected one of"),
      ("[1, 3]", "[1, 4]", "encoder.moe.layers is [1, 4], expected block indices below 4"),
      (#""num_experts": 8"#, #""num_experts": 9"#, "encoder.moe.num_experts is 9, expected a multiple of 2 members"),
      (
        #""num_selected_experts": 1"#, #""num_selected_experts": 5"#,
        "num_selected_experts is 5, expected at most the 4"
      ),
      (#", "ensemble_size": 2"#, "", "encoder.moe.ensemble_size is missing"),
      ("MoeEnsemble", "Moe", "ensemble_size is 2, expected name VisionTransformerMoeEnsemble"),
      (#""image_size": [32, 48],"#, "", "image_size is missing"),
      (#""image_size": [32, 48]"#, #""image_size": [7, 48]"#, "image_size is 7x48, expected at least one patch"),
      (#""mlp_dim": 128"#, #""mlp_dim": 128, "mlp_dim": 128"#, "duplicate JSON key \"mlp_dim\""),
      ("{\"name\"", "[", "not valid JSON"),
      (#""einsum""#, #""soft""#, "encoder.moe.router.dispatcher.name is \"soft\", expected one of"),
    ])
  func refused(_ old: String, _ new: String, _ expected: String) throws {
    let text = try edited(old, new)
    let error = try #require(throws: FileError.self) { try config(text) }
    #expect(error.description.contains(expected), "\(error)")
  }

  @Test("deep nesting is refused, not fatal")
  func deep() throws {
    for text in [
      String(repeating: "[", count: 100_000), String(repeating: "[", count: 500) + String(repeating: "]", count: 500),
    ] {
      #expect(throws: FileError.self) { try config(text) }
    }
  }
}
