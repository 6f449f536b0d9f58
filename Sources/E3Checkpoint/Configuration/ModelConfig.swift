/// A model that is fully determined: architecture, sizes and routing, checked against each other.
///
/// Letters in comments are those of the paper and of flax: N images, M members, T tokens, H hidden size, A heads, D =
/// H/A, F MLP size, E experts over all members, K selected experts, R representation size, C classes.
public struct ModelConfig: Equatable, Sendable {
  /// What the classifier reads from the encoder's output. The raw values are those of V-MoE's `classifier` field and of
  /// ours beside them.
  public enum Classifier: String, Sendable, CaseIterable {
    /// The class token, a learned vector in front of the patches.
    case token
    /// The first patch; there is no class token.
    case first = "0"
    /// The mean over all tokens, class token and registers included.
    case gap
    /// Multi-head attention pooling with a learned probe.
    case map
    /// The mean over the patches' tokens alone, whatever tokens stand before them.
    case patchMean = "patch_mean"
    /// The class token, and behind it the mean over the patches' tokens: `[2H]`.
    case tokenAndPatchMean = "token_and_patch_mean"
    /// The class token, and behind it the first register, which is the distillation token: `[2H]`.
    case tokenPair = "token_pair"

    /// Vectors of H values that the head reads, one behind the other.
    public var vectorCount: Int { self == .tokenAndPatchMean || self == .tokenPair ? 2 : 1 }
    /// Whether there is no such model without a class token.
    public var needsClassToken: Bool { self == .token || self == .tokenAndPatchMean || self == .tokenPair }
  }

  /// The MLP's non-linear function.
  public enum Activation: String, Sendable, CaseIterable {
    /// GELU with the error function: `x / 2 * (1 + erf(x / sqrt(2)))`.
    case gelu
    /// GELU in its tanh approximation, which flax uses by default.
    case geluTanh = "gelu_tanh"
  }

  /// Where the last layer norm stands.
  public enum FinalNorm: String, Sendable, CaseIterable {
    /// Every token is normalised, then they are pooled.
    case beforePooling = "before_pooling"
    /// The tokens are pooled, then the result is normalised (timm's `fc_norm`).
    case afterPooling = "after_pooling"
  }

  /// What is added to the tokens before the first block.
  public enum PositionEmbedding: Equatable, Sendable {
    /// A learned vector per token, the class token included.
    case learned
    /// Nothing.
    case none
    /// Sines and cosines of the patch's column and row; nothing for the class token.
    case sincos2d(temperature: Double)
  }

  /// Mixture of experts.
  public struct Experts: Equatable, Sendable {
    /// Blocks whose MLP is a mixture of experts, ascending; never empty.
    public var layers: [Int]
    /// E, over all members.
    public var count: Int
    /// K, per token and member.
    public var selected: Int
    /// Whether expert inputs and outputs are rounded to bfloat16, as the reference's dispatcher can do.
    public var roundsToBFloat16: Bool
    /// Slots of the experts; nil when nothing is dropped.
    public var capacity: Capacity?
  }

  /// Limited slots per expert, as in training.
  public struct Capacity: Equatable, Sendable {
    /// Slots of each expert in each group.
    public var slots: Int
    /// Whether slots go to tokens in order of their top gate (batch priority routing) instead of their position.
    public var batchPriority: Bool
    /// S: tokens of all members that compete for the slots. `tokenCount * memberCount` when one image is one group.
    public var groupSize: Int
  }

  public var imageHeight, imageWidth: Int
  /// 1 or 3.
  public var channels: Int
  public var patchHeight, patchWidth: Int
  /// H
  public var hiddenSize: Int
  public var layerCount: Int
  /// A
  public var headCount: Int
  /// F
  public var mlpSize: Int
  /// C; 0 for a backbone without a head, which only `ModelOptions.needsHead` lets pass.
  public var classCount: Int
  /// R, the width of the `pre_logits` layer; nil when there is none.
  public var representationSize: Int?
  public var classifier: Classifier
  /// Whether a learned class token stands in front of the patches.
  public var hasClassToken: Bool
  /// Learned tokens between the class token and the patches (registers, the distillation token). Nothing reads them but
  /// attention, and the head of a ``Classifier/tokenPair``.
  public var registerCount: Int
  public var finalNorm: FinalNorm
  public var activation: Activation
  /// Added to the variance in every layer norm over H, and in the norms of queries and keys.
  public var normEpsilon: Float
  public var positionEmbedding: PositionEmbedding
  /// Whether queries and keys are normalised (`attention_qk_norm`).
  public var hasQueryKeyNorm: Bool
  /// M; 1 when no block has experts.
  public var memberCount: Int
  /// Nil when no block has experts.
  public var experts: Experts?

  /// Patches in a column: partial patches at the lower edge are ignored.
  public var gridHeight: Int { imageHeight / patchHeight }
  /// Patches in a row: partial patches at the right edge are ignored.
  public var gridWidth: Int { imageWidth / patchWidth }
  /// Tokens before the patches': class token and registers.
  public var prefixCount: Int { (hasClassToken ? 1 : 0) + registerCount }
  /// T, class token and registers included.
  public var tokenCount: Int { gridHeight * gridWidth + prefixCount }
  /// D
  public var headSize: Int { hiddenSize / headCount }
  /// Values of one patch: rows × columns × channels.
  public var patchValueCount: Int { patchHeight * patchWidth * channels }
  /// Em = E / M; 0 when no block has experts.
  public var expertsPerMember: Int { (experts?.count ?? 0) / memberCount }
  /// Width of what pooling gives: H, or 2H for two vectors.
  public var pooledSize: Int { hiddenSize * classifier.vectorCount }
  /// Width of the vector that the head reads: R, or the pooled width without a `pre_logits` layer.
  public var headInputSize: Int { representationSize ?? pooledSize }

  /// Whether the MLP of block `index` is a mixture of experts.
  public func isMoE(_ index: Int) -> Bool { experts?.layers.contains(index) ?? false }
  /// First block with experts: from there on every member has its own copy of the tokens. Nil without experts.
  public var firstMoEBlock: Int? { experts?.layers.first }
}

/// What the caller asks for beyond the configuration file.
public struct ModelOptions: Equatable, Sendable {
  /// Who may be dropped.
  public enum CapacityMode: String, Sendable, CaseIterable {
    /// Frame semantics, the default: one image is one group and nothing is dropped, whatever the dispatcher says.
    case none
    /// The capacity of the configuration's dispatcher, with one image as one group.
    case reference
    /// The capacity of the configuration's dispatcher in groups of the configuration's `group_size`.
    case config
  }

  /// Height and width in pixels when they differ from the checkpoint's; position embeddings are resized.
  public var imageSize: (height: Int, width: Int)?
  /// M, to view a V-MoE checkpoint as an ensemble: the router's columns are dealt to members in order.
  public var ensembleSize: Int?
  public var capacity: CapacityMode
  /// Whether a checkpoint without a classification head is refused; else it has 0 classes.
  public var needsHead = true

  public init(
    imageSize: (height: Int, width: Int)? = nil, ensembleSize: Int? = nil, capacity: CapacityMode = .none
  ) {
    self.imageSize = imageSize
    self.ensembleSize = ensembleSize
    self.capacity = capacity
  }

  public static func == (a: ModelOptions, b: ModelOptions) -> Bool {
    a.imageSize?.height == b.imageSize?.height && a.imageSize?.width == b.imageSize?.width
      && a.ensembleSize == b.ensembleSize && a.capacity == b.capacity && a.needsHead == b.needsHead
  }
}
