import CE3Kernels
import E3Format

extension Encoder {
  /// space.pooled[m] = one vector for each sequence, from the encoder's normalised output.
  func pool() {
    let tokens = shape.tokenCount
    let sequences = shape.memberCount
    let all = space.residual.rows(0..<sequences * tokens)
    switch shape.classifier {
    case .gap where shape.normsAfterPooling:
      for member in worker.share(of: sequences) { averagePatches(all, member: member, into: space.pooled.row(member)) }
      worker.barrier()
      let mine = space.pooled.rows(worker.share(of: sequences))
      layerNorm(.encoderNorm, block: 0, mine, normalized: mine)
    case .gap, .tokenGap, .tokenPair:
      let normalized = space.normalized.rows(0..<all.count)
      let mine = worker.share(of: all.count)
      layerNorm(.encoderNorm, block: 0, all.rows(mine), normalized: normalized.rows(mine))
      worker.barrier()
      for member in worker.share(of: sequences) {
        let pooled = space.pooled.row(member)
        guard shape.classifier != .gap else {
          averagePatches(normalized, member: member, into: pooled)
          continue
        }
        var second = normalized.row(member * tokens + 1)
        if shape.classifier == .tokenGap {
          // The mean takes the place of the first patch, so that it is aligned as rows are.
          second = normalized.row(member * tokens + shape.prefixCount)
          averagePatches(normalized, member: member, into: second)
        }
        pooled.copy(from: normalized.row(member * tokens), count: shape.hiddenSize)
        (pooled + shape.hiddenSize).copy(from: second, count: shape.hiddenSize)
        let width = shape.pooledSize
        (pooled + width).update(repeating: 0, count: ModelShape.padded(width) - width)
      }
    case .map:
      poolByAttention(all, sequences: sequences)
    default:
      let mine = worker.share(of: sequences)
      layerNorm(.encoderNorm, block: 0, all.every(tokens).rows(mine), normalized: space.pooled.rows(mine))
    }
    worker.barrier()
  }

  /// out = the mean of the patch tokens of `member` in `rows`; `out` may be the first of them.
  private func averagePatches(_ rows: FloatRows, member: Int, into out: UnsafeMutablePointer<Float>) {
    kernels.table.pointee.mean_rows(
      rows.row(member * shape.tokenCount + shape.prefixCount), rows.stride, shape.patchCount, shape.hiddenSizePadded,
      out)
  }

  /// Multi-head attention pooling: the probe attends to all tokens; p + Mlp(LayerNorm(p)).
  private func poolByAttention(_ all: FloatRows, sequences: Int) {
    let tokens = shape.tokenCount
    let width = shape.attentionWidth
    let quantized = space.quantized.reshaped(width: shape.hiddenSize, count: all.count)
    let mine = worker.share(of: all.count)
    layerNorm(.encoderNorm, block: 0, all.rows(mine), normalized: space.normalized.rows(mine))
    kernels.quantize(space.normalized.rows(mine), width: shape.hiddenSizePadded, into: quantized.rows(mine))
    worker.barrier()

    // The context of member m takes the query columns of its row m*T; keys and values stand where a block has them.
    let projection = model.linear(.mapKeyValue, block: 0)
    let projected = space.queryKeyValue.rows(0..<all.count)
    kernels.linear(
      quantized, projection, panels: worker.panels(projection.panelCount), epilogue: E3K_STORE,
      into: projected.columns(from: width))
    worker.barrier()

    let query = UnsafeMutablePointer(mutating: model.floats(.mapQuery, block: 0))
    for item in worker.share(of: sequences * shape.headCount) {
      let (sequence, head) = (item / shape.headCount, item % shape.headCount)
      let column = head * shape.headSizePadded
      let rows = projected.rows(sequence * tokens..<(sequence + 1) * tokens).columns(from: column)
      let keys = rows.columns(from: width)
      if shape.hasQueryKeyNorm {
        kernels.layerNormInPlace(
          keys, width: shape.headSize, gamma: model.floats(.mapKeyNorm, block: 0), epsilon: epsilon)
      }
      attendHead(
        queries: FloatRows(start: query + column, stride: width, count: 1), keys: keys,
        values: rows.columns(from: 2 * width), context: rows.rows(0..<1))
    }
    worker.barrier()

    let pooled = space.pooled
    let context = space.quantized.reshaped(width: width, count: sequences)
    let members = worker.share(of: sequences)
    kernels.quantize(projected.every(tokens).rows(members), width: width, into: context.rows(members))
    worker.barrier()
    let output = model.linear(.mapOutput, block: 0)
    kernels.linear(context, output, panels: worker.panels(output.panelCount), epilogue: E3K_STORE, into: pooled)
    worker.barrier()
    layerNorm(.mapNorm, block: 0, pooled.rows(members), quantized: space.classQuantized.rows(members))
    worker.barrier()
    multiply(model.mapMLP, input: space.classQuantized.rows(0..<sequences), addTo: pooled)
  }

  /// space.logits[m] = head(tanh(pre_logits(pooled[m]))), or head(pooled[m]).
  func classify() {
    if shape.hasPreLogits {
      let features = space.pooled
      let quantized = space.classQuantized
      let members = worker.share(of: features.count)
      kernels.quantize(
        features.rows(members), width: ModelShape.padded(shape.pooledSize), into: quantized.rows(members))
      worker.barrier()
      let layer = model.linear(.preLogits, block: 0)
      let panels = worker.panels(layer.panelCount)
      kernels.linear(quantized, layer, panels: panels, epilogue: E3K_STORE, into: space.representation)
      for member in 0..<features.count {
        kernels.tanh(
          space.representation.row(member) + panels.lowerBound * panelChannels, count: panels.count * panelChannels)
      }
      worker.barrier()
    }
    let head = model.head
    kernels.floatLinear(representations, head, panels: worker.panels(head.panelCount), into: space.logits)
    worker.barrier()
  }
}
