import E3Checkpoint
import E3Host

/// One pre-norm block: attention, then an MLP or a mixture of experts, each added to its input.
struct EncoderBlock {
  let index: Int
  let model: SourceModel

  /// - Parameters:
  ///   - x: `[sequences * T][H]`; one sequence per image before the first block with experts, one per member after it.
  ///   - images: N.
  /// - Returns: the block's output; from the first block with experts on `[N*M*T][H]`.
  func callAsFunction(_ x: Matrix, images: Int, observer: (any ForwardObserver)?) throws(FileError) -> Matrix {
    let (config, names) = (model.config, ParameterNames.block(index))
    let norm0 = try LayerNorm(names.norm0, from: model)(x)
    observer?.observe(.norm0(block: index), norm0)
    let attention = try Attention(names.attention, from: model)(
      queries: norm0, tokens: norm0, sequences: x.rows / config.tokenCount)
    observer?.observe(.attention(block: index), attention)
    var y = x
    y += attention
    let norm1 = try LayerNorm(names.norm1, from: model)(y)
    observer?.observe(.norm1(block: index), norm1)

    guard let experts = config.experts, config.hasExperts(index) else {
      y += try MLP(names.mlp, from: model)(norm1)
      observer?.observe(.block(index), y)
      return y
    }
    // The members' copies are equal up to here: one was enough.
    let isFirst = index == config.firstExpertLayer
    let tokens = isFirst ? repeated(norm1, images: images) : norm1
    y = isFirst ? repeated(y, images: images) : y
    let (output, routing) = try MoELayer(names, experts: experts, from: model)(tokens)
    observer?.observe(routing, block: index)
    observer?.observe(.experts(block: index), output)
    y += output
    observer?.observe(.block(index), y)
    return y
  }

  /// `[N*T][H]` to `[N*M*T][H]`: the members of one image follow each other.
  private func repeated(_ x: Matrix, images: Int) -> Matrix {
    let (members, tokens) = (model.config.memberCount, model.config.tokenCount)
    return x.gather(
      (0..<images).flatMap { image in
        (0..<members).flatMap { _ in image * tokens..<(image + 1) * tokens }
      })
  }
}
