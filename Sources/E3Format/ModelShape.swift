import CE3

/// The dimensions of a model, derived from a validated configuration.
///
/// Everything here is computed from ``config``; nothing is stored beside it that could disagree. Letters in comments
/// are those of the E3 paper's reference: T tokens, H hidden, A heads, D head size, F MLP, R representation, C classes,
/// M members, E experts over all members, K selected experts, L layers. X16 is X rounded up to a multiple of 16.
public struct ModelShape: BitwiseCopyable, Sendable {
  /// The configuration as the file stores it.
  public let config: e3_file_config

  /// Takes a configuration that keeps every rule of FORMAT.md.
  ///
  /// - Throws: `fileConfig`; ``problem(in:)`` says which rule is broken.
  public init(validating config: e3_file_config) throws(E3Error) {
    guard Self.problem(in: config) == nil else { throw .fileConfig }
    self.config = config
  }
}

// MARK: Image and tokens

extension ModelShape {
  /// Height of the input image in pixels.
  public var imageHeight: Int { Int(config.image_height) }
  /// Width of the input image in pixels.
  public var imageWidth: Int { Int(config.image_width) }
  /// 1 (grey) or 3 (red, green, blue).
  public var channels: Int { Int(config.channels) }
  /// Values of the input image: height x width x channels.
  public var imageValues: Int { imageHeight * imageWidth * channels }
  /// Height of a patch in pixels.
  public var patchHeight: Int { Int(config.patch_height) }
  /// Width of a patch in pixels.
  public var patchWidth: Int { Int(config.patch_width) }
  /// Patches per column of the image; pixels below the last whole patch are not used.
  public var gridHeight: Int { imageHeight / patchHeight }
  /// Patches per row of the image; pixels right of the last whole patch are not used.
  public var gridWidth: Int { imageWidth / patchWidth }
  /// Patches of an image.
  public var patchCount: Int { gridHeight * gridWidth }
  /// Values of a patch: height x width x channels.
  public var patchValueCount: Int { patchHeight * patchWidth * channels }
  /// Whether a class token stands before all others.
  public var hasClassToken: Bool { config.class_token != 0 }
  /// Register tokens, between the class token and the patches.
  public var registerCount: Int { Int(config.register_count) }
  /// Tokens before those of the patches: class token and registers.
  public var prefixCount: Int { registerCount + (hasClassToken ? 1 : 0) }
  /// T: tokens per image, class token and registers included.
  public var tokenCount: Int { prefixCount + patchCount }
}

// MARK: Encoder

extension ModelShape {
  /// L: encoder blocks.
  public var layerCount: Int { Int(config.layer_count) }
  /// H.
  public var hiddenSize: Int { Int(config.hidden_size) }
  /// H16: floats from one row of hidden values to the next.
  public var hiddenSizePadded: Int { Self.padded(hiddenSize) }
  /// A: attention heads.
  public var headCount: Int { Int(config.head_count) }
  /// D: values of one head.
  public var headSize: Int { hiddenSize / headCount }
  /// D16: columns of one head in the packed projections.
  public var headSizePadded: Int { Self.padded(headSize) }
  /// A*D16: columns of all heads.
  public var attentionWidth: Int { headCount * headSizePadded }
  /// F: values between the two layers of an MLP.
  public var mlpSize: Int { Int(config.mlp_size) }
  /// The larger F of the dense MLPs and the experts.
  public var widestMLP: Int { max(mlpSize, expertMLPSize) }
  /// GELU's form in MLPs and experts.
  public var activation: Activation { Activation(rawValue: .init(config.activation)) }
  /// Added to the variance of every LayerNorm.
  public var normEpsilon: Float { config.norm_epsilon }
  /// Whether queries and keys are normalised before their product.
  public var hasQueryKeyNorm: Bool { config.query_key_norm != 0 }
}

// MARK: Experts and members

extension ModelShape {
  /// M: ensemble members; 1 for V-MoE and ViT.
  public var memberCount: Int { Int(config.member_count) }
  /// E: experts of a MoE block, over all members; 0 for a dense model.
  public var expertCount: Int { Int(config.expert_count) }
  /// E/M: experts of one member. Member m owns the experts `m * expertsPerMember ..< (m + 1) * expertsPerMember`.
  public var expertsPerMember: Int { expertCount / memberCount }
  /// F of the experts; 0 for a dense model.
  public var expertMLPSize: Int { Int(config.expert_mlp_size) }
  /// K: experts chosen for a token; 0 for a dense model.
  public var selectedExperts: Int { Int(config.selected_experts) }
  /// Slots of an expert for one image; meaningful unless ``capacityMode`` is `none`.
  public var capacity: Int { Int(config.capacity) }
  /// Whether and how assignments are dropped.
  public var capacityMode: CapacityMode { CapacityMode(rawValue: .init(config.capacity_mode)) }

  /// Whether `block` has experts instead of a dense MLP.
  public func isMoE(_ block: Int) -> Bool {
    guard block >= 0, block < 256 else { return false }
    return moeWord(block / 64) >> UInt64(block % 64) & 1 == 1
  }

  /// The first block with experts: from its MLP on, each member has its own copy of the tokens. Nil for a dense model.
  public var firstMoEBlock: Int? {
    for word in 0..<4 where moeWord(word) != 0 { return word * 64 + moeWord(word).trailingZeroBitCount }
    return nil
  }

  /// Blocks with experts.
  public var moeBlockCount: Int { moeBlocks(before: 256) }

  /// Blocks with experts among the blocks `0 ..< block`.
  public func moeBlocks(before block: Int) -> Int {
    var count = 0
    for word in 0..<4 {
      let bits = min(max(block - word * 64, 0), 64)
      let mask: UInt64 = bits == 64 ? .max : (1 << UInt64(bits)) - 1
      count += (moeWord(word) & mask).nonzeroBitCount
    }
    return count
  }

  private func moeWord(_ word: Int) -> UInt64 {
    switch word {
    case 0: config.moe_layers.0
    case 1: config.moe_layers.1
    case 2: config.moe_layers.2
    default: config.moe_layers.3
    }
  }
}

// MARK: Head

extension ModelShape {
  /// How the encoder's output becomes one vector.
  public var classifier: Classifier { Classifier(rawValue: .init(config.classifier)) }
  /// Values of the pooled vector: H, or 2 H where the class token and another vector stand side by side.
  public var pooledSize: Int { classifier == .tokenGap || classifier == .tokenPair ? 2 * hiddenSize : hiddenSize }
  /// Whether the encoder's LayerNorm is applied to the pooled vector and not to the tokens.
  public var normsAfterPooling: Bool { config.norm_after_pooling != 0 }
  /// Whether a tanh layer stands before the head.
  public var hasPreLogits: Bool { config.representation_size != 0 }
  /// R: values that the head reads; those of the pooled vector without a `pre_logits` layer.
  public var headInputSize: Int { hasPreLogits ? Int(config.representation_size) : pooledSize }
  /// ``headInputSize`` rounded up to 16.
  public var headInputSizePadded: Int { Self.padded(headInputSize) }
  /// C.
  public var classCount: Int { Int(config.class_count) }
  /// C16.
  public var classCountPadded: Int { Self.padded(classCount) }
}

// MARK: Preprocessing

extension ModelShape {
  /// How a frame is brought to the image size.
  public var resizeMethod: ResizeMethod { ResizeMethod(rawValue: .init(config.resize)) }
  /// Size that a frame is resized to; meaningful for `pillow`, as the next three.
  public var resizeFit: ResizeFit { ResizeFit(rawValue: .init(config.resize_fit)) }
  /// Filter of the resize.
  public var resizeFilter: ResizeFilter { ResizeFilter(rawValue: .init(config.resize_filter)) }
  /// Order of its two passes.
  public var resizeOrder: ResizeOrder { ResizeOrder(rawValue: .init(config.resize_order)) }
  /// How the offset of the centre crop is rounded.
  public var cropRounding: CropRounding { CropRounding(rawValue: .init(config.resize_crop)) }
  /// How a byte becomes a value.
  public var valueMapping: ValueMapping { ValueMapping(rawValue: .init(config.value)) }
}

extension ModelShape {
  /// `value` rounded up to a multiple of 16, the channels of a panel and the lanes of a canonical sum.
  @inlinable
  public static func padded(_ value: Int) -> Int { (value + 15) / 16 * 16 }
}
