/// Names of a linear layer's tensors. The kernel is `[inputs…, outputs…]`, never transposed.
public struct LinearNames: Equatable, Sendable {
  public let kernel, bias: String
  init(_ path: String) { (kernel, bias) = ("\(path)/kernel", "\(path)/bias") }
}

/// Names of a layer norm's tensors.
public struct NormNames: Equatable, Sendable {
  public let scale, bias: String
  init(_ path: String) { (scale, bias) = ("\(path)/scale", "\(path)/bias") }
}

/// Names of multi-head attention's tensors.
public struct AttentionNames: Equatable, Sendable {
  /// Kernels `[H, A, D]`, biases `[A, D]`.
  public let query, key, value: LinearNames
  /// Kernel `[A, D, H]`, bias `[H]`.
  public let out: LinearNames
  /// Scales `[D]` of the norms of queries and keys, shared by all heads; only with `attention_qk_norm`.
  public let queryNorm, keyNorm: String

  init(_ path: String) {
    query = LinearNames("\(path)/query")
    key = LinearNames("\(path)/key")
    value = LinearNames("\(path)/value")
    out = LinearNames("\(path)/out")
    queryNorm = "\(path)/query_ln/scale"
    keyNorm = "\(path)/key_ln/scale"
  }
}

/// Names of an MLP's tensors. For experts all shapes have a leading axis E.
public struct MLPNames: Equatable, Sendable {
  /// Kernel `[H, F]`, bias `[F]`.
  public let dense0: LinearNames
  /// Kernel `[F, H]`, bias `[H]`.
  public let dense1: LinearNames
  init(_ path: String) { (dense0, dense1) = (LinearNames("\(path)/Dense_0"), LinearNames("\(path)/Dense_1")) }
}

/// Names of an encoder block's tensors.
public struct BlockNames: Equatable, Sendable {
  /// Norms before attention and before the MLP.
  public let norm0, norm1: NormNames
  public let attention: AttentionNames
  /// Dense blocks.
  public let mlp: MLPNames
  /// Blocks with experts.
  public let experts: MLPNames
  /// Blocks with experts: `[H, M, Em]`, column `(m, j)` is expert `m * Em + j`.
  public let router: String
}

/// Names of all tensors, as V-MoE's parameter tree has them.
public enum ParameterNames {
  /// `[1, 1, H]`, only with a class token.
  public static let classToken = "cls"
  /// `[1, registers, H]`, only with registers.
  public static let registers = "registers"
  /// Kernel `[patch height, patch width, channels, H]`, bias `[H]`.
  public static let embedding = LinearNames("embedding")
  /// `[1, T, H]`, learned position embedding only.
  public static let positionEmbedding = "Encoder/posembed_input/pos_embedding"
  /// `[H]`, or `[2H]` behind a pooling of two vectors.
  public static let encoderNorm = NormNames("Encoder/encoder_norm")
  /// `[1, 1, H]`, classifier map only, as the next three.
  public static let mapProbe = "MapHead/probe"
  public static let mapAttention = AttentionNames("MapHead/MultiHeadDotProductAttention")
  public static let mapNorm = NormNames("MapHead/LayerNorm")
  public static let mapMLP = MLPNames("MapHead/Mlp")
  /// Kernel `[H, R]`, bias `[R]`, only with a representation size.
  public static let preLogits = LinearNames("pre_logits")
  /// Kernel `[R or H, C]`, bias `[C]`.
  public static let head = LinearNames("head")

  public static func block(_ index: Int) -> BlockNames {
    let path = "Encoder/encoderblock_\(index)"
    return BlockNames(
      norm0: NormNames("\(path)/LayerNorm_0"), norm1: NormNames("\(path)/LayerNorm_1"),
      attention: AttentionNames("\(path)/SelfAttention"), mlp: MLPNames("\(path)/Mlp"),
      experts: MLPNames("\(path)/Moe/Mlp"), router: "\(path)/Moe/Router/dense/kernel")
  }
}
