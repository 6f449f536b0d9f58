import CE3

/// The extents that a network of a given shape consists of, in file order: FORMAT.md, section "Extents".
///
/// A file's table lists first the floats of all networks, then the optional sections, then their linear layers: so what
/// is read before the first answer lies together. Writer and validator share this plan, which numbers the extents of
/// one network without the sections.
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
      kind: kind, block: 0, expert: 0, encoding: kind == .statistics || kind == .setThresholds ? .float : .bytes,
      length: UInt64(length),
      alignment: UInt64(E3_FILE_EXTENT_ALIGNMENT))
  }

  /// Number of extents that the shape needs.
  public var count: Int { floatCount + linearBlockStart(shape.layerCount) + trailingLinearCount }

  /// Number of those before the optional sections.
  public var floatCount: Int { floatBlockStart(shape.layerCount) + trailingFloatCount }

  /// The entry at `index`, below ``count``, of an MLP or expert with the weights of `encoding`, if that is int4. Cost: a
  /// binary search over the blocks.
  public func entry(at index: Int, encoding: ExtentEncoding = .int8) -> Entry {
    let entry = plainEntry(at: index)
    guard encoding == .int4, Self.mayBeInt4(entry.kind) else { return entry }
    return make(entry.kind, block: entry.block, expert: entry.expert, encoding: .int4)
  }

  /// Whether the weights of an extent may have 4 bits.
  public static func mayBeInt4(_ kind: ExtentKind) -> Bool { kind == .mlp || kind == .expert || kind == .mapMLP }

  private func plainEntry(at index: Int) -> Entry {
    if index < floatCount {
      if index == 0 { return make(.positionEmbedding) }
      let afterBlocks = floatBlockStart(shape.layerCount)
      if index >= afterBlocks { return make(trailingFloat(index - afterBlocks)) }
      let block = self.block(of: index, start: { floatBlockStart($0) })
      return make(blockFloat(index - floatBlockStart(block)), block: block)
    }
    let place = index - floatCount
    if place == 0 { return make(.patchEmbedding) }
    let afterBlocks = linearBlockStart(shape.layerCount)
    if place >= afterBlocks { return make(trailingLinear(place - afterBlocks)) }
    let block = self.block(of: place, start: { linearBlockStart($0) })
    switch place - linearBlockStart(block) {
    case 0: return make(.queryKeyValue, block: block)
    case 1: return make(.attentionOutput, block: block)
    case let next: return shape.isMoE(block) ? make(.expert, block: block, expert: next - 2) : make(.mlp, block: block)
    }
  }

  /// The index of an extent. `kind` must exist in the shape and `block` and `expert` be in range. Cost: constant.
  public func index(of kind: ExtentKind, block: Int = 0, expert: Int = 0) -> Int {
    precondition(block >= 0 && block < shape.layerCount, "no such block")
    let normed = shape.hasQueryKeyNorm ? 1 : 0
    switch kind {
    case .positionEmbedding: return 0
    case .norm0: return floatBlockStart(block)
    case .queryKeyNorm:
      precondition(shape.hasQueryKeyNorm, "the model has no query and key norm")
      return floatBlockStart(block) + 1
    case .norm1: return floatBlockStart(block) + 1 + normed
    case .router:
      precondition(shape.isMoE(block), "the block has no router")
      return floatBlockStart(block) + 2 + normed
    case .patchEmbedding: return floatCount
    case .queryKeyValue: return floatCount + linearBlockStart(block)
    case .attentionOutput: return floatCount + linearBlockStart(block) + 1
    case .mlp:
      precondition(!shape.isMoE(block), "the block has experts")
      return floatCount + linearBlockStart(block) + 2
    case .expert:
      precondition(shape.isMoE(block) && expert >= 0 && expert < shape.expertCount, "no such expert")
      return floatCount + linearBlockStart(block) + 2 + expert
    default:
      let firstFloat = floatBlockStart(shape.layerCount)
      for position in 0..<trailingFloatCount where trailingFloat(position) == kind { return firstFloat + position }
      let firstLinear = floatCount + linearBlockStart(shape.layerCount)
      for position in 0..<trailingLinearCount where trailingLinear(position) == kind { return firstLinear + position }
      preconditionFailure("the model has no such extent")
    }
  }

  /// The index of the extent that `entry`, of another network, would be here; nil when this network has none. Cost:
  /// constant.
  func index(ofCounterpart entry: Entry) -> Int? {
    guard entry.block < shape.layerCount else { return nil }
    let exists =
      switch entry.kind {
      case .queryKeyNorm: shape.hasQueryKeyNorm
      case .mlp: !shape.isMoE(entry.block)
      case .router: shape.isMoE(entry.block)
      case .expert: shape.isMoE(entry.block) && entry.expert < shape.expertCount
      case .mapQuery, .mapKeyValue, .mapOutput, .mapNorm, .mapMLP: shape.classifier == .map
      case .mapKeyNorm: shape.classifier == .map && shape.hasQueryKeyNorm
      case .preLogits: shape.hasPreLogits
      default: true
      }
    return exists ? index(of: entry.kind, block: entry.block, expert: entry.expert) : nil
  }

  /// End of header, `networks` configurations and `extentCount` entries.
  public static func tableEnd(extentCount: Int, networks: Int = 1) -> UInt64 {
    UInt64(MemoryLayout<e3_file_header>.size) + UInt64(networks) * UInt64(MemoryLayout<e3_file_config>.size)
      + UInt64(extentCount) * UInt64(MemoryLayout<e3_file_extent>.size)
  }

  /// `position` rounded up to a multiple of `alignment`: where an extent lies that follows another ending there.
  public static func aligned(_ position: UInt64, to alignment: UInt64) -> UInt64 {
    (position + alignment - 1) / alignment * alignment
  }
}

// MARK: Order

extension ExtentPlan {
  /// Place of the first float of `block`; of the first after the blocks for `layerCount`.
  private func floatBlockStart(_ block: Int) -> Int {
    1 + block * (2 + (shape.hasQueryKeyNorm ? 1 : 0)) + shape.moeBlocks(before: block)
  }

  /// Place among the linear layers of the first one of `block`, likewise.
  private func linearBlockStart(_ block: Int) -> Int {
    1 + block * 3 + shape.moeBlocks(before: block) * (shape.expertCount - 1)
  }

  /// The block that the extent at `place` belongs to, by where blocks start.
  private func block(of place: Int, start: (Int) -> Int) -> Int {
    var (low, high) = (0, shape.layerCount)
    while high - low > 1 {
      let middle = (low + high) / 2
      if start(middle) <= place { low = middle } else { high = middle }
    }
    return low
  }

  private func blockFloat(_ position: Int) -> ExtentKind {
    switch position >= 1 && !shape.hasQueryKeyNorm ? position + 1 : position {
    case 0: .norm0
    case 1: .queryKeyNorm
    case 2: .norm1
    default: .router
    }
  }

  private var trailingFloatCount: Int { 2 + (shape.classifier == .map ? (shape.hasQueryKeyNorm ? 3 : 2) : 0) }

  private func trailingFloat(_ position: Int) -> ExtentKind {
    if position == 0 { return .encoderNorm }
    if position == trailingFloatCount - 1 { return .head }
    switch position >= 2 && !shape.hasQueryKeyNorm ? position + 1 : position {
    case 1: return .mapQuery
    case 2: return .mapKeyNorm
    default: return .mapNorm
    }
  }

  private var trailingLinearCount: Int { (shape.classifier == .map ? 3 : 0) + (shape.hasPreLogits ? 1 : 0) }

  private func trailingLinear(_ position: Int) -> ExtentKind {
    switch shape.classifier == .map ? position : position + 3 {
    case 0: .mapKeyValue
    case 1: .mapOutput
    case 2: .mapMLP
    default: .preLogits
    }
  }
}

// MARK: Sizes

extension ExtentPlan {
  /// Not inlined: a board would hold it once for each kind.
  @inline(never)
  private func make(
    _ kind: ExtentKind, block: Int = 0, expert: Int = 0, encoding weights: ExtentEncoding = .int8
  ) -> Entry {
    let encoding: ExtentEncoding
    let length: UInt64
    var alignment = UInt64(E3_FILE_EXTENT_ALIGNMENT)
    switch kind {
    case .mlp, .expert, .mapMLP:
      encoding = weights
      length =
        LinearLayout(shape, kind, contract: false, encoding: weights).length
        + LinearLayout(shape, kind, contract: true, encoding: weights).length
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
    let hidden16 = UInt64(shape.hiddenSizePadded)
    switch kind {
    case .positionEmbedding: return UInt64(shape.tokenCount) * hidden16
    case .norm0, .norm1, .encoderNorm, .mapNorm: return 2 * hidden16
    case .queryKeyNorm: return 2 * UInt64(shape.headSizePadded)
    case .router:
      return UInt64(shape.memberCount) * UInt64(ModelShape.padded(shape.expertsPerMember)) * UInt64(shape.hiddenSize)
    case .mapQuery: return UInt64(shape.attentionWidth)
    case .mapKeyNorm: return UInt64(shape.headSizePadded)
    case .head: return UInt64(shape.classCountPadded) * (UInt64(shape.headInputSize) + 1)
    default: preconditionFailure("not a float extent")
    }
  }
}
