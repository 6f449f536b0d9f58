import E3Format

/// The float matrix that packed panels stand for, decoded from FORMAT.md, section 4.1.
struct DecodedLinear {
  /// [inputs][outputs], padding included.
  var weights: [[Float]]
  var bias: [Float]
  /// Half a step of each output: the largest error of rounding to int8.
  var tolerance: [Float]

  init(_ view: LinearView) {
    let outputs = view.panelCount * 16
    weights = [[Float]](repeating: [Float](repeating: 0, count: outputs), count: view.inputs)
    bias = [Float](repeating: 0, count: outputs)
    tolerance = bias
    for panel in 0..<view.panelCount {
      let start = UnsafeRawPointer(view.panels) + panel * view.panelBytes
      let tail = start + view.inputs * 16
      for channel in 0..<16 {
        let scale = (tail + 4 * channel).load(as: Float.self)
        bias[panel * 16 + channel] = (tail + 64 + 4 * channel).load(as: Float.self)
        tolerance[panel * 16 + channel] = scale * 0.5001
        for input in 0..<view.inputs {
          let weight = (start + input / 4 * 64 + channel * 4 + input % 4).load(as: Int8.self)
          weights[input][panel * 16 + channel] = scale * Float(weight)
        }
      }
    }
  }

  /// Whether element [input][output] is `value` but for the rounding, or is the largest that there is where `value` is
  /// larger: a scale may leave out up to a quarter of the largest weight.
  func matches(_ value: Float, input: Int, output: Int) -> Bool {
    let weight = weights[input][output]
    if abs(weight - value) <= tolerance[output] { return true }
    return abs(weight) > 253 * tolerance[output] && value / weight >= 1 && value / weight < 1.32
  }
}
