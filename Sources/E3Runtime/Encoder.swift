import CE3Kernels
import CE3Threads
import E3Format

/// The forward pass of one image, as one worker of the team runs it: patches → blocks → pooling → logits.
///
/// The exact savings: all members share one sequence until the first MoE MLP; in the last block only the token that the
/// classifier reads is computed; rows of all members go through shared weights together. These give the bits of the
/// plain computation. Where that one token's query meets the tokens instead of their keys and values, only the
/// roundings differ.
struct Encoder {
  let model: ModelFile
  let shape: ModelShape
  let kernels: Kernels
  let space: Workspace
  /// Nil where all of the model comes and goes as it is mapped.
  let residency: Residency?
  let worker: Worker
  let profile: UnsafeMutablePointer<Profile>

  /// This worker's share of `space.patches`, quantised.
  func quantizePatches() {
    let rows = worker.share(of: space.patches.count)
    kernels.quantize(
      space.patches.rows(rows), width: roundUp(shape.patchValueCount, 16), into: space.patchesQuantized.rows(rows))
  }

  /// From `space.patchesQuantized` to `space.logits`. The workers meet at a barrier before they read it. Ends early, on
  /// all members alike, when the deadline has passed.
  func run() {
    embedPatches()
    mark(.embedding)
    var sequences = 1
    for block in 0..<shape.layerCount {
      let firstTokenOnly = shape.readsOnlyFirstToken(ofBlock: block)
      if worker.index == 0 { ce3_team_look(worker.team, profile.pointee.last) }
      if block == shape.layerCount - 1, let learned = space.learned { poolFeatures(learned, sequences: sequences) }
      attention(block: block, sequences: sequences, firstTokenOnly: firstTokenOnly)
      mark(.attention)
      if ce3_team_is_late(worker.team) != 0 { return }
      let tokens = firstTokenOnly ? 1 : shape.tokenCount
      if shape.isMoE(block) {
        let isShared = sequences == 1
        sequences = shape.memberCount
        moe(
          block: block, rows: active(sequences: sequences, firstTokenOnly: firstTokenOnly),
          input: MoEInput(tokens: tokens, isShared: isShared))
      } else {
        mlp(block: block, rows: active(sequences: sequences, firstTokenOnly: firstTokenOnly))
        mark(.mlp)
      }
    }
    pool()
    classify()
    if let buffers = space.distance { measureDistances(buffers) }
    mark(.head)
  }

  /// The rows of the residual stream that are still needed.
  private func active(sequences: Int, firstTokenOnly: Bool) -> FloatRows {
    let all = space.residual.rows(0..<sequences * shape.tokenCount)
    return firstTokenOnly ? all.every(shape.tokenCount) : all
  }

  /// residual = [class token; registers; patches · kernel + bias] + position embedding.
  private func embedPatches() {
    let positions = model.floats(.positionEmbedding, block: 0)
    for token in worker.share(of: shape.tokenCount) {
      space.residual.row(token).copy(from: positions + token * shape.hiddenSizePadded, count: shape.hiddenSizePadded)
    }
    worker.barrier()
    let embedding = model.linear(.patchEmbedding, block: 0)
    kernels.linear(
      space.patchesQuantized, embedding, panels: worker.panels(embedding.panelCount), epilogue: E3K_ADD,
      into: space.residual.rows(shape.prefixCount..<shape.tokenCount))
    worker.barrier()
  }

  /// LayerNorm of `rows` with the parameters of `kind`.
  func layerNorm(
    _ kind: ExtentKind, block: Int, _ rows: FloatRows, normalized: FloatRows? = nil, quantized: QuantizedRows? = nil
  ) {
    guard rows.count > 0 else { return }
    kernels.layerNorm(
      rows, width: shape.hiddenSize, parameters: model.floats(kind, block: block), paddedWidth: shape.hiddenSizePadded,
      epsilon: epsilon, normalized: normalized, quantized: quantized)
  }

  /// What every LayerNorm adds to the variance.
  var epsilon: Float { shape.normEpsilon }

  /// Ends a stage of the profile; the first worker keeps the clock.
  func mark(_ stage: Profile.Stage) {
    if worker.index == 0 { profile.pointee.end(stage) }
  }
}
