import E3Checkpoint
import E3Host

/// Router and experts of a block, which are run one by one: each is read, used and dropped.
struct MoELayer {
  private let model: any ModelParameters
  private let experts: ModelConfig.Experts
  private let names: BlockNames
  private let block: Int
  /// `[N*M*T][H]` what the experts read.
  private let tokens: Matrix
  let routing: Routing
  /// `[N*M*T][H]` weighted sum of the answers so far.
  private(set) var output: Matrix

  /// - Parameter tokens: `[N*M*T][H]` normalised tokens, the members of an image beside each other.
  init(
    _ names: BlockNames, experts: ModelConfig.Experts, tokens x: Matrix, block: Int, from model: any ModelParameters
  ) throws(FileError) {
    (self.model, self.experts, self.names, self.block) = (model, experts, names, block)
    var routing = try Router(names.router, experts: experts, from: model)(x)
    if let capacity = experts.capacity {
      let config = model.config
      routing.limit(
        capacity, tokenCount: config.tokenCount, memberCount: config.memberCount, expertCount: experts.count)
    }
    self.routing = routing
    // Only the experts see rounded tokens, the router does not.
    var tokens = x
    if experts.roundsToBFloat16 { roundToBFloat16(&tokens) }
    self.tokens = tokens
    output = Matrix(rows: x.rows, columns: x.columns)
  }

  /// Rows that were sent to `expert`, with their weights.
  private func assigned(to expert: Int) -> [(row: Int, weight: Float)] {
    var assigned: [(row: Int, weight: Float)] = []
    for row in 0..<tokens.rows {
      for (k, chosen) in routing.experts[row].enumerated() where chosen == expert && routing.isKept(row, k) {
        assigned.append((row, routing.weights[row][k]))
      }
    }
    return assigned
  }

  /// Adds the answers of `expert` to the rows that were sent to it. It is read even when there are none, so that
  /// unusable weights are always found.
  mutating func run(_ expert: Int, visitor: (any RowVisitor)?) throws(FileError) {
    let assigned = assigned(to: expert)
    let mlp = try MLP(names.experts, expert: expert, from: model)
    var rows = tokens.gather(assigned.map(\.row))
    visitor?.visit(&rows, at: .norm1(block: block, expert: expert))
    var answers = mlp(rows, hidden: .hidden(block: block, expert: expert), visitor: visitor)
    if experts.roundsToBFloat16 { roundToBFloat16(&answers) }
    for (i, (row, weight)) in assigned.enumerated() { output.add(answers[i], weight: weight, to: row) }
  }

  /// Shows `visitor` rows that were sent to other experts until it has seen `count` of `expert`, as if they had been
  /// sent to it: they are spread evenly over all.
  func show(_ count: Int, of expert: Int, to visitor: any RowVisitor) throws(FileError) {
    let own = Set(assigned(to: expert).map(\.row))
    let others = (0..<tokens.rows).filter { !own.contains($0) }
    let missing = min(max(0, count - own.count), others.count)
    guard missing > 0 else { return }
    var rows = tokens.gather((0..<missing).map { others[$0 * others.count / missing] })
    visitor.visit(&rows, at: .norm1(block: block, expert: expert))
    _ = try MLP(names.experts, expert: expert, from: model)(
      rows, hidden: .hidden(block: block, expert: expert), visitor: visitor)
  }
}
