import E3Host

/// Resizes a learned position embedding from one grid of patches to another: linear interpolation with aligned corners,
/// in float64, as `scipy.ndimage.zoom(order=1)` does for the reference. Leading vectors (of class token and registers) are copied.
///
/// - Parameters:
///   - values: `[leading + source.height * source.width][hiddenSize]`.
///   - leading: number of vectors that belong to no patch.
/// - Returns: `[leading + target.height * target.width][hiddenSize]`.
/// - Precondition: `values` has exactly that many values, both grids have at least one cell.
///
/// Source: vmoe/initialization/mapping.py, vit_zoom; vit_jax/checkpoint.py, interpolate_posembed.
public func resizePositionEmbedding(
  _ values: [Float], hiddenSize: Int, leading: Int, from source: Grid, to target: Grid
) -> [Float] {
  precondition(values.count == (leading + source.count) * hiddenSize && target.height > 0 && target.width > 0)
  guard source != target else { return values }
  let rows = AlignedSamples(inputs: source.height, outputs: target.height)
  let columns = AlignedSamples(inputs: source.width, outputs: target.width)
  var result = Array(values[..<(leading * hiddenSize)])
  result.reserveCapacity((leading + target.count) * hiddenSize)
  for y in 0..<target.height {
    let (top, bottom, v) = rows[y]
    for x in 0..<target.width {
      let (left, right, u) = columns[x]
      func vector(_ row: Int, _ column: Int) -> Int { (leading + row * source.width + column) * hiddenSize }
      let (a, b, c, d) = (vector(top, left), vector(top, right), vector(bottom, left), vector(bottom, right))
      for i in 0..<hiddenSize {
        let upper = Double(values[a + i]) * (1 - u) + Double(values[b + i]) * u
        let lower = Double(values[c + i]) * (1 - u) + Double(values[d + i]) * u
        result.append(Float(upper * (1 - v) + lower * v))
      }
    }
  }
  return result
}

/// Where the outputs of a linear resize with aligned corners fall between the inputs.
private struct AlignedSamples {
  let inputs, outputs: Int

  /// The two inputs next to output `index`, and the weight of the second.
  subscript(index: Int) -> (first: Int, second: Int, weight: Double) {
    guard outputs > 1 else { return (0, 0, 0) }
    let position = Double(index) * (Double(inputs - 1) / Double(outputs - 1))
    let first = min(Int(position), inputs - 1)
    return (first, min(first + 1, inputs - 1), position - Double(first))
  }
}
