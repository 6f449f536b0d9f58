import CE3

extension ModelShape {
  /// Multiply-accumulates of one frame after the exact savings, saturating.
  ///
  /// Counted are matrix products over real (not padded) sizes; LayerNorm, softmax and GELU are not. With s the first
  /// MoE block (L without experts), P patches, and "copies" c(b) = 1 for a block b <= s and M after it:
  ///
  /// - patch embedding: `P * patchInputs * H`, once;
  /// - attention of block b over `c(b)` copies of n = T rows: `c * (4 n H^2 + 2 n T H)`;
  /// - dense MLP of block b: `c * n * 2 H F`;
  /// - MoE of block b, always over M copies: router `M n H Em`, experts `min(M n K, E * capacity) * 2 H F` with the F
  ///   of the experts;
  /// - in the last block, with a classifier that reads token 0 and without capacity, only that row is computed: n = 1
  ///   in the MLP or MoE, and attention, with A heads, is `c * (4 H^2 + 2 A T H)`: the keys' weights are folded into
  ///   the query and the values' into the weighted tokens; where queries and keys are normalised, it is `c * (2 T H^2 +
  ///   2 H^2 + 2 T H)`;
  /// - map head, for each of the M (or 1) outputs: `2 T H^2 + 2 T H + H^2 + 2 H F`;
  /// - `pre_logits` and head for each output, with P values in the pooled vector: `P R + R C`, or `P C`.
  public var multiplyAccumulates: UInt64 { stageCosts.total }

  /// ``multiplyAccumulates`` by stage, as the profile of a session has them.
  public var stageCosts: StageCosts {
    let (t, h, f, m) = (UInt64(tokenCount), UInt64(hiddenSize), UInt64(mlpSize), UInt64(memberCount))
    var costs = StageCosts()
    costs.embedding.add(UInt64(patchCount), UInt64(patchValueCount), h)
    let first = firstMoEBlock ?? layerCount
    for block in 0..<layerCount {
      let copies = block <= first ? 1 : m
      let rows = readsOnlyFirstToken(ofBlock: block) ? 1 : t
      let folds = foldsKeysAndValues(ofBlock: block)
      costs.attention.add(copies, 2 * (folds ? 1 : t) * h, h)  // keys, values
      costs.attention.add(copies, 2 * rows * h, h)  // queries, output projection
      costs.attention.add(copies, 2 * (folds ? UInt64(headCount) : rows) * t, h)  // scores, weighted values
      if isMoE(block) {
        costs.routing.add(m * rows, h, UInt64(expertsPerMember))
        var assignments = m * rows * UInt64(selectedExperts)
        if capacityMode != .none { assignments = min(assignments, UInt64(expertCount) * UInt64(capacity)) }
        costs.experts.add(assignments, 2 * h, UInt64(expertMLPSize))
      } else {
        costs.mlp.add(copies * rows, 2 * h, f)
      }
    }
    if classifier == .map {
      costs.head.add(m, 2 * t * h, h)
      costs.head.add(m, 2 * t, h)
      costs.head.add(m, h, h)
      costs.head.add(m, 2 * h, f)
    }
    if hasPreLogits { costs.head.add(m, UInt64(pooledSize), UInt64(headInputSize)) }
    costs.head.add(m, UInt64(headInputSize), UInt64(classCount))
    return costs
  }
}

/// Multiply-accumulates of one frame in each stage.
public struct StageCosts: BitwiseCopyable, Sendable {
  public internal(set) var embedding = MACCount()
  public internal(set) var attention = MACCount()
  public internal(set) var mlp = MACCount()
  public internal(set) var routing = MACCount()
  public internal(set) var experts = MACCount()
  public internal(set) var head = MACCount()

  public init() {}

  /// Adds what another network costs.
  public mutating func add(_ other: StageCosts) {
    embedding.add(other.embedding.value, 1, 1)
    attention.add(other.attention.value, 1, 1)
    mlp.add(other.mlp.value, 1, 1)
    routing.add(other.routing.value, 1, 1)
    experts.add(other.experts.value, 1, 1)
    head.add(other.head.value, 1, 1)
  }

  /// Of all stages, saturating.
  public var total: UInt64 {
    var sum = MACCount()
    sum.add(embedding.value, 1, 1)
    sum.add(attention.value, 1, 1)
    sum.add(mlp.value, 1, 1)
    sum.add(routing.value, 1, 1)
    sum.add(experts.value, 1, 1)
    sum.add(head.value, 1, 1)
    return sum.value
  }
}

/// A saturating sum of products.
public struct MACCount: BitwiseCopyable, Sendable {
  public private(set) var value: UInt64 = 0

  mutating func add(_ a: UInt64, _ b: UInt64, _ c: UInt64) {
    let (ab, high) = a.multipliedReportingOverflow(by: b)
    let (abc, higher) = ab.multipliedReportingOverflow(by: c)
    let (sum, highest) = value.addingReportingOverflow(abc)
    value = high || higher || highest ? .max : sum
  }
}
