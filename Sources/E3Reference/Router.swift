import E3Checkpoint
import E3Host

/// Which experts the tokens of one block go to.
///
/// Rows are tokens in the order image, member, token: row `(n * M + m) * T + t`.
public struct Routing: Sendable {
  /// `[N*M*T][Em]` before the softmax.
  public let logits: Matrix
  /// `[N*M*T][Em]` softmax of the logits over the experts of the token's member.
  public let gates: Matrix
  /// `[N*M*T][K]` experts numbered over all members, largest gate first.
  public let experts: [[Int]]
  /// `[N*M*T][K]` gates of the chosen experts; they need not sum to 1.
  public let weights: [[Float]]
  /// `[N*M*T][K]` slot in the expert's buffer, -1 when the assignment is dropped; nil when capacity is unlimited.
  public internal(set) var slots: [[Int]]?

  /// Whether choice `k` of the token `row` found a slot.
  func isKept(_ row: Int, _ k: Int) -> Bool { slots.map { $0[row][k] >= 0 } ?? true }
}

/// The router of one block: every member has its own columns and its own experts.
struct Router {
  let config: ModelConfig
  let experts: ModelConfig.Experts
  /// One layer H → Em for each member.
  let members: [Linear]

  init(_ name: String, experts: ModelConfig.Experts, from model: any ModelParameters) throws(FileError) {
    self.experts = experts
    config = model.config
    let (hidden, perMember) = (config.hiddenSize, config.expertsPerMember)
    let kernel = try model.values(of: name)  // [H][M][Em]
    members = (0..<config.memberCount).map { member in
      let columns = (0..<hidden).flatMap { kernel[($0 * experts.count + member * perMember)...].prefix(perMember) }
      return Linear(kernel: columns, inputs: hidden, outputs: perMember)
    }
  }

  /// Routes `x`, `[N*M*T][H]`.
  func callAsFunction(_ x: Matrix) -> Routing {
    let (perMember, tokenCount) = (config.expertsPerMember, config.tokenCount)
    let member = { (row: Int) in row / tokenCount % members.count }
    var logits = Matrix(rows: x.rows, columns: perMember)
    for (index, layer) in members.enumerated() {
      let rows = (0..<x.rows).filter { member($0) == index }
      let part = layer(x.gather(rows))
      for (i, row) in rows.enumerated() { logits.add(part[i], to: row) }
    }
    var gates = logits
    softmax(&gates)
    let chosen = (0..<x.rows).map { row in
      // Over all members' experts, foreign ones with gate 0, as the reference ranks them: where a member's own gate is
      // 0 as well, a foreign expert of lower index is chosen. It adds nothing, but under capacity it takes a slot.
      var all = [Float](repeating: 0, count: experts.count)
      all.replaceSubrange(member(row) * perMember..<(member(row) + 1) * perMember, with: gates[row])
      return Self.largest(experts.selected, of: all)
    }
    return Routing(
      logits: logits, gates: gates, experts: chosen.map { $0.map(\.index) }, weights: chosen.map { $0.map(\.value) },
      slots: nil)
  }

  /// The `count` largest values, largest first, the lower index first among equals.
  static func largest(_ count: Int, of values: [Float]) -> [(index: Int, value: Float)] {
    let sorted = values.enumerated().sorted {
      $0.element != $1.element ? $0.element > $1.element : $0.offset < $1.offset
    }
    return sorted.prefix(count).map { (index: $0.offset, value: $0.element) }
  }
}
