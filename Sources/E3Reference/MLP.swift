import E3Checkpoint
import E3Host

/// Two linear layers with a GELU between them.
struct MLP {
  let activation: ModelConfig.Activation
  /// H → F and F → H.
  let dense0, dense1: Linear

  init(_ names: MLPNames, from model: SourceModel) throws(FileError) {
    activation = model.config.activation
    let (hidden, mlp) = (model.config.hiddenSize, model.config.mlpSize)
    dense0 = try Linear(names.dense0, inputs: hidden, outputs: mlp, from: model)
    dense1 = try Linear(names.dense1, inputs: mlp, outputs: hidden, from: model)
  }

  /// Expert `index` of a block's experts.
  init(_ names: MLPNames, expert index: Int, from model: SourceModel) throws(FileError) {
    activation = model.config.activation
    let (hidden, mlp) = (model.config.hiddenSize, model.config.mlpSize)
    dense0 = try Linear(names.dense0, expert: index, inputs: hidden, outputs: mlp, from: model)
    dense1 = try Linear(names.dense1, expert: index, inputs: mlp, outputs: hidden, from: model)
  }

  func callAsFunction(_ x: Matrix) -> Matrix {
    var hidden = dense0(x)
    apply(activation, to: &hidden)
    return dense1(hidden)
  }
}
