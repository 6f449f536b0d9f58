import E3Checkpoint
import E3Format
import E3Host

extension ExtentContents {
  /// The query of the map head's probe, `[A][D16]`: it depends on no image, so it is computed once, in float64.
  func mapQuery() throws(FileError) -> [Float] {
    let names = ParameterNames.mapAttention
    let probe = try model.values(of: ParameterNames.mapProbe)
    let kernel = try model.values(of: names.query.kernel)
    let bias = try model.values(of: names.query.bias)
    let hidden = shape.hiddenSize
    var query = bias.map(Double.init)
    for input in 0..<hidden {
      let value = Double(probe[input])
      for output in 0..<hidden { query[output] += value * Double(kernel[input * hidden + output]) }
    }
    if shape.hasQueryKeyNorm {
      let scale = try model.values(of: names.queryNorm).map(Double.init)
      for head in 0..<shape.headCount {
        let range = head * shape.headSize..<(head + 1) * shape.headSize
        let mean = query[range].reduce(0, +) / Double(shape.headSize)
        let variance = query[range].reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shape.headSize)
        let factor = 1 / (variance + 1e-6).squareRoot()
        for (i, index) in range.enumerated() { query[index] = (query[index] - mean) * factor * scale[i] }
      }
    }
    return paddedRows(query.map(Float.init), width: shape.headSize)
  }
}
