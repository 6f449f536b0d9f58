/// A model that is fully determined: architecture, sizes and routing, checked against each other.
///
/// Letters in comments are those of the paper and of flax: N images, M members, T tokens, H hidden size, A heads, D = H/A,
/// F MLP size, E experts over all members, K selected experts, R representation size, C classes.
public struct ModelConfig: Equatable, Sendable {
  /// What the classifier reads from the encoder's output.
  public enum Classifier: String, Sendable, CaseIterable {
    /// The class token, a learned vector in front of the patches.
    case token
    /// The first patch.
    case first = "0"
    /// The mean over all tokens.
    case gap
    /// Multi-head attention pooling with a learned probe.
    case map
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
  /// C
  public var classCount: Int
  /// R, the width of the `pre_logits` layer; nil when there is none.
  public var representationSize: Int?
  public var classifier: Classifier
  public var positionEmbedding: PositionEmbedding
  /// Whether queries and keys are normalised (`attention_qk_norm`).
  public var queryKeyNorm: Bool
  /// M; 1 when no block has experts.
  public var memberCount: Int
  /// Nil when no block has experts.
  public var experts: Experts?

  /// Patches in a column: partial patches at the lower edge are ignored.
  public var gridHeight: Int { imageHeight / patchHeight }
  /// Patches in a row: partial patches at the right edge are ignored.
  public var gridWidth: Int { imageWidth / patchWidth }
  /// T, the class token included.
  public var tokenCount: Int { gridHeight * gridWidth + (classifier == .token ? 1 : 0) }
  /// D
  public var headSize: Int { hiddenSize / headCount }
  /// Values of one patch: rows × columns × channels.
  public var patchValueCount: Int { patchHeight * patchWidth * channels }
  /// Em = E / M; 0 when no block has experts.
  public var expertsPerMember: Int { (experts?.count ?? 0) / memberCount }
  /// Width of the vector that the head reads: R, or H without a `pre_logits` layer.
  public var headInputSize: Int { representationSize ?? hiddenSize }

  /// Whether the MLP of block `index` is a mixture of experts.
  public func hasExperts(_ index: Int) -> Bool { experts?.layers.contains(index) ?? false }
  /// First block with experts: from there on every member has its own copy of the tokens. Nil without experts.
  public var firstExpertLayer: Int? { experts?.layers.first }
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

  public init(
    imageSize: (height: Int, width: Int)? = nil, ensembleSize: Int? = nil, capacity: CapacityMode = .none
  ) {
    self.imageSize = imageSize
    self.ensembleSize = ensembleSize
    self.capacity = capacity
  }

  public static func == (a: ModelOptions, b: ModelOptions) -> Bool {
    a.imageSize?.height == b.imageSize?.height && a.imageSize?.width == b.imageSize?.width
      && a.ensembleSize == b.ensembleSize && a.capacity == b.capacity
  }
}
