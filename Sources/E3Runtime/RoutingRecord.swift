import CE3
import E3Format

/// What the routers decided in the last run, block by block, for `e3_session_get_routing`.
///
/// The routing tables serve one block after the other; here each block has a place of its own. Without
/// `record_routing` a record takes no memory and nothing is written.
struct RoutingRecord {
  let isEnabled: Bool
  /// [MoE blocks][M*T][E/M]: gates. A block that routes one token of each member fills the first M rows of its part.
  private let gates: UnsafeMutablePointer<Float>
  /// [MoE blocks][M*T][K]: experts over all members, before any capacity.
  private let experts: UnsafeMutablePointer<UInt32>

  init(_ shape: ModelShape, isEnabled: Bool, in arena: inout Arena) {
    self.isEnabled = isEnabled && shape.moeBlockCount > 0
    let blocks = self.isEnabled ? shape.moeBlockCount : 0
    let (sequences, wideSequences) = shape.memberCount.multipliedReportingOverflow(by: blocks)
    let (rows, wideRows) = sequences.multipliedReportingOverflow(by: shape.tokenCount)
    let count = wideSequences || wideRows ? Int.max : rows
    gates = arena.take(Float.self, count, times: max(shape.expertsPerMember, 1))
    experts = arena.take(UInt32.self, count, times: max(shape.selectedExperts, 1))
  }

  /// Zeros, so that a record that is read before the first run names experts that exist.
  func clear(_ shape: ModelShape) {
    guard isEnabled else { return }
    let rows = shape.moeBlockCount * shape.memberCount * shape.tokenCount
    gates.update(repeating: 0, count: rows * shape.expertsPerMember)
    experts.update(repeating: 0, count: rows * shape.selectedExperts)
  }

  /// Keeps the gates of row `row` of `block`, which choosing experts uses up.
  func keepGates(block: Int, row: Int, _ values: UnsafePointer<Float>, shape: ModelShape) {
    gates(ofBlock: block, shape).advanced(by: row * shape.expertsPerMember)
      .copy(from: values, count: shape.expertsPerMember)
  }

  /// Keeps the K experts of row `row` of `block`.
  func keepExperts(block: Int, row: Int, _ chosen: UnsafePointer<UInt32>, shape: ModelShape) {
    experts(ofBlock: block, shape).advanced(by: row * shape.selectedExperts)
      .copy(from: chosen, count: shape.selectedExperts)
  }

  /// The record of the MoE layer `index` of a network, counted from its first one.
  func layer(_ index: Int, of shape: ModelShape) -> e3_routing {
    var block = 0
    while !shape.isMoE(block) || shape.moeBlocks(before: block) != index { block += 1 }
    var routing = e3_routing()
    routing.block = UInt32(block)
    routing.members = UInt32(shape.memberCount)
    routing.tokens = UInt32(shape.readsOnlyFirstToken(ofBlock: block) ? 1 : shape.tokenCount)
    routing.member_experts = UInt32(shape.expertsPerMember)
    routing.selected_experts = UInt32(shape.selectedExperts)
    routing.gates = UnsafePointer(gates(ofBlock: block, shape))
    routing.experts = UnsafePointer(experts(ofBlock: block, shape))
    return routing
  }

  private func gates(ofBlock block: Int, _ shape: ModelShape) -> UnsafeMutablePointer<Float> {
    gates + shape.moeBlocks(before: block) * shape.memberCount * shape.tokenCount * shape.expertsPerMember
  }

  private func experts(ofBlock block: Int, _ shape: ModelShape) -> UnsafeMutablePointer<UInt32> {
    experts + shape.moeBlocks(before: block) * shape.memberCount * shape.tokenCount * shape.selectedExperts
  }
}

extension UnsafeMutablePointer<Session> {
  /// The record of the MoE layer `index`, counted over the networks one after the other.
  ///
  /// - Throws: `noRouting`, `indexRange`.
  func routing(layer index: UInt32) throws(E3Error) -> e3_routing {
    var (left, hasRecords) = (UInt64(index), false)
    for place in 0..<pointee.model.networkCount {
      let (shape, record) = (pointee.networks[place].model.shape, pointee.networks[place].space.routingRecord)
      guard record.isEnabled else { continue }
      hasRecords = true
      if left < UInt64(shape.moeBlockCount) {
        var routing = record.layer(Int(left), of: shape)
        routing.network = UInt32(place)
        return routing
      }
      left -= UInt64(shape.moeBlockCount)
    }
    throw hasRecords ? .indexRange : .noRouting
  }
}
