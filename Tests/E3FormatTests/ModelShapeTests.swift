import E3Format
import E3TestSupport
import Testing

@Suite("Model shape")
struct ModelShapeTests {
  /// The released E3-S/32 at 224 pixels.
  static var small32: e3_file_config {
    var config = e3_file_config()
    (config.image_height, config.image_width, config.channels) = (224, 224, 3)
    (config.patch_height, config.patch_width) = (32, 32)
    (config.hidden_size, config.layer_count, config.head_count, config.mlp_size) = (512, 8, 8, 2048)
    (config.class_count, config.representation_size) = (1000, 512)
    (config.member_count, config.expert_count, config.selected_experts) = (2, 8, 1)
    config.moe_layers.0 = 1 << 5 | 1 << 7
    (config.expert_mlp_size, config.norm_epsilon, config.class_token) = (2048, 1e-6, 1)
    (config.value_low, config.value_high) = (-1, 1)
    return config
  }

  @Test("dimensions follow from the configuration")
  func dimensions() throws {
    let shape = try ModelShape(validating: SampleFile.config)
    #expect(shape.gridHeight == 2 && shape.gridWidth == 2, "leftover pixels are not used")
    #expect(shape.patchCount == 4 && shape.tokenCount == 5, "a class token stands before the patches")
    #expect(shape.patchValueCount == 36)
    #expect(shape.hiddenSize == 6 && shape.hiddenSizePadded == 16)
    #expect(shape.headSize == 3 && shape.headSizePadded == 16 && shape.attentionWidth == 32)
    #expect(shape.expertsPerMember == 2)
    #expect(shape.firstMoEBlock == 1 && shape.isMoE(1) && !shape.isMoE(0))
    #expect(shape.headInputSize == 4 && shape.classCountPadded == 16)
  }

  @Test("S/32 costs 1.47 GMAC, the dense model 1.20; normalised queries and keys 0.05 and 0.03 more")
  func cost() throws {
    var config = Self.small32
    let sparse = try ModelShape(validating: config).multiplyAccumulates
    #expect((1_465_000_000...1_475_000_000).contains(sparse), "\(sparse)")
    var normalized = config
    normalized.query_key_norm = 1
    let sparseNormalized = try ModelShape(validating: normalized).multiplyAccumulates
    #expect((1_515_000_000...1_525_000_000).contains(sparseNormalized), "\(sparseNormalized)")
    config.moe_layers.0 = 0
    (config.member_count, config.expert_count, config.selected_experts, config.expert_mlp_size) = (1, 0, 0, 0)
    let dense = try ModelShape(validating: config).multiplyAccumulates
    #expect((1_195_000_000...1_205_000_000).contains(dense), "\(dense)")
  }

  @Test("the cost of an absurd model saturates")
  func saturation() throws {
    var config = Self.small32
    (config.image_height, config.image_width) = (16384, 16384)
    (config.patch_height, config.patch_width) = (64, 64)
    config.layer_count = 256
    (config.hidden_size, config.mlp_size, config.head_count) = (131_072, 131_072, 1)
    config.moe_layers = (.max, .max, .max, .max)
    (config.expert_count, config.member_count, config.selected_experts) = (65_536, 8, 8192)
    config.expert_mlp_size = 131_072
    #expect(try ModelShape(validating: config).multiplyAccumulates == .max)
  }

  @Test("entry and index of the plan are inverse, and entries come in file order")
  func plan() throws {
    for sample in [SampleFile.full, SampleFile.map] {
      let plan = ExtentPlan(try ModelShape(validating: sample.config))
      for index in 0..<plan.count {
        let entry = plan.entry(at: index)
        #expect(plan.index(of: entry.kind, block: entry.block, expert: entry.expert) == index)
      }
      let entries = (0..<plan.count).map { plan.entry(at: $0) }
      #expect(entries.prefix(plan.floatCount).allSatisfy { $0.encoding == .float })
      #expect(entries.dropFirst(plan.floatCount).allSatisfy { $0.encoding == .int8 })
      for part in [entries.prefix(plan.floatCount), entries.dropFirst(plan.floatCount)] {
        let blocks = part.filter { (16..<32).contains($0.kind.rawValue) }.map(\.block)
        #expect(blocks == blocks.sorted())
      }
    }
  }

  @Test("a model view fits the 512 bytes of e3_model, behind a hash of 8")
  func size() {
    #expect(MemoryLayout<e3_model>.size == 512)
    #expect(MemoryLayout<ModelFile>.size <= 512 - MemoryLayout<UInt64>.stride)
    #expect(MemoryLayout<ModelFile>.alignment <= 8)
  }

  @Test("a model view has no bytes between its members: those of a handle are hashed, and nobody would have set them")
  func padding() throws {
    func bytes(of value: Any) -> Int {
      func size<Value>(_: Value) -> Int { MemoryLayout<Value>.size }
      let members = Mirror(reflecting: value).children
      return members.isEmpty ? size(value) : members.reduce(0) { $0 + bytes(of: $1.value) }
    }
    try SampleFile.full.bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      #expect(bytes(of: file) == MemoryLayout<ModelFile>.size)
    }
  }

  static let brokenRules: [(String, @Sendable (inout e3_file_config) -> Void)] = [
    ("image height", { $0.image_height = 0 }),
    ("image width", { $0.image_width = 16385 }),
    ("channels", { $0.channels = 2 }),
    ("patch above image", { $0.patch_height = 8 }),
    ("patch zero", { $0.patch_width = 0 }),
    ("patch values", { ($0.image_height, $0.image_width, $0.patch_height, $0.patch_width) = (16384, 16384, 16384, 3) }),
    ("tokens", { ($0.image_height, $0.image_width) = (16384, 16384) }),
    ("classifier", { $0.classifier = 6 }),
    ("layers zero", { $0.layer_count = 0 }),
    ("layers", { $0.layer_count = 257 }),
    ("hidden zero", { $0.hidden_size = 0 }),
    ("hidden", { $0.hidden_size = 131_074 }),
    ("heads", { $0.head_count = 4 }),
    ("heads zero", { $0.head_count = 0 }),
    ("padded heads", { ($0.hidden_size, $0.head_count) = (65536, 65536) }),
    ("mlp zero", { $0.mlp_size = 0 }),
    ("mlp", { $0.mlp_size = 131_073 }),
    ("classes zero", { $0.class_count = 0 }),
    ("classes", { $0.class_count = 1 << 21 }),
    ("representation", { $0.representation_size = 131_073 }),
    ("query_key_norm", { $0.query_key_norm = 2 }),
    ("block that is not there", { $0.moe_layers.0 |= 4 }),
    ("block far away", { $0.moe_layers.3 = 1 }),
    ("experts without blocks", { $0.moe_layers.0 = 0 }),
    ("experts", { $0.expert_count = 65_538 }),
    ("experts not divisible", { $0.expert_count = 5 }),
    ("no members", { $0.member_count = 0 }),
    ("no selection", { $0.selected_experts = 0 }),
    ("selection", { $0.selected_experts = 3 }),
    (
      "tokens of members",
      {
        ($0.image_height, $0.image_width, $0.patch_height, $0.patch_width) = (16384, 8192, 32, 32)
        ($0.member_count, $0.expert_count) = (8, 8)
      }
    ),
    ("logits of members", { ($0.class_count, $0.member_count, $0.expert_count) = (1 << 20, 17, 17) }),
    ("capacity mode", { $0.capacity_mode = 3 }),
    ("capacity without mode", { $0.capacity = 1 }),
    ("mode without capacity", { $0.capacity_mode = 1 }),
    ("capacity", { ($0.capacity_mode, $0.capacity) = (1, 1 << 25) }),
    (
      "capacity of a dense model",
      {
        ($0.moe_layers.0, $0.member_count, $0.expert_count, $0.selected_experts) = (0, 1, 0, 0)
        ($0.capacity_mode, $0.capacity) = (1, 4)
      }
    ),
    ("resize", { $0.resize = 4 }),
    ("side without crop", { $0.resize_height = 9 }),
    ("filter of a stretch", { $0.resize_filter = 2 }),
    ("filter of small-crop", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_filter) = (1, 9, 9, 2) }),
    ("two sides of small-crop", { ($0.resize, $0.resize_height, $0.resize_width) = (1, 9, 10) }),
    ("fit", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_fit) = (3, 9, 9, 3) }),
    ("two shorter sides", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_fit) = (3, 9, 10, 1) }),
    ("filter", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_filter) = (3, 9, 9, 6) }),
    ("crop", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_crop) = (3, 9, 9, 2) }),
    ("side too small", { ($0.resize, $0.resize_height, $0.resize_width) = (1, 8, 8) }),
    ("order", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_order) = (3, 9, 9, 2) }),
    ("order of a stretch", { $0.resize_order = 1 }),
    ("order of small-crop", { ($0.resize, $0.resize_height, $0.resize_width, $0.resize_order) = (1, 9, 9, 1) }),
    ("width of pillow too small", { ($0.resize, $0.resize_height, $0.resize_width) = (3, 99, $0.image_width - 1) }),
    ("width of pillow too large", { ($0.resize, $0.resize_height, $0.resize_width) = (3, 99, 16385) }),
    ("value", { $0.value = 2 }),
    ("value order", { $0.value_low = 1 }),
    ("value NaN", { $0.value_high = .nan }),
    ("value infinite", { $0.value_low = -.infinity }),
    ("range with mean", { $0.value_mean.1 = 1 }),
    ("norm with range", { ($0.value, $0.value_deviation) = (1, (1, 1, 1)) }),
    ("norm deviation", { ($0.value, $0.value_low, $0.value_high, $0.value_deviation) = (1, 0, 0, (1, 0, 1)) }),
    (
      "norm mean",
      {
        ($0.value, $0.value_low, $0.value_high, $0.value_deviation) = (1, 0, 0, (1, 1, 1))
        $0.value_mean.2 = .nan
      }
    ),
    (
      "norm of a channel that is not there",
      { ($0.channels, $0.value, $0.value_low, $0.value_high, $0.value_deviation) = (1, 1, 0, 0, (1, 1, 0)) }
    ),
    ("reserved", { $0.reserved.19 = 1 }),
    ("class token", { $0.class_token = 2 }),
    ("no class token", { $0.class_token = 0 }),
    ("registers", { $0.register_count = 5000 }),
    ("no second token", { $0.classifier = 5 }),
    ("first token is no patch", { $0.classifier = 1 }),
    ("pooling", { $0.norm_after_pooling = 1 }),
    ("pooling flag", { ($0.classifier, $0.norm_after_pooling) = (2, 2) }),
    ("activation", { $0.activation = 2 }),
    ("epsilon", { $0.norm_epsilon = 0 }),
    ("epsilon not a number", { $0.norm_epsilon = .nan }),
    ("expert width", { $0.expert_mlp_size = 0 }),
    (
      "expert width of a dense model",
      { ($0.moe_layers.0, $0.expert_count, $0.member_count, $0.selected_experts) = (0, 0, 1, 0) }
    ),
  ]

  // promise: format-order
  @Test("every broken rule of the configuration is refused, with a text and with its code", arguments: brokenRules)
  func rules(name: String, edit: @Sendable (inout e3_file_config) -> Void) throws {
    var config = SampleFile.config
    #expect(ModelShape.problem(in: config) == nil)
    edit(&config)
    #expect(ModelShape.problem(in: config) != nil, "\(name)")
    #expect(throws: E3Error.fileConfig) { try ModelShape(validating: config) }
    var bytes = try SampleFile.full.bytes
    bytes.config = config
    bytes.reseal()
    #expect(bytes.openError == .fileConfig, "\(name)")
  }

  @Test("each rule has a text of its own")
  func texts() {
    let texts = Self.brokenRules.map { rule in
      var config = SampleFile.config
      rule.1(&config)
      return ModelShape.problem(in: config).map { "\($0)" } ?? ""
    }
    #expect(Set(texts).count >= 30)
  }
}
