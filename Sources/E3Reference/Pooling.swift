import E3Checkpoint
import E3Host

/// What the classifier reads of each sequence.
struct Pooling {
  let model: SourceModel

  /// - Parameter x: `[sequences * T][H]`, normalised.
  /// - Returns: `[sequences][H]`.
  func callAsFunction(_ x: Matrix, sequences: Int) throws(FileError) -> Matrix {
    let tokens = model.config.tokenCount
    switch model.config.classifier {
    case .token, .first: return x.gather((0..<sequences).map { $0 * tokens })
    case .gap:
      var mean = Matrix(rows: sequences, columns: x.columns)
      for row in 0..<x.rows { mean.add(x[row], to: row / tokens) }
      mean.updateRows { row in for i in row.indices { row[i] /= Float(tokens) } }
      return mean
    case .map: return try mapHead(x, sequences: sequences)
    }
  }

  /// Multi-head attention pooling: a learned probe attends to all tokens; an MLP follows. The probe itself is not added.
  private func mapHead(_ x: Matrix, sequences: Int) throws(FileError) -> Matrix {
    let probe = Matrix(rows: 1, columns: x.columns, values: try model.values(of: ParameterNames.mapProbe))
    let attention = try Attention(ParameterNames.mapAttention, from: model)
    let probes = probe.gather([Int](repeating: 0, count: sequences))
    var pooled = attention(queries: probes, tokens: x, sequences: sequences)
    pooled += try MLP(ParameterNames.mapMLP, from: model)(LayerNorm(ParameterNames.mapNorm, from: model)(pooled))
    return pooled
  }
}
