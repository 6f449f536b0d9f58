/// A value inside the network. Letters as in `ModelConfig`; S is 1 before the first block with experts and M after it.
public enum Intermediate: Hashable, Sendable {
  /// `[N*P][H]` output of the patch embedding.
  case patchEmbeddings
  /// `[N*T][H]` with class token and position embedding.
  case embedded
  /// `[N*S*T][H]` output of the norm before attention. In the first block with experts S is still 1, as in the next
  /// two.
  case norm0(block: Int)
  /// `[N*S*T][H]` output of attention, before it is added.
  case attention(block: Int)
  /// `[N*S*T][H]` output of the norm before the MLP, which the router and the experts read.
  case norm1(block: Int)
  /// `[N*M*T][H]` weighted sum of the experts, before it is added.
  case experts(block: Int)
  /// `[N*S*T][H]` output of a block.
  case block(Int)
  /// `[N*M*T][H]` after the last norm, unless that comes after pooling.
  case encoderOutput
  /// `[N*M][H or 2H]`, normalised.
  case pooled
  /// `[N*M][R, H or 2H]` input of the head.
  case representation
}

/// Sees the values inside a forward pass.
public protocol ForwardObserver {
  func observe(_ name: Intermediate, _ values: Matrix)
  func observe(_ routing: Routing, block: Int)
}
