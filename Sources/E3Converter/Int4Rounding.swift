extension WeightRounding {
  /// Rounds weights `[inputs][outputs]` to 4 bits.
  ///
  /// Scales and grids are chosen for the weights as they are, so that inputs may be rounded in any order.
  ///
  /// - Returns: the panels.
  func int4(_ weights: [Float], bias: [Float]) -> [UInt8] {
    // In units of the largest: squares of errors, times what hardly varies, would be 0.
    let unit = Double(sign: .plus, exponent: -(variances.max() ?? 1).exponent, significand: 1)
    let importance = variances.map { Float($0 * unit) }
    let outputs = bias.count
    let (_, bias, grid) = rounded(weights, bias: bias) { Int4Grids($0, outputs: outputs, importance: importance) }
    return grid.panels(bias: bias)
  }
}

/// The grids of a layer, and the codes that its weights are given.
private struct Int4Grids: WeightGrid {
  private var layer: Int4Linear
  /// `[outputs]`
  private var scales: [Float] = []
  /// `[outputs][groups]`
  private var grids: [Int4Grid] = []
  private let groups: Int

  init(_ weights: [Float], outputs: Int, importance: [Float]) {
    let inputs = importance.count
    layer = Int4Linear(inputs: inputs, outputs: outputs)
    groups = (inputs + Int4Grid.inputs - 1) / Int4Grid.inputs
    for output in 0..<outputs {
      let column = (0..<inputs).map { weights[$0 * outputs + output] }
      column.withUnsafeBufferPointer { column in
        importance.withUnsafeBufferPointer { importance in
          let scale = int4Scale(fitting: column, importance: importance)
          scales.append(scale)
          for group in 0..<groups {
            let range = group * Int4Grid.inputs..<min((group + 1) * Int4Grid.inputs, inputs)
            let grid = Int4Grid(
              fitting: UnsafeBufferPointer(rebasing: column[range]), scale: scale,
              importance: UnsafeBufferPointer(rebasing: importance[range]))
            grids.append(grid)
            layer.set(grid, group: group, output: output)
          }
        }
      }
    }
  }

  mutating func rounded(_ value: Float, input: Int, output: Int) -> Float {
    let grid = grids[output * groups + input / Int4Grid.inputs]
    let (code, level) = grid.round(value, scale: scales[output])
    layer.set(code: code, input: input, output: output)
    return level
  }

  /// The panels as the file has them.
  consuming func panels(bias: [Float]) -> [UInt8] {
    for (output, scale) in scales.enumerated() { layer.set(scale: scale, bias: bias[output], output: output) }
    return layer.panels()
  }
}
