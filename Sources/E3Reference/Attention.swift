import CE3Float
import E3Checkpoint
import E3Host

/// Multi-head dot-product attention.
struct Attention {
  let headCount, headSize: Int
  let query, key, value, out: Linear
  /// Norms over D of every head's queries and keys; nil without `attention_qk_norm`.
  let queryNorm, keyNorm: LayerNorm?

  init(_ names: AttentionNames, from model: any ModelParameters) throws(FileError) {
    let config = model.config
    (headCount, headSize) = (config.headCount, config.headSize)
    let hidden = config.hiddenSize
    query = try Linear(names.query, inputs: hidden, outputs: hidden, from: model)
    key = try Linear(names.key, inputs: hidden, outputs: hidden, from: model)
    value = try Linear(names.value, inputs: hidden, outputs: hidden, from: model)
    out = try Linear(names.out, inputs: hidden, outputs: hidden, from: model)
    queryNorm = config.hasQueryKeyNorm ? try LayerNorm(scaleOnly: names.queryNorm, from: model) : nil
    keyNorm = config.hasQueryKeyNorm ? try LayerNorm(scaleOnly: names.keyNorm, from: model) : nil
  }

  /// Lets every query of a sequence attend to all tokens of that sequence.
  ///
  /// - Parameters:
  ///   - queries: `[sequences * queries per sequence][H]`.
  ///   - tokens: `[sequences * tokens per sequence][H]`.
  /// - Returns: `[sequences * queries per sequence][H]`.
  func callAsFunction(
    queries: Matrix, tokens: Matrix, sequences: Int, contexts: RowPlace, visitor: (any RowVisitor)?
  ) -> Matrix {
    var q = query(queries)
    var k = key(tokens)
    var v = value(tokens)
    if let queryNorm, let keyNorm {
      q = queryNorm(q)
      k = keyNorm(k)
    }
    visitor?.visit(&q, at: .queries)
    visitor?.visit(&k, at: .keys)
    visitor?.visit(&v, at: .values)
    let hidden = headCount * headSize
    let (queryCount, tokenCount) = (queries.rows / sequences, tokens.rows / sequences)
    let scale = 1 / Float(headSize).squareRoot()
    var heads = Matrix(rows: queries.rows, columns: hidden)
    for sequence in 0..<sequences {
      for head in 0..<headCount {
        var scores = Matrix(rows: queryCount, columns: tokenCount)
        let queryOffset = sequence * queryCount * hidden + head * headSize
        let tokenOffset = sequence * tokenCount * hidden + head * headSize
        q.values.withUnsafeBufferPointer { q in
          k.values.withUnsafeBufferPointer { k in
            ce3_multiply_f32(
              queryCount, tokenCount, headSize, q.baseAddress! + queryOffset, hidden, 1, k.baseAddress! + tokenOffset,
              1,
              hidden, scale, &scores.values, tokenCount)
          }
        }
        let sums = powers(&scores)
        visitor?.visit(&scores, at: .probabilities)
        divide(&scores, by: sums)
        v.values.withUnsafeBufferPointer { v in
          heads.values.withUnsafeMutableBufferPointer { heads in
            ce3_multiply_f32(
              queryCount, headSize, tokenCount, scores.values, tokenCount, 1, v.baseAddress! + tokenOffset, hidden, 1,
              1,
              heads.baseAddress! + queryOffset, hidden)
          }
        }
      }
    }
    visitor?.visit(&heads, at: contexts)
    return out(heads)
  }
}
