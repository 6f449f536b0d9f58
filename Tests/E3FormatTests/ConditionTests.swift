import E3Format
import E3TestSupport
import Testing

/// Modified condition/decision coverage of the rules of a configuration: for every condition in the source of the rules two
/// configurations that differ in that condition alone, one of which is valid and the other refused with the rule's words.
@Suite("Each condition of the configuration's rules decides alone")
struct ConditionTests {
  typealias Edit = @Sendable (inout e3_file_config) -> Void

  struct Condition: Sendable, CustomTestStringConvertible {
    /// As the source has it.
    let text: String
    /// What is refused, as ``ModelShape/problem(in:)`` says.
    let problem: String
    /// Leads to the decision from ``SampleFile/config``, and to a valid configuration.
    var base: Edit = { _ in }
    /// Makes this condition decide otherwise, and no other of its rule.
    let edits: [Edit]

    init(_ text: String, _ problem: String, base: @escaping Edit = { _ in }, _ edits: Edit...) {
      (self.text, self.problem, self.base, self.edits) = (text, problem, base, edits)
    }

    var testDescription: String { text }
  }

  private static let dense: Edit = {
    ($0.moe_layers.0, $0.member_count, $0.expert_count) = (0, 1, 0)
    ($0.selected_experts, $0.expert_mlp_size) = (0, 0)
  }
  private static let smallCrop: Edit = { ($0.resize, $0.resize_height, $0.resize_width) = (1, 9, 9) }
  private static let pillow: Edit = { ($0.resize, $0.resize_height, $0.resize_width) = (3, 9, 10) }
  private static let squarePillow: Edit = { ($0.resize, $0.resize_height, $0.resize_width) = (3, 9, 9) }
  private static let norm: Edit = {
    ($0.value, $0.value_low, $0.value_high) = (1, 0, 0)
    $0.value_deviation = (1, 1, 1)
  }
  private static let greyNorm: Edit = {
    norm(&$0)
    ($0.channels, $0.value_deviation) = (1, (1, 0, 0))
  }
  private static let capacity: Edit = { ($0.capacity_mode, $0.capacity) = (1, 4) }
  private static let large: Edit = { ($0.image_height, $0.image_width) = (16384, 16384) }

  static let image: [Condition] = [
    .init(
      "(1...ModelLimits.imageSide).contains(c.image_height)", "image size is outside 1...16384",
      { $0.image_height = 0 }, { $0.image_height = 16385 }),
    .init(
      "(1...ModelLimits.imageSide).contains(c.image_width)", "image size is outside 1...16384",
      { $0.image_width = 0 }, { $0.image_width = 16385 }),
    .init("c.channels == 1", "channels is neither 1 nor 3", base: { $0.channels = 1 }, { $0.channels = 0 }),
    .init("c.channels == 3", "channels is neither 1 nor 3", { $0.channels = 2 }),
    .init(
      "(1...c.image_height).contains(c.patch_height)", "patch size is outside 1...image size",
      { $0.patch_height = 0 }, { $0.patch_height = $0.image_height + 1 }),
    .init(
      "(1...c.image_width).contains(c.patch_width)", "patch size is outside 1...image size",
      { $0.patch_width = 0 }, { $0.patch_width = $0.image_width + 1 }),
    .init(
      "c.patch_height * c.patch_width * c.channels <= ModelLimits.width", "a patch has more than 131072 values",
      base: {
        large(&$0)
        ($0.patch_height, $0.patch_width) = (16384, 2)
      }, { $0.patch_width = 3 }),
  ]

  static let tokens: [Condition] = [
    .init("c.class_token <= 1", "class_token is neither 0 nor 1", { $0.class_token = 2 }),
    .init(
      "c.register_count <= ModelLimits.registers", "register_count is above 4096", base: { $0.register_count = 4096 },
      { $0.register_count = 4097 }),
    .init("c.class_token == 1", "the classifier reads a token that is not there", { $0.class_token = 0 }),
    .init(
      "c.class_token == 1", "the classifier reads a token that is not there", base: { $0.classifier = 4 },
      { $0.class_token = 0 }),
    .init(
      "c.class_token == 1", "the classifier reads a token that is not there",
      base: { ($0.classifier, $0.register_count) = (5, 1) }, { $0.class_token = 0 }),
    .init(
      "c.register_count > 0", "the classifier reads a token that is not there",
      base: { ($0.classifier, $0.register_count) = (5, 1) }, { $0.register_count = 0 }),
    .init(
      "c.class_token == 0", "the first token is not a patch", base: { ($0.classifier, $0.class_token) = (1, 0) },
      { $0.class_token = 1 }),
    .init(
      "c.register_count == 0", "the first token is not a patch", base: { ($0.classifier, $0.class_token) = (1, 0) },
      { $0.register_count = 1 }),
    .init("unknown classifier", "unknown classifier", base: { $0.classifier = 3 }, { $0.classifier = 6 }),
    .init(
      "c.norm_after_pooling <= 1", "norm_after_pooling is neither 0 nor 1",
      base: { ($0.classifier, $0.norm_after_pooling) = (2, 1) }, { $0.norm_after_pooling = 2 }),
    .init(
      "c.norm_after_pooling == 0", "norm_after_pooling is set but the classifier does not average",
      { $0.norm_after_pooling = 1 }),
    .init(
      "c.classifier == UInt32(Classifier.gap.rawValue)",
      "norm_after_pooling is set but the classifier does not average",
      base: { ($0.classifier, $0.norm_after_pooling) = (2, 1) }, { $0.classifier = 0 }),
    .init(
      "patches + c.class_token + c.register_count <= ModelLimits.width", "an image has more than 131072 tokens",
      base: {
        large(&$0)
        dense(&$0)
        ($0.patch_height, $0.patch_width) = (64, 32)
        ($0.classifier, $0.class_token) = (2, 0)
      }, { $0.class_token = 1 }, { $0.register_count = 1 }, { $0.patch_width = 31 }),
  ]

  static let encoder: [Condition] = [
    .init(
      "(1...ModelLimits.layers).contains(c.layer_count)", "layer_count is outside 1...256",
      base: { $0.layer_count = 256 }, { $0.layer_count = 0 }, { $0.layer_count = 257 }),
    .init(
      "(1...ModelLimits.width).contains(c.hidden_size)", "hidden_size is outside 1...131072",
      base: { ($0.hidden_size, $0.head_count) = (131_072, 1) }, { $0.hidden_size = 0 }, { $0.hidden_size = 131_073 }),
    .init(
      "(1...ModelLimits.width).contains(c.mlp_size)", "mlp_size is outside 1...131072",
      base: { $0.mlp_size = 131_072 }, { $0.mlp_size = 0 }, { $0.mlp_size = 131_073 }),
    .init(
      "(1...c.hidden_size).contains(c.head_count)", "hidden_size is not a multiple of head_count",
      { $0.head_count = 0 }),
    .init("c.hidden_size % c.head_count == 0", "hidden_size is not a multiple of head_count", { $0.head_count = 4 }),
    .init(
      "c.head_count * ((c.hidden_size / c.head_count + 15) / 16 * 16) <= ModelLimits.width",
      "the padded heads have more than 131072 values", base: { ($0.hidden_size, $0.head_count) = (8192, 8192) },
      { ($0.hidden_size, $0.head_count) = (8193, 8193) }),
    .init(
      "(1...ModelLimits.classes).contains(c.class_count)", "class_count is outside 1...1048576",
      base: { $0.class_count = 1 << 20 }, { $0.class_count = 0 }, { $0.class_count = (1 << 20) + 1 }),
    .init(
      "c.representation_size <= ModelLimits.width", "representation_size is above 131072",
      base: { $0.representation_size = 131_072 }, { $0.representation_size = 131_073 }),
    .init("c.query_key_norm <= 1", "query_key_norm is neither 0 nor 1", { $0.query_key_norm = 2 }),
    .init(
      "c.activation <= UInt32(Activation.geluErf.rawValue)", "unknown activation", base: { $0.activation = 1 },
      { $0.activation = 2 }),
    .init(
      "ModelLimits.epsilons.contains(c.norm_epsilon)", "norm_epsilon is outside 1e-12...1",
      base: { $0.norm_epsilon = 1 }, { $0.norm_epsilon = 1.0000001 }, { $0.norm_epsilon = 0.9e-12 },
      { $0.norm_epsilon = .nan }),
  ]

  private static let withoutBlock = "members or experts without a block that has experts"
  private static let notThere = "moe_layers names a block that is not there"

  static let experts: [Condition] = [
    .init("words == (0, 0, 0, 0)", withoutBlock, { $0.moe_layers.0 = 0 }),
    .init(
      "words == (0, 0, 0, 0)", withoutBlock, base: { ($0.layer_count, $0.moe_layers) = (65, (0, 1, 0, 0)) },
      { $0.moe_layers.1 = 0 }),
    .init(
      "words == (0, 0, 0, 0)", withoutBlock, base: { ($0.layer_count, $0.moe_layers) = (129, (0, 0, 1, 0)) },
      { $0.moe_layers.2 = 0 }),
    .init(
      "words == (0, 0, 0, 0)", withoutBlock, base: { ($0.layer_count, $0.moe_layers) = (193, (0, 0, 0, 1)) },
      { $0.moe_layers.3 = 0 }),
    .init("c.member_count == 1", withoutBlock, base: dense, { $0.member_count = 2 }),
    .init("c.expert_count == 0", withoutBlock, base: dense, { $0.expert_count = 1 }),
    .init("c.selected_experts == 0", withoutBlock, base: dense, { $0.selected_experts = 1 }),
    .init("c.expert_mlp_size == 0", withoutBlock, base: dense, { $0.expert_mlp_size = 1 }),
    .init("isClear(words.0, from: c.layer_count, word: 0)", notThere, { $0.moe_layers.0 |= 4 }),
    .init("isClear(words.1, from: c.layer_count, word: 1)", notThere, { $0.moe_layers.1 = 1 }),
    .init("isClear(words.2, from: c.layer_count, word: 2)", notThere, { $0.moe_layers.2 = 1 }),
    .init("isClear(words.3, from: c.layer_count, word: 3)", notThere, { $0.moe_layers.3 = 1 << 63 }),
    // The bits of a word that is in use in part, in whole and not at all.
    .init(
      "first >= 64", notThere, base: { ($0.layer_count, $0.moe_layers) = (64, (.max, 0, 0, 0)) },
      { $0.layer_count = 63 }),
    .init(
      "first <= 0", notThere, base: { ($0.layer_count, $0.moe_layers) = (65, (1, 1, 0, 0)) }, { $0.layer_count = 64 }),
    .init(
      "(1...ModelLimits.experts).contains(c.expert_count)", "expert_count is outside 1...65536",
      base: { $0.expert_count = 65_536 }, { $0.expert_count = 0 }, { $0.expert_count = 65_538 }),
    .init(
      "(1...c.expert_count).contains(c.member_count)", "expert_count is not a multiple of member_count",
      { $0.member_count = 0 }),
    .init(
      "c.expert_count % c.member_count == 0", "expert_count is not a multiple of member_count", { $0.expert_count = 5 }
    ),
    .init(
      "(1...(c.expert_count / c.member_count)).contains(c.selected_experts)",
      "selected_experts is outside 1...experts of a member", base: { $0.selected_experts = 2 },
      { $0.selected_experts = 0 }, { $0.selected_experts = 3 }),
    .init(
      "(1...ModelLimits.width).contains(c.expert_mlp_size)", "expert_mlp_size is outside 1...131072",
      base: { $0.expert_mlp_size = 131_072 }, { $0.expert_mlp_size = 0 }, { $0.expert_mlp_size = 131_073 }),
    .init(
      "UInt64(c.member_count) * (grid + UInt64(c.class_token + c.register_count)) <= ModelLimits.memberTokens",
      "the members have more than 1048576 tokens",
      base: {
        large(&$0)
        ($0.patch_height, $0.patch_width) = (64, 32)
        ($0.classifier, $0.class_token, $0.member_count, $0.expert_count) = (2, 0, 8, 8)
      }, { ($0.member_count, $0.expert_count) = (9, 9) }),
    .init(
      "UInt64(c.member_count) * UInt64(c.class_count) <= ModelLimits.memberClasses",
      "the members have more than 16777216 logits",
      base: { ($0.class_count, $0.member_count, $0.expert_count) = (1 << 20, 16, 16) },
      { ($0.member_count, $0.expert_count) = (17, 17) }),
  ]

  static let capacities: [Condition] = [
    .init(
      "c.capacity_mode <= UInt32(E3_FILE_CAPACITY_PRIORITY.rawValue)", "unknown capacity_mode",
      base: { ($0.capacity_mode, $0.capacity) = (2, 4) }, { $0.capacity_mode = 3 }),
    .init(
      "c.capacity_mode == UInt32(E3_FILE_CAPACITY_NONE.rawValue)", "capacity is set but capacity_mode is none",
      base: capacity, { $0.capacity_mode = 0 }),
    .init("c.capacity == 0", "capacity is set but capacity_mode is none", { $0.capacity = 1 }),
    .init(
      "c.expert_count > 0", "capacity_mode is set but no block has experts", base: capacity, { dense(&$0) }),
    .init(
      "(1...ModelLimits.capacity).contains(c.capacity)", "capacity is outside 1...16777216",
      base: { ($0.capacity_mode, $0.capacity) = (1, 1 << 24) }, { $0.capacity = 0 }, { $0.capacity = (1 << 24) + 1 }),
  ]

  private static let ofStretch = "a size, fit, filter, order or crop is set but resize is a stretch"
  private static let notPillow = "a fit, filter, order or crop is set but resize is not pillow"
  private static let side = "resize_height or resize_width is outside image size...16384"

  static let resizes: [Condition] = [
    .init(
      "c.resize <= UInt32(E3_FILE_RESIZE_PILLOW.rawValue)", "unknown resize", base: { $0.resize = 2 }, { $0.resize = 4 }
    ),
    .init("method == .smallCrop", ofStretch, base: smallCrop, { $0.resize = 0 }),
    .init("method == .pillow", ofStretch, base: squarePillow, { $0.resize = 0 }),
    .init("c.resize_height == 0", ofStretch, { $0.resize_height = 9 }),
    .init("c.resize_width == 0", ofStretch, { $0.resize_width = 9 }),
    .init("hasNoPillowFields(c)", ofStretch, { $0.resize_filter = 1 }),
    .init("c.resize_fit == 0", ofStretch, { $0.resize_fit = 1 }),
    .init("c.resize_filter == 0", ofStretch, { $0.resize_filter = 1 }),
    .init("c.resize_order == 0", ofStretch, { $0.resize_order = 1 }),
    .init("c.resize_crop == 0", ofStretch, { $0.resize_crop = 1 }),
    .init(
      "(c.image_height...ModelLimits.imageSide).contains(c.resize_height)", side, base: pillow,
      { $0.resize_height = $0.image_height - 1 }, { $0.resize_height = 16385 }),
    .init(
      "(c.image_width...ModelLimits.imageSide).contains(c.resize_width)", side, base: pillow,
      { $0.resize_width = $0.image_width - 1 }, { $0.resize_width = 16385 }),
    .init("method == .smallCrop", "small-crop has two sides", base: pillow, { $0.resize = 1 }),
    .init("isSquare", "small-crop has two sides", base: smallCrop, { $0.resize_width = 10 }),
    .init("hasNoPillowFields(c)", notPillow, base: smallCrop, { $0.resize_fit = 1 }, { $0.resize_crop = 1 }),
    .init(
      "c.resize_fit <= UInt32(E3_FILE_FIT_COVER.rawValue)", "unknown resize_fit",
      base: {
        pillow(&$0)
        $0.resize_fit = 2
      }, { $0.resize_fit = 3 }),
    .init(
      "isSquare", "a shorter side of two lengths",
      base: {
        squarePillow(&$0)
        $0.resize_fit = 1
      }, { $0.resize_width = 10 }),
    .init(
      "c.resize_fit != UInt32(E3_FILE_FIT_SHORTER.rawValue)", "a shorter side of two lengths", base: pillow,
      { $0.resize_fit = 1 }),
    .init(
      "c.resize_filter <= UInt32(E3_FILE_FILTER_HAMMING.rawValue)", "unknown resize_filter",
      base: {
        pillow(&$0)
        $0.resize_filter = 5
      }, { $0.resize_filter = 6 }),
    .init(
      "c.resize_order <= UInt32(E3_FILE_ORDER_PILLOW_13.rawValue)", "unknown resize_order",
      base: {
        pillow(&$0)
        $0.resize_order = 1
      }, { $0.resize_order = 2 }),
    .init(
      "c.resize_crop <= UInt32(E3_FILE_CROP_HALF_EVEN.rawValue)", "unknown resize_crop",
      base: {
        pillow(&$0)
        $0.resize_crop = 1
      }, { $0.resize_crop = 2 }),
  ]

  private static let ascending = "value_low and value_high are not finite and ascending"
  private static let ofRange = "value_mean or value_deviation is set but value is range"
  private static let ofNorm = "value_low or value_high is set but value is norm"
  private static let positive = "value_mean or value_deviation is not finite and positive"
  private static let channel = "value_mean or value_deviation is set for a channel that is not there"

  static let values: [Condition] = [
    .init("isLimited(c.value_low)", ascending, { $0.value_low = -1.1e6 }, { $0.value_low = -.infinity }),
    .init("isLimited(c.value_high)", ascending, { $0.value_high = 1.1e6 }, { $0.value_high = .infinity }),
    .init("c.value_low < c.value_high", ascending, { $0.value_low = $0.value_high }, { $0.value_low = 2 }),
    .init("mean == .zero", ofRange, { $0.value_mean.2 = 1 }),
    .init("deviation == .zero", ofRange, { $0.value_deviation.0 = 1 }),
    .init("c.value_low == 0", ofNorm, base: norm, { $0.value_low = -1 }),
    .init("c.value_high == 0", ofNorm, base: norm, { $0.value_high = 1 }),
    .init(
      "isLimited(mean[channel])", positive, base: norm, { $0.value_mean.1 = -.infinity }, { $0.value_mean.0 = .nan }),
    .init("isLimited(deviation[channel])", positive, base: norm, { $0.value_deviation.2 = 1.1e6 }),
    .init(
      "deviation[channel] >= ModelLimits.deviation", positive, base: norm, { $0.value_deviation.2 = 0.9e-6 },
      { $0.value_deviation.0 = 0 }),
    .init("channel < Int(c.channels)", channel, base: norm, { $0.channels = 1 }),
    .init("mean[channel] != 0", channel, base: greyNorm, { $0.value_mean.2 = 1 }),
    .init("deviation[channel] != 0", channel, base: greyNorm, { $0.value_deviation.1 = 1 }),
    .init("unknown value", "unknown value", { $0.value = 2 }),
    .init(
      "byte != 0", "a reserved field is not zero", { $0.reserved.0 = 1 }, { $0.reserved.7 = 1 << 31 },
      { $0.reserved.19 = 1 << 8 }),
    .init("abs(value) <= ModelLimits.value", ascending, { $0.value_low = -1.1e6 }),
  ]

  static let all = image + tokens + encoder + experts + capacities + resizes + values

  // promise: format-order
  @Test("one way it is valid, the other way refused in the rule's words", arguments: all)
  func decides(_ condition: Condition) throws {
    var base = SampleFile.config
    condition.base(&base)
    #expect(ModelShape.problem(in: base) == nil)
    for edit in condition.edits {
      var config = base
      edit(&config)
      #expect(ModelShape.problem(in: config).map { "\($0)" } == condition.problem)
    }
  }

  @Test("none of the source's conditions is left out")
  func complete() throws {
    let listed = Set(Self.all.map(\.text))
    let found = try SourceConditions("ModelShape+Rules.swift").conditions
    #expect(found.count > 80)
    for condition in found { #expect(listed.contains(condition), "no pair shows what decides: \(condition)") }
  }
}
