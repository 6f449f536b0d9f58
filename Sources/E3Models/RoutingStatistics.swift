import E3
import E3Format

/// What the routers of a model did with the images of a data set.
public struct RoutingStatistics: Sendable {
  /// One MoE layer.
  public struct Layer: Sendable {
    /// The network of the file, from 0.
    public let network: Int
    /// M of the network.
    public let memberCount: Int
    /// Encoder block, from 0.
    public let block: Int
    /// `[E]` how often each expert was chosen.
    public fileprivate(set) var uses: [Int]
    /// Sum over the routed tokens of the gate that was just chosen less the next one.
    private var marginSum = 0.0
    /// Routed tokens of all members, and those of them whose margin is below 0.01.
    private var tokens = 0
    private var closeTokens = 0
    /// `[N][M][tokens][K]` chosen experts; empty unless choices are kept.
    fileprivate var choices: [UInt16] = []
    /// K
    fileprivate let selected: Int

    fileprivate init(network: Int, members: Int, block: Int, experts: Int, selected: Int) {
      (self.network, memberCount, self.block, self.selected) = (network, members, block, selected)
      uses = [Int](repeating: 0, count: experts)
    }

    /// Mean margin between the last chosen gate and the first that was not, 0 to 1.
    public var meanMargin: Double { marginSum / Double(max(tokens, 1)) }
    /// Share of the tokens whose margin is below 0.01: those that a small error can send elsewhere.
    public var closeShare: Double { Double(closeTokens) / Double(max(tokens, 1)) }
    /// `[E]` share of the choices that went to each expert.
    public var usage: [Double] {
      let total = Double(max(uses.reduce(0, +), 1))
      return uses.map { Double($0) / total }
    }

    /// Adds one token's gates over its member's experts and the K experts chosen among them.
    ///
    /// - Parameter chosen: numbered over all members; `firstExpert` is its member's first.
    fileprivate mutating func add(
      gates: some Collection<Float>, chosen: some Collection<Int>, firstExpert: Int, keeps: Bool
    ) {
      for expert in chosen {
        uses[expert] += 1
        if keeps { choices.append(UInt16(truncatingIfNeeded: expert)) }
      }
      var (lastChosen, next) = (Float.infinity, Float(0))
      for (index, gate) in gates.enumerated() {
        if chosen.contains(firstExpert + index) { lastChosen = min(lastChosen, gate) } else { next = max(next, gate) }
      }
      marginSum += Double(lastChosen - next)
      tokens += 1
      if lastChosen - next < 0.01 { closeTokens += 1 }
    }

    /// Adds what another run of the same layer did.
    fileprivate mutating func add(_ other: Layer) {
      for (expert, count) in other.uses.enumerated() { uses[expert] += count }
      marginSum += other.marginSum
      tokens += other.tokens
      closeTokens += other.closeTokens
      choices += other.choices
    }
  }

  /// The MoE layers of all networks, first to last.
  public private(set) var layers: [Layer]
  /// Whether every choice is kept, to compare it with another run's.
  let keepsChoices: Bool

  /// - Returns: nil where no network has experts.
  package init?(_ networks: [ModelShape], keepsChoices: Bool) {
    guard networks.contains(where: { $0.moeBlockCount > 0 }) else { return nil }
    self.keepsChoices = keepsChoices
    layers = networks.enumerated().flatMap { network, shape in
      (0..<shape.layerCount).filter(shape.isMoE).map { block in
        Layer(
          network: network, members: shape.memberCount, block: block, experts: shape.expertCount,
          selected: shape.selectedExperts)
      }
    }
  }

  /// Adds what the runtime recorded of one image in the layer `index`.
  package mutating func append(_ routing: borrowing Routing, layer index: Int) {
    let (perMember, selected, tokens) = (routing.memberExperts, routing.selectedExperts, routing.tokenCount)
    routing.gates.withUnsafeBufferPointer { gates in
      routing.experts.withUnsafeBufferPointer { experts in
        for row in 0..<routing.memberCount * tokens {
          layers[index].add(
            gates: gates[row * perMember..<(row + 1) * perMember],
            chosen: experts[row * selected..<(row + 1) * selected].map { Int($0) },
            firstExpert: row / tokens * perMember, keeps: keepsChoices)
        }
      }
    }
  }

  /// Adds what a router did with one token in the layer `index`.
  ///
  /// - Parameters:
  ///   - gates: over the experts of the token's member.
  ///   - chosen: experts, numbered over all members; `firstExpert` is the member's first.
  package mutating func append(
    layer index: Int, gates: some Collection<Float>, chosen: some Collection<Int>, firstExpert: Int
  ) {
    layers[index].add(gates: gates, chosen: chosen, firstExpert: firstExpert, keeps: keepsChoices)
  }

  /// Adds the images of `other`, which come after these.
  package mutating func append(contentsOf other: RoutingStatistics) {
    for (index, added) in other.layers.enumerated() {
      layers[index].add(added)
    }
  }

  /// Share of the choices, over all layers, that the other run made differently; the order of a token's K choices does
  /// not count. Choices of later layers include what earlier differences led to.
  ///
  /// - Precondition: both keep their choices of the same images.
  package func flippedShare(against other: RoutingStatistics) -> Double {
    var (flipped, total) = (0, 0)
    for (mine, theirs) in zip(layers, other.layers) {
      precondition(mine.choices.count == theirs.choices.count, "another number of choices")
      total += mine.choices.count
      for start in stride(from: 0, to: mine.choices.count, by: mine.selected) {
        let range = start..<start + mine.selected
        flipped += mine.choices[range].count { !theirs.choices[range].contains($0) }
      }
    }
    return Double(flipped) / Double(max(total, 1))
  }
}
