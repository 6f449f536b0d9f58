import CE3Kernels
import CE3Threads
import E3Format

/// Every buffer of one network's inference, in the arena. Letters as in ``ModelShape``; rows of the token sequence are
/// ordered member-major: row m*T + t is token t of member m (before the first MoE MLP there is one sequence, rows
/// 0..<T). The networks of a file take turns, and their workspaces share their memory; ``AnswerSpace`` has what stays.
struct Workspace {
  /// [P][patch values], float: the picture cut into patches.
  let patches: FloatRows
  let patchesQuantized: QuantizedRows

  /// [M*T][H]: the residual stream.
  let residual: FloatRows
  /// [M*T][H] where routers or the pooling read the normalised tokens, else [M][H].
  let normalized: FloatRows
  /// [M*T][max(H, A*D16)]: the quantised input of the next linear layer.
  let quantized: QuantizedRows
  /// [M][H]: the class tokens alone, in the last block; or the pooled vectors.
  let classQuantized: QuantizedRows

  /// [threads][two panels]: what 4-bit weights are as int8; nil where the network has none.
  private let expanded: UnsafeMutablePointer<UInt8>?
  private let expandedBytes: Int

  // Attention, of all tokens and of the first alone. Both share their memory with the MLP: they are never alive
  // together.
  /// [M*T][3*A*D16]: queries, keys, values; each head's context then replaces its queries.
  let queryKeyValue: FloatRows
  let attention: AttentionScratch
  /// Nil where all tokens leave the last block, or keys are normalised.
  let firstToken: FirstTokenScratch?

  // MLP and experts.
  /// [at most M*T][F]: as many rows as go through the MLP or the experts at a time.
  let hidden: FloatRows
  let hiddenQuantized: QuantizedRows
  /// [M*T*K][H]: the rows of each expert gathered side by side. Empty for a dense model.
  let assigned: QuantizedRows
  let routing: RoutingTables

  // Head.
  /// The pooled vectors, [M][H or 2 H], and what the head reads, [M][R]: the same rows without a `pre_logits` layer.
  let pooled: FloatRows
  let representation: FloatRows
  /// [M][C], padded rows: logits, then probabilities.
  let logits: FloatRows
  let routingRecord: RoutingRecord
  /// Nil where the file has no statistics.
  let distance: DistanceBuffers?
  /// Nil where no learned classes can be attached.
  let learned: LearnedBuffers?

  /// Rows that go through an MLP at a time. Their hidden values stay in the second-level cache between both layers: 768
  /// KiB for each thread. The weights are read once for each such piece, so a wide layer takes at least 64 rows at a
  /// time. An expert that is read from the file takes all rows that it can have, T, so that it is read once. Where all
  /// M*T rows are fewer, it is all of them.
  private static func hiddenRows(_ shape: ModelShape, options: SessionOptions) -> Int {
    let cached = options.threads * (786_432 / (4 * ModelShape.padded(shape.widestMLP)))
    let most = max(options.residentBytes > 0 ? shape.tokenCount : 64, max(64, cached))
    let (all, wide) = shape.memberCount.multipliedReportingOverflow(by: shape.tokenCount)
    return wide ? most : min(all, most)
  }

  /// - Parameters:
  ///   - model: The network.
  ///   - answer: What its answer goes to.
  ///   - record: Of its routers.
  init(
    _ model: ModelFile, options: SessionOptions, answer: AnswerSpace, record: RoutingRecord, in arena: inout Arena
  ) {
    let shape = model.shape
    let members = shape.memberCount
    let tokens = shape.tokenCount
    let hasExperts = shape.firstMoEBlock != nil
    let poolsAllTokens = shape.classifier != .token && shape.classifier != .first

    patches = arena.takeRows(shape.patchCount, width: shape.patchValueCount)
    patchesQuantized = arena.takeQuantizedRows(shape.patchCount, width: shape.patchValueCount)
    residual = arena.takeRows(members, times: tokens, width: shape.hiddenSize)
    normalized = arena.takeRows(members, times: hasExperts || poolsAllTokens ? tokens : 1, width: shape.hiddenSize)
    quantized = arena.takeQuantizedRows(
      members, times: tokens, width: max(shape.hiddenSizePadded, shape.attentionWidth))
    classQuantized = arena.takeQuantizedRows(members, width: shape.pooledSize)
    let int4Inputs = model.mostInt4Inputs
    expandedBytes = e3k_expanded_bytes(int4Inputs)
    expanded = int4Inputs == 0 ? nil : arena.take(UInt8.self, options.threads, times: expandedBytes)
    routing = RoutingTables(shape, in: &arena)
    let mine = model.firstMember..<model.firstMember + members
    representation = answer.representations.rows(mine)
    pooled = shape.hasPreLogits ? arena.takeRows(members, width: shape.pooledSize) : representation
    logits = answer.logits.rows(mine)
    routingRecord = record
    let hasUnitLength = model.calibration.map { UnknownScore($0).hasUnitLength } ?? false
    distance =
      model.hasStatistics
      ? DistanceBuffers(shape, zeros: answer.zeros.start, hasUnitLength: hasUnitLength, in: &arena) : nil
    learned =
      options.hasLearnedClasses && model.hasStatistics && model.networkCount == 1
      ? LearnedBuffers(shape, threads: options.threads, in: &arena) : nil

    let shared = arena.used
    queryKeyValue = arena.takeRows(members, times: tokens, width: 3 * shape.attentionWidth)
    attention = AttentionScratch(shape, threads: options.threads, in: &arena)

    arena.rewind(to: shared)
    firstToken = shape.foldsKeysAndValues(ofBlock: shape.layerCount - 1) ? FirstTokenScratch(shape, in: &arena) : nil

    arena.rewind(to: shared)
    let hiddenRows = Self.hiddenRows(shape, options: options)
    hidden = arena.takeRows(hiddenRows, width: shape.widestMLP)
    hiddenQuantized = arena.takeQuantizedRows(hiddenRows, width: shape.widestMLP)
    let (rows, wide) = tokens.multipliedReportingOverflow(by: max(shape.selectedExperts, 1))
    assigned = arena.takeQuantizedRows(hasExperts ? members : 0, times: wide ? Int.max : rows, width: shape.hiddenSize)
  }
}

extension Workspace {
  /// The kernels of a worker.
  ///
  /// - Parameter notFinite: [threads]: 1 where a worker met a number that is not finite in this frame.
  func kernels(
    _ table: UnsafePointer<e3k_table>, notFinite: UnsafeMutablePointer<UInt32>, worker: Int
  ) -> Kernels {
    Kernels(table: table, notFinite: notFinite + worker, expanded: expanded.map { $0 + worker * expandedBytes })
  }
}
