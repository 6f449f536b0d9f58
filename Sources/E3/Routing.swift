import CE3

/// What the routers of one MoE layer decided in the last run. Its arrays lie in the session's arena. The equivalent of
/// `e3_routing`.
public struct Routing: ~Copyable, ~Escapable {
  private let routing: e3_routing

  /// - Parameter routing: as a session filled it. The caller ties it to the session.
  @_lifetime(immortal)
  init(_ routing: e3_routing) { self.routing = routing }

  /// The network of the file, from 0.
  public var network: Int { Int(routing.network) }
  /// The encoder block of it, from 0.
  public var block: Int { Int(routing.block) }
  /// M, the number of the network's members.
  public var memberCount: Int { Int(routing.members) }
  /// Tokens of each member that are routed: all, or only the first in a last block of which nothing else is read.
  public var tokenCount: Int { Int(routing.tokens) }
  /// E/M, the experts of a member.
  public var memberExperts: Int { Int(routing.member_experts) }
  /// K, the number of experts that a token is sent to.
  public var selectedExperts: Int { Int(routing.selected_experts) }

  /// `[M][tokens][E/M]` softmax over the member's experts.
  public var gates: Span<Float> {
    @_lifetime(borrow self)
    get {
      let count = memberCount * tokenCount * memberExperts
      return _overrideLifetime(Span(_unsafeStart: routing.gates, count: count), borrowing: self)
    }
  }

  /// `[M][tokens][K]` chosen experts, numbered over all members, largest gate first. A capacity may have dropped some
  /// of them afterwards.
  public var experts: Span<UInt32> {
    @_lifetime(borrow self)
    get {
      let count = memberCount * tokenCount * selectedExperts
      return _overrideLifetime(Span(_unsafeStart: routing.experts, count: count), borrowing: self)
    }
  }
}
