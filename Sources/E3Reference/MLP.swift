import E3Checkpoint
import E3Host

/// Two linear layers with a GELU between them.
struct MLP {
  let activation: ModelConfig.Activation
  /// H → F and F → H.
  let dense0, dense1: Linear

  init(_ names: MLPNames, from model: any ModelParameters) throws(FileError) {
    activation = model.config.activation
    let (hidden, mlp) = (model.config.hiddenSize, model.config.mlpSize)
    dense0 = try Linear(names.dense0, inputs: hidden, outputs: mlp, from: model)
    dense1 = try Linear(names.dense1, inputs: mlp, outputs: hidden, from: model)
  }

  /// Expert `index` of a block's experts.
  init(_ names: MLPNames, expert index: Int, from model: any ModelParameters) throws(FileError) {
    activation = model.config.activation
    let (hidden, mlp) = (model.config.hiddenSize, model.config.mlpSize)
    dense0 = try Linear(names.dense0, expert: index, inputs: hidden, outputs: mlp, from: model)
    dense1 = try Linear(names.dense1, expert: index, inputs: mlp, outputs: hidden, from: model)
  }

  /// Takes rows piece by piece, so that no more than a piece of hidden rows is there at a time.
  func callAsFunction(_ x: Matrix, hidden place: RowPlace, visitor: (any RowVisitor)?) -> Matrix {
    var output = Matrix(rows: 0, columns: dense1.outputs, values: [])
    for start in stride(from: 0, to: x.rows, by: Self.piece) {
      var hidden = dense0(x.rows(start..<min(start + Self.piece, x.rows)))
      apply(activation, to: &hidden)
      visitor?.visit(&hidden, at: place)
      output.append(dense1(hidden))
    }
    return output
  }

  private static let piece = 4096
}
