// What of a block need not be computed, without a change of the answer: the runtime leaves it out, and the costs of a
// frame do not count it.
extension ModelShape {
  /// Whether the one query of a head in `block` meets the tokens themselves, instead of their keys and values.
  public func foldsKeysAndValues(ofBlock block: Int) -> Bool {
    readsOnlyFirstToken(ofBlock: block) && !hasQueryKeyNorm
  }

  /// Whether nothing but token 0 leaves `block`: its queries, output projection, MLP and routing are needed for that
  /// one row of each member. Not under capacity, where the other tokens compete for slots.
  public func readsOnlyFirstToken(ofBlock block: Int) -> Bool {
    block == layerCount - 1 && (classifier == .token || classifier == .first)
      && (capacityMode == .none || !isMoE(block))
  }
}
