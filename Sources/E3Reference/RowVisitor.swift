/// Where a forward pass makes rows that products read. The runtime rounds them there.
public enum RowPlace: Hashable, Sendable {
  /// `[N*P][patch values]`
  case patches
  /// `[N*S*T][H]` read by the projections to queries, keys and values of a block.
  case norm0(block: Int)
  /// `[N*S*T][A*D]`, heads side by side.
  case queries, keys, values
  /// `[queries][T]` of one sequence and head, not yet divided by their sum: the largest is 1.
  case probabilities
  /// `[N*S*T][A*D]` read by attention's output projection.
  case contexts(block: Int)
  /// `[N*S*T][H]` read by the MLP or, for one expert, the rows that were sent to it.
  case norm1(block: Int, expert: Int?)
  /// The same rows, `[rows][F]`, after the activation.
  case hidden(block: Int, expert: Int?)
  /// `[N*M*T][H]` read by the projections of attention pooling.
  case mapTokens
  /// `[N*M][A*D]`, `[N*M][H]` and `[N*M][F]` of attention pooling.
  case mapContexts, mapNorm, mapHidden
  /// `[N*M][H or 2H]` read by the layer before the head.
  case pooled
}

/// Sees the rows that products read, and may change them.
public protocol RowVisitor {
  func visit(_ rows: inout Matrix, at place: RowPlace)
}
