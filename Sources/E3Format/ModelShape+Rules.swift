import CE3

/// Finite limits of the format. They are far above real models and low enough that no size derived from them overflows
/// 64 bits and no int32 sum of int8 products overflows 32 bits (127 * 127 * 131072 < 2^31).
public enum ModelLimits {
  /// Side of an image in pixels.
  public static var imageSide: UInt32 { UInt32(E3_MAX_FRAME_SIDE) }
  /// Inputs of any layer, tokens of an image, values of a row.
  public static var width: UInt32 { 131_072 }
  /// Blocks.
  public static var layers: UInt32 { 256 }
  /// Register tokens.
  public static var registers: UInt32 { 4096 }
  /// What a LayerNorm may add to a variance.
  public static var epsilons: ClosedRange<Float> { 1e-12...1 }
  /// Experts of a block over all members.
  public static var experts: UInt32 { 65_536 }
  /// Classes.
  public static var classes: UInt32 { 1 << 20 }
  /// Tokens of all members, M*T.
  public static var memberTokens: UInt64 { 1 << 20 }
  /// Logits of all members, M*C.
  public static var memberClasses: UInt64 { 1 << 24 }
  /// Slots of an expert.
  public static var capacity: UInt32 { 1 << 24 }
  /// Absolute value of every preprocessing constant.
  public static var value: Float { 1e6 }
  /// Smallest deviation that a value may be divided by.
  public static var deviation: Float { 1e-6 }
}

extension ModelShape {
  /// The first rule of FORMAT.md, section "Configuration", that `config` breaks; nil when it is valid.
  public static func problem(in config: e3_file_config) -> StaticString? {
    imageProblem(config) ?? tokenProblem(config) ?? encoderProblem(config) ?? expertProblem(config) ?? capacityProblem(
      config)
      ?? resizeProblem(config) ?? valueProblem(config) ?? reservedProblem(config)
  }

  private static func imageProblem(_ c: e3_file_config) -> StaticString? {
    guard (1...ModelLimits.imageSide).contains(c.image_height), (1...ModelLimits.imageSide).contains(c.image_width)
    else { return "image size is outside 1...16384" }
    guard c.channels == 1 || c.channels == 3 else { return "channels is neither 1 nor 3" }
    guard (1...c.image_height).contains(c.patch_height), (1...c.image_width).contains(c.patch_width)
    else { return "patch size is outside 1...image size" }
    guard c.patch_height * c.patch_width * c.channels <= ModelLimits.width
    else { return "a patch has more than 131072 values" }
    return nil
  }

  private static func tokenProblem(_ c: e3_file_config) -> StaticString? {
    guard c.class_token <= 1 else { return "class_token is neither 0 nor 1" }
    guard c.register_count <= ModelLimits.registers else { return "register_count is above 4096" }
    switch Classifier(rawValue: .init(c.classifier)) {
    case .token, .tokenGap:
      guard c.class_token == 1 else { return "the classifier reads a token that is not there" }
    case .tokenPair:
      guard c.class_token == 1, c.register_count > 0
      else { return "the classifier reads a token that is not there" }
    case .first:
      guard c.class_token == 0, c.register_count == 0 else { return "the first token is not a patch" }
    case .gap, .map: break
    default: return "unknown classifier"
    }
    guard c.norm_after_pooling <= 1 else { return "norm_after_pooling is neither 0 nor 1" }
    guard c.norm_after_pooling == 0 || c.classifier == UInt32(Classifier.gap.rawValue)
    else { return "norm_after_pooling is set but the classifier does not average" }
    let patches = (c.image_height / c.patch_height) * (c.image_width / c.patch_width)
    guard patches + c.class_token + c.register_count <= ModelLimits.width
    else { return "an image has more than 131072 tokens" }
    return nil
  }

  private static func encoderProblem(_ c: e3_file_config) -> StaticString? {
    guard (1...ModelLimits.layers).contains(c.layer_count) else { return "layer_count is outside 1...256" }
    guard (1...ModelLimits.width).contains(c.hidden_size) else { return "hidden_size is outside 1...131072" }
    guard (1...ModelLimits.width).contains(c.mlp_size) else { return "mlp_size is outside 1...131072" }
    guard (1...c.hidden_size).contains(c.head_count), c.hidden_size % c.head_count == 0
    else { return "hidden_size is not a multiple of head_count" }
    guard c.head_count * ((c.hidden_size / c.head_count + 15) / 16 * 16) <= ModelLimits.width
    else { return "the padded heads have more than 131072 values" }
    guard (1...ModelLimits.classes).contains(c.class_count) else { return "class_count is outside 1...1048576" }
    guard c.representation_size <= ModelLimits.width else { return "representation_size is above 131072" }
    guard c.query_key_norm <= 1 else { return "query_key_norm is neither 0 nor 1" }
    guard c.activation <= UInt32(Activation.geluErf.rawValue) else { return "unknown activation" }
    guard ModelLimits.epsilons.contains(c.norm_epsilon) else { return "norm_epsilon is outside 1e-12...1" }
    return nil
  }

  private static func expertProblem(_ c: e3_file_config) -> StaticString? {
    let words = (c.moe_layers.0, c.moe_layers.1, c.moe_layers.2, c.moe_layers.3)
    if words == (0, 0, 0, 0) {
      guard c.member_count == 1, c.expert_count == 0, c.selected_experts == 0, c.expert_mlp_size == 0
      else { return "members or experts without a block that has experts" }
      return nil
    }
    guard isClear(words.0, from: c.layer_count, word: 0), isClear(words.1, from: c.layer_count, word: 1),
      isClear(words.2, from: c.layer_count, word: 2), isClear(words.3, from: c.layer_count, word: 3)
    else { return "moe_layers names a block that is not there" }
    guard (1...ModelLimits.experts).contains(c.expert_count) else { return "expert_count is outside 1...65536" }
    guard (1...c.expert_count).contains(c.member_count), c.expert_count % c.member_count == 0
    else { return "expert_count is not a multiple of member_count" }
    guard (1...(c.expert_count / c.member_count)).contains(c.selected_experts)
    else { return "selected_experts is outside 1...experts of a member" }
    guard (1...ModelLimits.width).contains(c.expert_mlp_size) else { return "expert_mlp_size is outside 1...131072" }
    let grid = UInt64(c.image_height / c.patch_height) * UInt64(c.image_width / c.patch_width)
    guard UInt64(c.member_count) * (grid + UInt64(c.class_token + c.register_count)) <= ModelLimits.memberTokens
    else { return "the members have more than 1048576 tokens" }
    guard UInt64(c.member_count) * UInt64(c.class_count) <= ModelLimits.memberClasses
    else { return "the members have more than 16777216 logits" }
    return nil
  }

  /// Whether the bits of `bits` for blocks at and after `layers` are zero; `word` holds the blocks `64 * word ...`.
  private static func isClear(_ bits: UInt64, from layers: UInt32, word: UInt32) -> Bool {
    let first = Int64(layers) - Int64(word) * 64
    if first >= 64 { return true }
    return first <= 0 ? bits == 0 : bits >> UInt64(first) == 0
  }

  private static func capacityProblem(_ c: e3_file_config) -> StaticString? {
    guard c.capacity_mode <= UInt32(E3_FILE_CAPACITY_PRIORITY.rawValue) else { return "unknown capacity_mode" }
    if c.capacity_mode == UInt32(E3_FILE_CAPACITY_NONE.rawValue) {
      return c.capacity == 0 ? nil : "capacity is set but capacity_mode is none"
    }
    guard c.expert_count > 0 else { return "capacity_mode is set but no block has experts" }
    guard (1...ModelLimits.capacity).contains(c.capacity) else { return "capacity is outside 1...16777216" }
    return nil
  }

  private static func resizeProblem(_ c: e3_file_config) -> StaticString? {
    guard c.resize <= UInt32(E3_FILE_RESIZE_PILLOW.rawValue) else { return "unknown resize" }
    let method = ResizeMethod(rawValue: .init(c.resize))
    guard method == .smallCrop || method == .pillow else {
      return c.resize_height == 0 && c.resize_width == 0 && hasNoPillowFields(c)
        ? nil : "a size, fit, filter, order or crop is set but resize is a stretch"
    }
    guard (c.image_height...ModelLimits.imageSide).contains(c.resize_height),
      (c.image_width...ModelLimits.imageSide).contains(c.resize_width)
    else { return "resize_height or resize_width is outside image size...16384" }
    let isSquare = c.resize_height == c.resize_width
    if method == .smallCrop {
      guard isSquare else { return "small-crop has two sides" }
      return hasNoPillowFields(c) ? nil : "a fit, filter, order or crop is set but resize is not pillow"
    }
    guard c.resize_fit <= UInt32(E3_FILE_FIT_COVER.rawValue) else { return "unknown resize_fit" }
    guard isSquare || c.resize_fit != UInt32(E3_FILE_FIT_SHORTER.rawValue) else {
      return "a shorter side of two lengths"
    }
    guard c.resize_filter <= UInt32(E3_FILE_FILTER_HAMMING.rawValue) else { return "unknown resize_filter" }
    guard c.resize_order <= UInt32(E3_FILE_ORDER_PILLOW_13.rawValue) else { return "unknown resize_order" }
    guard c.resize_crop <= UInt32(E3_FILE_CROP_HALF_EVEN.rawValue) else { return "unknown resize_crop" }
    return nil
  }

  private static func hasNoPillowFields(_ c: e3_file_config) -> Bool {
    c.resize_fit == 0 && c.resize_filter == 0 && c.resize_order == 0 && c.resize_crop == 0
  }

  private static func valueProblem(_ c: e3_file_config) -> StaticString? {
    let mean = SIMD3<Float>(c.value_mean.0, c.value_mean.1, c.value_mean.2)
    let deviation = SIMD3<Float>(c.value_deviation.0, c.value_deviation.1, c.value_deviation.2)
    switch c.value {
    case UInt32(E3_FILE_VALUE_RANGE.rawValue):
      guard isLimited(c.value_low), isLimited(c.value_high), c.value_low < c.value_high
      else { return "value_low and value_high are not finite and ascending" }
      return mean == .zero && deviation == .zero ? nil : "value_mean or value_deviation is set but value is range"
    case UInt32(E3_FILE_VALUE_NORM.rawValue):
      guard c.value_low == 0, c.value_high == 0 else { return "value_low or value_high is set but value is norm" }
      for channel in 0..<3 {
        if channel < Int(c.channels) {
          guard isLimited(mean[channel]), isLimited(deviation[channel]), deviation[channel] >= ModelLimits.deviation
          else { return "value_mean or value_deviation is not finite and positive" }
        } else if mean[channel] != 0 || deviation[channel] != 0 {
          return "value_mean or value_deviation is set for a channel that is not there"
        }
      }
      return nil
    default:
      return "unknown value"
    }
  }

  /// Finite and within ``ModelLimits/value``; a NaN compares false.
  private static func isLimited(_ value: Float) -> Bool { abs(value) <= ModelLimits.value }

  private static func reservedProblem(_ config: e3_file_config) -> StaticString? {
    withUnsafeBytes(of: config.reserved) { bytes in
      for byte in bytes where byte != 0 { return "a reserved field is not zero" }
      return nil
    }
  }
}
