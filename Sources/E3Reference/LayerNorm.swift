import E3Checkpoint
import E3Host

/// Layer normalisation over the last axis: `(x - mean) / sqrt(variance + epsilon) * scale + bias`, biased variance.
struct LayerNorm {
  /// `[width]`
  let scale: [Float]
  /// `[width]`; nil for none, as in the norms of queries and keys.
  let bias: [Float]?
  let epsilon: Double

  init(_ names: NormNames, from model: any ModelParameters) throws(FileError) {
    scale = try model.values(of: names.scale)
    bias = try model.values(of: names.bias)
    epsilon = Double(model.config.normEpsilon)
  }

  /// A norm without bias.
  init(scaleOnly name: String, from model: any ModelParameters) throws(FileError) {
    scale = try model.values(of: name)
    bias = nil
    epsilon = Double(model.config.normEpsilon)
  }

  /// Normalises every run of `scale.count` values.
  func callAsFunction(_ x: Matrix) -> Matrix {
    var y = x
    y.updateRows(width: scale.count) { row in
      let count = Double(row.count)
      var sum = 0.0
      for value in row { sum += Double(value) }
      let mean = sum / count
      var squares = 0.0
      for value in row { squares += (Double(value) - mean) * (Double(value) - mean) }
      let factor = 1 / (squares / count + epsilon).squareRoot()
      for i in row.indices {
        row[i] = Float((Double(row[i]) - mean) * factor) * scale[i] + (bias?[i] ?? 0)
      }
    }
    return y
  }
}
