import E3Checkpoint
import E3Host

/// What the classifier reads of each sequence.
struct Pooling {
  let model: any ModelParameters

  /// - Parameter x: `[sequences * T][H]`, normalised unless the norm comes after pooling.
  /// - Returns: `[sequences][H or 2H]`.
  func callAsFunction(_ x: Matrix, sequences: Int, visitor: (any RowVisitor)?) throws(FileError) -> Matrix {
    let config = model.config
    func token(_ index: Int) -> Matrix { x.gather((0..<sequences).map { $0 * config.tokenCount + index }) }
    func patchMean() -> Matrix { mean(x, of: config.prefixCount..<config.tokenCount, sequences: sequences) }
    return switch config.classifier {
    case .token, .first: token(0)
    case .gap: mean(x, of: 0..<config.tokenCount, sequences: sequences)
    case .map: try mapHead(x, sequences: sequences, visitor: visitor)
    case .patchMean: patchMean()
    case .tokenAndPatchMean: sideBySide(token(0), patchMean())
    case .tokenPair: sideBySide(token(0), token(1))
    }
  }

  /// The mean over `tokens` of every sequence.
  private func mean(_ x: Matrix, of tokens: Range<Int>, sequences: Int) -> Matrix {
    var mean = Matrix(rows: sequences, columns: x.columns)
    for sequence in 0..<sequences {
      for token in tokens { mean.add(x[sequence * model.config.tokenCount + token], to: sequence) }
    }
    mean.updateRows { row in for i in row.indices { row[i] /= Float(tokens.count) } }
    return mean
  }

  /// The rows of `b` behind those of `a`.
  private func sideBySide(_ a: Matrix, _ b: Matrix) -> Matrix {
    Matrix(rows: a.rows, columns: a.columns + b.columns, values: (0..<a.rows).flatMap { a[$0] + b[$0] })
  }

  /// Multi-head attention pooling: a learned probe attends to all tokens; an MLP follows. The probe itself is not
  /// added.
  private func mapHead(
    _ x: Matrix, sequences: Int, visitor: (any RowVisitor)?
  ) throws(FileError) -> Matrix {
    let probe = Matrix(rows: 1, columns: x.columns, values: try model.values(of: ParameterNames.mapProbe))
    let attention = try Attention(ParameterNames.mapAttention, from: model)
    let probes = probe.gather([Int](repeating: 0, count: sequences))
    var tokens = x
    visitor?.visit(&tokens, at: .mapTokens)
    var pooled = attention(
      queries: probes, tokens: tokens, sequences: sequences, contexts: .mapContexts, visitor: visitor)
    var norm = try LayerNorm(ParameterNames.mapNorm, from: model)(pooled)
    visitor?.visit(&norm, at: .mapNorm)
    pooled += try MLP(ParameterNames.mapMLP, from: model)(norm, hidden: .mapHidden, visitor: visitor)
    return pooled
  }
}
