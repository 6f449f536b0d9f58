import CE3

extension ModelShape {
  /// Multiply-accumulates of one frame after the exact savings, saturating.
  ///
  /// Counted are matrix products over real (not padded) sizes; LayerNorm, softmax and GELU are not. With s the first MoE
  /// block (L without experts), P patches, and "copies" c(b) = 1 for a block b <= s and M after it:
  ///
  /// - patch embedding: `P * patchInputs * H`, once;
  /// - attention of block b over `c(b)` copies of n = T rows: `c * (4 n H^2 + 2 n T H)`;
  /// - dense MLP of block b: `c * n * 2 H F`;
  /// - MoE of block b, always over M copies: router `M n H Em`, experts `min(M n K, E * capacity) * 2 H F`;
  /// - in the last block, with a classifier that reads token 0 and without capacity, only that row is computed past
  ///   keys and values: attention is `c * (2 T H^2 + 2 H^2 + 2 T H)` and n = 1 in the MLP or MoE;
  /// - map head, for each of the M (or 1) outputs: `2 T H^2 + 2 T H + H^2 + 2 H F`;
  /// - `pre_logits` and head for each output: `H R + R C`, or `H C`.
  public var multiplyAccumulates: UInt64 {
    let (t, h, f, m) = (UInt64(tokenCount), UInt64(hidden), UInt64(mlp), UInt64(memberCount))
    var total = MACCount()
    total.add(UInt64(patchCount), UInt64(patchInputs), h)
    let first = firstMoEBlock ?? layerCount
    for block in 0..<layerCount {
      let copies = block <= first ? 1 : m
      let rows = readsOnlyFirstToken(ofBlock: block) ? 1 : t
      total.add(copies, 2 * t * h, h)  // keys, values
      total.add(copies, 2 * rows * h, h)  // queries, output projection
      total.add(copies, 2 * rows * t, h)  // scores, weighted values
      if isMoE(block) {
        total.add(m * rows, h, UInt64(expertsPerMember))
        var assignments = m * rows * UInt64(selectedExperts)
        if capacityMode != .none { assignments = min(assignments, UInt64(expertCount) * UInt64(capacity)) }
        total.add(assignments, 2 * h, f)
      } else {
        total.add(copies * rows, 2 * h, f)
      }
    }
    if classifier == .map {
      total.add(m, 2 * t * h, h)
      total.add(m, 2 * t, h)
      total.add(m, h, h)
      total.add(m, 2 * h, f)
    }
    if hasPreLogits { total.add(m, h, UInt64(representation)) }
    total.add(m, UInt64(representation), UInt64(classCount))
    return total.value
  }

  /// Whether nothing but token 0 leaves `block`: its queries, output projection, MLP and routing are needed for that one
  /// row of each member. Not under capacity, where the other tokens compete for slots.
  public func readsOnlyFirstToken(ofBlock block: Int) -> Bool {
    block == layerCount - 1 && (classifier == .token || classifier == .first)
      && (capacityMode == .none || !isMoE(block))
  }
}

/// A saturating sum of products.
private struct MACCount {
  var value: UInt64 = 0

  mutating func add(_ a: UInt64, _ b: UInt64, _ c: UInt64) {
    let (ab, high) = a.multipliedReportingOverflow(by: b)
    let (abc, higher) = ab.multipliedReportingOverflow(by: c)
    let (sum, highest) = value.addingReportingOverflow(abc)
    value = high || higher || highest ? .max : sum
  }
}
