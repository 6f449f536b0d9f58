import CE3

/// Where the time of a run went: nanoseconds that the calling thread spent in each stage, waiting for workers included.
/// The equivalent of `e3_profile`.
public struct Profile: Sendable {
  private let measured: e3_profile

  init(_ measured: e3_profile) { self.measured = measured }

  /// From pixels to the first layer's input.
  public var preprocess: UInt64 { measured.preprocess_ns }
  /// Patch embedding.
  public var embedding: UInt64 { measured.embedding_ns }
  /// Attention of all blocks.
  public var attention: UInt64 { measured.attention_ns }
  /// Dense MLPs of all blocks.
  public var mlp: UInt64 { measured.mlp_ns }
  /// Routers of all MoE layers.
  public var routing: UInt64 { measured.routing_ns }
  /// Experts of all MoE layers.
  public var experts: UInt64 { measured.experts_ns }
  /// Head, uncertainty and decision.
  public var head: UInt64 { measured.head_ns }
}
