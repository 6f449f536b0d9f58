import CE3Kernels
import E3Format

/// Buffers of the attention of one head, one set for each thread.
struct AttentionScratch {
  /// Queries that are multiplied with all keys at a time: bounds the scores to what the first-level cache holds.
  static let queryBlock = 64

  let queries: QuantizedRows
  /// T keys as panels; then T values as panels.
  let keyPanels: UnsafeMutablePointer<UInt8>
  let valuePanels: UnsafeMutablePointer<UInt8>
  let columns: ColumnStatistics
  /// [queryBlock][T]
  let scores: FloatRows
  let probabilities: QuantizedRows

  private let strides: (queries: Int, keys: Int, values: Int)

  init(_ shape: ModelShape, threads: Int, in arena: inout Arena) {
    let tokens = shape.tokenCount
    let tokensPadded = ModelShape.padded(tokens)
    let block = min(tokens, Self.queryBlock)
    let keyBytes = panelCount(tokensPadded).multipliedReportingOverflow(by: e3k_panel_bytes(shape.headSizePadded))
    let valueBytes = panelCount(shape.headSizePadded).multipliedReportingOverflow(by: e3k_panel_bytes(tokens))
    strides = (
      block, keyBytes.overflow ? Int.max : keyBytes.partialValue,
      valueBytes.overflow ? Int.max : valueBytes.partialValue
    )
    queries = arena.takeQuantizedRows(threads, times: block, width: shape.headSizePadded)
    keyPanels = arena.take(UInt8.self, threads, times: strides.keys)
    valuePanels = arena.take(UInt8.self, threads, times: strides.values)
    columns = ColumnStatistics(threads, width: shape.headSizePadded, in: &arena)
    scores = arena.takeRows(threads, times: block, width: tokens)
    probabilities = arena.takeQuantizedRows(threads, times: block, width: tokensPadded)
  }

  /// The set of one thread.
  private init(_ all: AttentionScratch, thread: Int) {
    strides = all.strides
    let rows = thread * strides.queries..<(thread + 1) * strides.queries
    queries = all.queries.rows(rows)
    keyPanels = all.keyPanels + thread * strides.keys
    valuePanels = all.valuePanels + thread * strides.values
    columns = all.columns[thread]
    scores = all.scores.rows(rows)
    probabilities = all.probabilities.rows(rows)
  }

  func ofThread(_ thread: Int) -> AttentionScratch { AttentionScratch(self, thread: thread) }
}

extension Encoder {
  /// softmax(queries · keysᵀ / √D) · values for one head of one sequence.
  ///
  /// Each query and key has its own int8 scale, each column of the values too. Keys and values are quantised as their
  /// differences from their means, which are smaller and leave the errors of the probabilities less to multiply with.
  ///
  /// - Parameters:
  ///   - queries: rows of D16 columns; `context` may be the same storage.
  ///   - keys: T rows of D16 columns, already normalised where the model does that; used up.
  ///   - values: T rows of D16 columns; used up.
  ///   - context: receives one row of D16 columns for each query.
  func attendHead(queries: FloatRows, keys: FloatRows, values: FloatRows, context: FloatRows) {
    let scratch = space.attention.ofThread(worker.index)
    let width = shape.headSizePadded
    let tokens = keys.count
    kernels.packKeys(keys, width: width, columns: scratch.columns, into: scratch.keyPanels)
    kernels.packValues(values, width: width, columns: scratch.columns, into: scratch.valuePanels)

    var left = 0..<queries.count
    while !left.isEmpty {
      let range = left.firstPiece(atMost: AttentionScratch.queryBlock)
      left = range.upperBound..<left.upperBound
      let quantized = scratch.queries.rows(0..<range.count)
      kernels.quantize(queries.rows(range), width: width, multiplier: queryScale, into: quantized)
      let scores = scratch.scores.rows(0..<range.count)
      kernels.product(
        quantized, scratch.keyPanels, inputs: width, panelCount: panelCount(tokens), epilogue: E3K_STORE, into: scores)
      let probabilities = scratch.probabilities.rows(0..<range.count)
      kernels.softmaxQuantize(scores, width: tokens, into: probabilities)
      kernels.product(
        probabilities, scratch.valuePanels, inputs: valueInputs(tokens), panelCount: panelCount(width),
        epilogue: E3K_STORE, into: context.rows(range))
    }
  }

  /// log2(e)/√D, in float32: attention's softmax is to the base 2.
  var queryScale: Float { 1.442695 / Float(shape.headSize).squareRoot() }
}

extension Encoder {
  /// x = x + Attention(LN0(x)) for `sequences` sequences of T tokens.
  ///
  /// With `firstTokenOnly` just the first token of each sequence is needed afterwards: its queries and output
  /// projection.
  func attention(block: Int, sequences: Int, firstTokenOnly: Bool) {
    let all = space.residual.rows(0..<sequences * shape.tokenCount)
    let active = firstTokenOnly ? all.every(shape.tokenCount) : all
    let contexts: FloatRows
    if shape.foldsKeysAndValues(ofBlock: block), let scratch = space.firstToken {
      contexts = firstTokenContexts(block: block, sequences: sequences, scratch)
    } else {
      contexts = self.contexts(block: block, sequences: sequences, firstTokenOnly: firstTokenOnly)
    }

    let width = shape.attentionWidth
    let quantized = space.quantized.reshaped(width: width, count: active.count)
    let share = worker.share(of: active.count)
    kernels.quantize(contexts.rows(share), width: width, into: quantized.rows(share))
    worker.barrier()

    let output = model.linear(.attentionOutput, block: block)
    let next = shape.isMoE(block) ? model.expert(block: block, index: 0) : model.mlp(block: block)
    kernels.linear(
      quantized, output, panels: worker.panels(output.panelCount), epilogue: E3K_ADD, into: active,
      next: worker.firstPanel(of: next.expand))
    worker.barrier()
  }

  /// The heads' contexts, side by side, of every token, or of the first of each sequence; ends with a barrier.
  private func contexts(block: Int, sequences: Int, firstTokenOnly: Bool) -> FloatRows {
    let tokens = shape.tokenCount
    let width = shape.attentionWidth
    let all = space.residual.rows(0..<sequences * tokens)
    let quantized = space.quantized.reshaped(width: shape.hiddenSize, count: all.count)
    let mine = worker.share(of: all.count)
    layerNorm(.norm0, block: block, all.rows(mine), quantized: quantized.rows(mine))
    if firstTokenOnly { normalizeFirstTokens(block: block, sequences: sequences) }
    worker.barrier()

    let projection = model.linear(.queryKeyValue, block: block)
    let projected = space.queryKeyValue.rows(0..<all.count)
    let queryPanels = panelCount(width)
    if firstTokenOnly {
      let keysAndValues = worker.panels(projection.panelCount - queryPanels)
      kernels.linear(
        quantized, projection,
        panels: keysAndValues.lowerBound + queryPanels..<keysAndValues.upperBound + queryPanels,
        epilogue: E3K_STORE, into: projected)
      kernels.linear(
        space.classQuantized.rows(0..<sequences), projection, panels: worker.panels(queryPanels),
        epilogue: E3K_STORE, into: projected.every(tokens))
    } else {
      kernels.linear(
        quantized, projection, panels: worker.panels(projection.panelCount), epilogue: E3K_STORE, into: projected,
        next: worker.firstPanel(of: model.linear(.attentionOutput, block: block)))
    }
    worker.barrier()

    let queriesPerSequence = firstTokenOnly ? 1 : tokens
    for item in worker.share(of: sequences * shape.headCount) {
      let (sequence, head) = (item / shape.headCount, item % shape.headCount)
      let rows = projected.rows(sequence * tokens..<(sequence + 1) * tokens)
        .columns(from: head * shape.headSizePadded)
      let queries = rows.rows(0..<queriesPerSequence)
      let keys = rows.columns(from: width)
      if shape.hasQueryKeyNorm {
        let gamma = model.floats(.queryKeyNorm, block: block)
        kernels.layerNormInPlace(queries, width: shape.headSize, gamma: gamma, epsilon: epsilon)
        kernels.layerNormInPlace(
          keys, width: shape.headSize, gamma: gamma + shape.headSizePadded, epsilon: epsilon)
      }
      attendHead(queries: queries, keys: keys, values: rows.columns(from: 2 * width), context: queries)
    }
    worker.barrier()
    return firstTokenOnly ? projected.every(tokens) : projected
  }

  /// LN0 of the first token of each sequence, quantised.
  func normalizeFirstTokens(block: Int, sequences: Int) {
    let mine = worker.share(of: sequences)
    let first = space.residual.rows(0..<sequences * shape.tokenCount).every(shape.tokenCount)
    layerNorm(.norm0, block: block, first.rows(mine), quantized: space.classQuantized.rows(mine))
  }
}
