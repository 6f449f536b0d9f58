import CE3Float
import E3Checkpoint
import E3Host

/// A linear layer: `y = x · kernel + bias`.
struct Linear {
  let inputs, outputs: Int
  /// `[inputs][outputs]`
  let kernel: [Float]
  /// `[outputs]`; nil for none.
  let bias: [Float]?

  /// Reads a layer whose kernel may have more axes: its first `inputs` elements per output are flattened.
  init(_ names: LinearNames, inputs: Int, outputs: Int, from model: any ModelParameters) throws(FileError) {
    (self.inputs, self.outputs) = (inputs, outputs)
    kernel = try model.values(of: names.kernel)
    bias = try model.values(of: names.bias)
    precondition(kernel.count == inputs * outputs && bias?.count == outputs)
  }

  /// Reads expert `index` of tensors with a leading axis E.
  init(_ names: LinearNames, expert index: Int, inputs: Int, outputs: Int, from model: any ModelParameters)
    throws(FileError)
  {
    (self.inputs, self.outputs) = (inputs, outputs)
    kernel = try model.values(of: names.kernel, at: index)
    bias = try model.values(of: names.bias, at: index)
    precondition(kernel.count == inputs * outputs && bias?.count == outputs)
  }

  /// A layer without bias, as the router is.
  init(kernel: [Float], inputs: Int, outputs: Int) {
    precondition(kernel.count == inputs * outputs)
    (self.inputs, self.outputs, self.kernel, bias) = (inputs, outputs, kernel, nil)
  }

  /// - Parameter x: `[rows][inputs]`.
  /// - Returns: `[rows][outputs]`.
  func callAsFunction(_ x: Matrix) -> Matrix {
    precondition(x.columns == inputs)
    var y = Matrix(rows: x.rows, columns: outputs)
    guard x.rows > 0 else { return y }
    if let bias { for row in 0..<x.rows { y.add(bias[...], to: row) } }
    ce3_multiply_f32(x.rows, outputs, inputs, x.values, inputs, 1, kernel, outputs, 1, 1, &y.values, outputs)
    return y
  }
}
