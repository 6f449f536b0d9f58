import CE3

/// The extents that a model of a given shape consists of, in file order: FORMAT.md, section "Extents".
///
/// A file's table lists exactly these, then optional sections. Writer and validator share this plan.
public struct ExtentPlan: BitwiseCopyable, Sendable {
  public let shape: ModelShape

  public init(_ shape: ModelShape) { self.shape = shape }

  /// What one entry of the table must say.
  public struct Entry: BitwiseCopyable, Sendable {
    public let kind: ExtentKind
    /// Block index; 0 outside the blocks.
    public let block: Int
    /// Expert index; 0 for other kinds.
    public let expert: Int
    public let encoding: ExtentEncoding
    /// Bytes.
    public let length: UInt64
    /// Of the offset in the file.
    public let alignment: UInt64
  }

  /// The entry of an optional section of `length` bytes.
  public static func section(_ kind: ExtentKind, length: Int) -> Entry {
    Entry(
      kind: kind, block: 0, expert: 0, encoding: kind == .statistics ? .float : .bytes, length: UInt64(length),
      alignment: UInt64(E3_FILE_EXTENT_ALIGNMENT))
  }

  /// Number of extents that the shape needs.
  public var count: Int { blockStart(shape.layerCount) + trailingCount }

  /// The entry at `index`, below ``count``. Cost: a binary search over the blocks.
  public func entry(at index: Int) -> Entry {
    if index < 2 { return make(index == 0 ? .patchEmbedding : .positionEmbedding) }
    let afterBlocks = blockStart(shape.layerCount)
    if index >= afterBlocks { return make(trailingKind(index - afterBlocks)) }
    var (low, high) = (0, shape.layerCount)
    while high - low > 1 {
      let middle = (low + high) / 2
      if blockStart(middle) <= index { low = middle } else { high = middle }
    }
    return blockEntry(low, index - blockStart(low))
  }

  /// The index of an extent. `kind` must exist in the shape and `block` and `expert` be in range. Cost: constant.
  public func index(of kind: ExtentKind, block: Int = 0, expert: Int = 0) -> Int {
    precondition(block >= 0 && block < shape.layerCount, "no such block")
    let normed = shape.hasQueryKeyNorm ? 1 : 0
    switch kind {
    case .patchEmbedding: return 0
    case .positionEmbedding: return 1
    case .norm0: return blockStart(block)
    case .queryKeyValue: return blockStart(block) + 1
    case .queryKeyNorm:
      precondition(shape.hasQueryKeyNorm, "the model has no query and key norm")
      return blockStart(block) + 2
    case .attentionOutput: return blockStart(block) + 2 + normed
    case .norm1: return blockStart(block) + 3 + normed
    case .mlp:
      precondition(!shape.isMoE(block), "the block has experts")
      return blockStart(block) + 4 + normed
    case .router:
      precondition(shape.isMoE(block), "the block has no router")
      return blockStart(block) + 4 + normed
    case .expert:
      precondition(shape.isMoE(block) && expert >= 0 && expert < shape.expertCount, "no such expert")
      return blockStart(block) + 5 + normed + expert
    default:
      let first = blockStart(shape.layerCount)
      for position in 0..<trailingCount where trailingKind(position) == kind { return first + position }
      preconditionFailure("the model has no such extent")
    }
  }

  /// Offset of the first extent: the first aligned position after header, configuration and `extentCount` entries.
  public static func tableEnd(extentCount: Int) -> UInt64 {
    UInt64(MemoryLayout<e3_file_header>.size + MemoryLayout<e3_file_config>.size)
      + UInt64(extentCount) * UInt64(MemoryLayout<e3_file_extent>.size)
  }

  /// `position` rounded up to a multiple of `alignment`: where an extent lies that follows another ending there.
  public static func aligned(_ position: UInt64, to alignment: UInt64) -> UInt64 {
    (position + alignment - 1) / alignment * alignment
  }
}

// MARK: Order

extension ExtentPlan {
  /// Index of the first extent of `block`; of the first extent after the blocks for `layerCount`.
  private func blockStart(_ block: Int) -> Int {
    2 + block * (5 + (shape.hasQueryKeyNorm ? 1 : 0)) + shape.moeBlocks(before: block) * shape.expertCount
  }

  private func blockEntry(_ block: Int, _ position: Int) -> Entry {
    let position = position >= 2 && !shape.hasQueryKeyNorm ? position + 1 : position
    switch position {
    case 0: return make(.norm0, block: block)
    case 1: return make(.queryKeyValue, block: block)
    case 2: return make(.queryKeyNorm, block: block)
    case 3: return make(.attentionOutput, block: block)
    case 4: return make(.norm1, block: block)
    case 5: return make(shape.isMoE(block) ? .router : .mlp, block: block)
    default: return make(.expert, block: block, expert: position - 6)
    }
  }

  private var trailingCount: Int {
    let map = shape.classifier == .map ? (shape.hasQueryKeyNorm ? 6 : 5) : 0
    return 1 + map + (shape.hasPreLogits ? 1 : 0) + 1
  }

  private func trailingKind(_ position: Int) -> ExtentKind {
    var next = position
    if next == 0 { return .encoderNorm }
    if shape.classifier == .map {
      if next >= 3 && !shape.hasQueryKeyNorm { next += 1 }
      switch next {
      case 1: return .mapQuery
      case 2: return .mapKeyValue
      case 3: return .mapKeyNorm
      case 4: return .mapOutput
      case 5: return .mapNorm
      case 6: return .mapMLP
      default: next -= 6
      }
    }
    return next == 1 && shape.hasPreLogits ? .preLogits : .head
  }
}

// MARK: Sizes

extension ExtentPlan {
  private func make(_ kind: ExtentKind, block: Int = 0, expert: Int = 0) -> Entry {
    let encoding: ExtentEncoding
    let length: UInt64
    var alignment = UInt64(E3_FILE_EXTENT_ALIGNMENT)
    switch kind {
    case .mlp, .expert, .mapMLP:
      encoding = .int8
      length = LinearLayout(shape, .mlp, contract: false).length + LinearLayout(shape, .mlp, contract: true).length
      alignment = UInt64(E3_FILE_PAGE_ALIGNMENT)
    case .patchEmbedding, .queryKeyValue, .attentionOutput, .mapKeyValue, .mapOutput, .preLogits:
      encoding = .int8
      length = LinearLayout(shape, kind).length
    default:
      encoding = .float
      length = 4 * floatCount(kind)
    }
    return Entry(kind: kind, block: block, expert: expert, encoding: encoding, length: length, alignment: alignment)
  }

  /// Values of a float extent. With the limits of the format every product fits 64 bits.
  private func floatCount(_ kind: ExtentKind) -> UInt64 {
    let hidden16 = UInt64(shape.hiddenPadded)
    switch kind {
    case .positionEmbedding: return UInt64(shape.tokenCount) * hidden16
    case .norm0, .norm1, .encoderNorm, .mapNorm: return 2 * hidden16
    case .queryKeyNorm: return 2 * UInt64(shape.headSizePadded)
    case .router:
      return UInt64(shape.memberCount) * UInt64(ModelShape.padded(shape.expertsPerMember)) * UInt64(shape.hidden)
    case .mapQuery: return UInt64(shape.attentionWidth)
    case .mapKeyNorm: return UInt64(shape.headSizePadded)
    case .head: return UInt64(shape.classCountPadded) * (UInt64(shape.representation) + 1)
    default: preconditionFailure("not a float extent")
    }
  }
}
