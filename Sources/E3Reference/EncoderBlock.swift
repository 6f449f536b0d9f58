import E3Checkpoint
import E3Host

/// One transformer block, pre-norm: `x + attention(norm0(x))`, then `y + mlp(norm1(y))` or `y + experts(norm1(y))`.
struct EncoderBlock {
  let index: Int
  let model: any ModelParameters

  private var names: BlockNames { ParameterNames.block(index) }

  /// - Parameter x: `[N*S*T][H]`; S is 1 before the first block with experts and M after it.
  /// - Returns: `[N*S*T][H]`, with S = M if this block has experts.
  func callAsFunction(
    _ x: Matrix, images: Int, observer: (any ForwardObserver)?, visitor: (any RowVisitor)?
  ) throws(FileError) -> Matrix {
    let y = try attended(x, observer: observer, visitor: visitor)
    let norm1 = try normalised(y)
    observer?.observe(.norm1(block: index), norm1)
    guard let experts = model.config.experts, model.config.isMoE(index) else {
      let z = try y + mlp(norm1, visitor: visitor)
      observer?.observe(.block(index), z)
      return z
    }
    var layer = try MoELayer(
      names, experts: experts, tokens: perMember(norm1, images: images), block: index, from: model)
    for expert in 0..<experts.count { try layer.run(expert, visitor: visitor) }
    observer?.observe(layer.routing, block: index)
    observer?.observe(.experts(block: index), layer.output)
    let z = perMember(y, images: images) + layer.output
    observer?.observe(.block(index), z)
    return z
  }

  /// `x` and what attention adds to it.
  func attended(
    _ x: Matrix, observer: (any ForwardObserver)? = nil, visitor: (any RowVisitor)?
  ) throws(FileError) -> Matrix {
    var norm0 = try LayerNorm(names.norm0, from: model)(x)
    observer?.observe(.norm0(block: index), norm0)
    visitor?.visit(&norm0, at: .norm0(block: index))
    let attention = try Attention(names.attention, from: model)(
      queries: norm0, tokens: norm0, sequences: x.rows / model.config.tokenCount, contexts: .contexts(block: index),
      visitor: visitor)
    observer?.observe(.attention(block: index), attention)
    return x + attention
  }

  /// What the MLP, or router and experts, read.
  func normalised(_ y: Matrix) throws(FileError) -> Matrix { try LayerNorm(names.norm1, from: model)(y) }

  /// What the MLP adds.
  func mlp(_ norm1: Matrix, visitor: (any RowVisitor)?) throws(FileError) -> Matrix {
    var rows = norm1
    visitor?.visit(&rows, at: .norm1(block: index, expert: nil))
    return try MLP(names.mlp, from: model)(rows, hidden: .hidden(block: index, expert: nil), visitor: visitor)
  }

  /// `[N*T][H]` to `[N*M*T][H]` in the first block with experts: the members' copies are equal up to there.
  func perMember(_ x: Matrix, images: Int) -> Matrix {
    guard index == model.config.firstMoEBlock else { return x }
    let (members, tokens) = (model.config.memberCount, model.config.tokenCount)
    return x.gather(
      (0..<images).flatMap { image in
        (0..<members).flatMap { _ in image * tokens..<(image + 1) * tokens }
      })
  }
}
