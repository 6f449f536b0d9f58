import CE3Kernels
import E3Format

/// Buffers of the attention of the first tokens, where nothing else leaves a block.
struct FirstTokenScratch {
  /// [M*T][H]: LN0 of all tokens.
  let tokens: FloatRows
  /// [M][A*D16]
  let queries: FloatRows
  let contexts: FloatRows
  /// [M*A][H]: queries · keys' weightsᵀ; then the tokens' weighted means.
  let folded: FloatRows
  let foldedQuantized: QuantizedRows
  /// [M*A][T]
  let scores: FloatRows
  let probabilities: QuantizedRows

  // For each of the M sequences its tokens as panels, in the place of keys and of values.
  private let keyPanels: UnsafeMutablePointer<UInt8>
  private let valuePanels: UnsafeMutablePointer<UInt8>
  private let strides: (keys: Int, values: Int)
  /// Of each sequence.
  let columns: ColumnStatistics

  init(_ shape: ModelShape, in arena: inout Arena) {
    let members = shape.memberCount
    let tokensPadded = ModelShape.padded(shape.tokenCount)
    let keyBytes = panelCount(tokensPadded).multipliedReportingOverflow(by: e3k_panel_bytes(shape.hiddenSizePadded))
    let valueBytes = panelCount(shape.hiddenSizePadded)
      .multipliedReportingOverflow(by: e3k_panel_bytes(shape.tokenCount))
    strides = (
      keyBytes.overflow ? Int.max : keyBytes.partialValue, valueBytes.overflow ? Int.max : valueBytes.partialValue
    )
    tokens = arena.takeRows(members, times: shape.tokenCount, width: shape.hiddenSize)
    queries = arena.takeRows(members, width: shape.attentionWidth)
    contexts = arena.takeRows(members, width: shape.attentionWidth)
    folded = arena.takeRows(members, times: shape.headCount, width: shape.hiddenSize)
    foldedQuantized = arena.takeQuantizedRows(members, times: shape.headCount, width: shape.hiddenSizePadded)
    scores = arena.takeRows(members, times: shape.headCount, width: shape.tokenCount)
    probabilities = arena.takeQuantizedRows(members, times: shape.headCount, width: tokensPadded)
    keyPanels = arena.take(UInt8.self, members, times: strides.keys)
    valuePanels = arena.take(UInt8.self, members, times: strides.values)
    columns = ColumnStatistics(members, width: shape.hiddenSizePadded, in: &arena)
  }

  func keyPanels(_ sequence: Int) -> UnsafeMutablePointer<UInt8> { keyPanels + sequence * strides.keys }
  func valuePanels(_ sequence: Int) -> UnsafeMutablePointer<UInt8> { valuePanels + sequence * strides.values }
}

extension Encoder {
  /// The contexts of the first token of each sequence, without keys and values of the others; ends with a barrier.
  ///
  /// With x_t the normalised tokens, q·(Wk x_t + bk) is (Wkᵀ q)·x_t and a constant that softmax does not see, and
  /// Σ p_t (Wv x_t + bv) is Wv (Σ p_t x_t) + bv: one query for each head meets the tokens themselves, 2 A T H
  /// multiplications in the place of 2 T H². Equal in exact arithmetic; the roundings are its own.
  func firstTokenContexts(block: Int, sequences: Int, _ scratch: FirstTokenScratch) -> FloatRows {
    let (tokens, heads) = (shape.tokenCount, shape.headCount)
    let all = space.residual.rows(0..<sequences * tokens)
    let mine = worker.share(of: all.count)
    layerNorm(.norm0, block: block, all.rows(mine), normalized: scratch.tokens.rows(mine))
    normalizeFirstTokens(block: block, sequences: sequences)
    worker.barrier()

    let projection = model.linear(.queryKeyValue, block: block)
    kernels.linear(
      space.classQuantized.rows(0..<sequences), projection, panels: worker.panels(panelCount(shape.attentionWidth)),
      epilogue: E3K_STORE, into: scratch.queries)
    for sequence in worker.share(of: sequences) {
      let x = scratch.tokens.rows(sequence * tokens..<(sequence + 1) * tokens)
      kernels.packValuesAndKeys(
        x, width: shape.hiddenSizePadded, columns: scratch.columns[sequence], values: scratch.valuePanels(sequence),
        keys: scratch.keyPanels(sequence))
    }
    worker.barrier()

    let items = worker.share(of: sequences * heads)
    for sequence in 0..<sequences {
      let part = items.clamped(to: sequence * heads..<(sequence + 1) * heads)
      if !part.isEmpty { attendFirstToken(sequence, items: part, projection: projection, scratch) }
    }
    worker.barrier()
    return scratch.contexts.rows(0..<sequences)
  }

  /// The contexts of some heads of one sequence; `items` are their rows among all heads of all sequences.
  private func attendFirstToken(
    _ sequence: Int, items: Range<Int>, projection: LinearView, _ scratch: FirstTokenScratch
  ) {
    let (tokens, width) = (shape.tokenCount, shape.headSizePadded)
    let query = scratch.queries.row(sequence)
    for item in items {
      let column = item % shape.headCount * width
      kernels.table.pointee.multiply_transposed(
        query + column, projection.panel(ofColumn: shape.attentionWidth + column), panelCount(width), projection.inputs,
        scratch.folded.row(item))
    }

    let (folded, quantized) = (scratch.folded.rows(items), scratch.foldedQuantized.rows(items))
    kernels.quantize(folded, width: shape.hiddenSizePadded, multiplier: queryScale, into: quantized)
    let scores = scratch.scores.rows(items)
    kernels.product(
      quantized, scratch.keyPanels(sequence), inputs: shape.hiddenSizePadded, panelCount: panelCount(tokens),
      epilogue: E3K_STORE, into: scores)
    let probabilities = scratch.probabilities.rows(items)
    kernels.softmaxQuantize(scores, width: tokens, into: probabilities)
    kernels.product(
      probabilities, scratch.valuePanels(sequence), inputs: valueInputs(tokens),
      panelCount: panelCount(shape.hiddenSizePadded), epilogue: E3K_STORE, into: folded)
    kernels.quantize(folded, width: shape.hiddenSizePadded, into: quantized)

    for item in items {
      let column = item % shape.headCount * width
      kernels.product(
        scratch.foldedQuantized.rows(item..<item + 1), projection.panel(ofColumn: 2 * shape.attentionWidth + column),
        inputs: projection.inputs, panelCount: panelCount(width), epilogue: E3K_STORE,
        into: scratch.contexts.rows(sequence..<sequence + 1).columns(from: column))
    }
  }
}
