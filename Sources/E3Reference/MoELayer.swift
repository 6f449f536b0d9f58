import E3Checkpoint
import E3Host

/// A sparse mixture of expert MLPs. Experts are read one by one.
struct MoELayer {
  let model: SourceModel
  let experts: ModelConfig.Experts
  let names: BlockNames
  let router: Router

  init(_ names: BlockNames, experts: ModelConfig.Experts, from model: SourceModel) throws(FileError) {
    (self.model, self.experts, self.names) = (model, experts, names)
    router = try Router(names.router, experts: experts, from: model)
  }

  /// The weighted sum of each token's experts; zero for a token that found no slot.
  ///
  /// - Parameter x: `[N*M*T][H]`.
  func callAsFunction(_ x: Matrix) throws(FileError) -> (output: Matrix, routing: Routing) {
    var routing = router(x)
    if let capacity = experts.capacity {
      let config = model.config
      routing.limit(
        capacity, tokenCount: config.tokenCount, memberCount: config.memberCount, expertCount: experts.count)
    }
    // Only the experts see rounded tokens, the router does not.
    var tokens = x
    if experts.roundsToBFloat16 { roundToBFloat16(&tokens) }

    var output = Matrix(rows: x.rows, columns: x.columns)
    for expert in 0..<experts.count {
      var assigned: [(row: Int, weight: Float)] = []
      for row in 0..<x.rows {
        for (k, chosen) in routing.experts[row].enumerated() where chosen == expert && routing.isKept(row, k) {
          assigned.append((row, routing.weights[row][k]))
        }
      }
      // Read even when no token came, so that unusable weights are always found.
      let mlp = try MLP(names.experts, expert: expert, from: model)
      var answers = mlp(tokens.gather(assigned.map(\.row)))
      if experts.roundsToBFloat16 { roundToBFloat16(&answers) }
      for (i, (row, weight)) in assigned.enumerated() { output.add(answers[i], weight: weight, to: row) }
    }
    return (output, routing)
  }
}
