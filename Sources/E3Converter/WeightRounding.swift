import CE3Float
import E3Host

/// Rounds the weights of layers that read the same rows, so that the layers' answers to these rows change least.
///
/// Weights are rounded input by input, those first whose channels vary most. What rounding changes in the answers is
/// made up for by the weights that are still to be rounded (Frantar et al. 2023, "GPTQ: Accurate Post-Training
/// Quantization for Generative Pre-trained Transformers"). The mean of the rows plays no part, because the bias takes
/// what rounding does to it.
///
/// The rows are rounded at run time, which adds noise of the variance v to every channel. So the weights to be rounded
/// are not w, but those whose answers to noisy rows are nearest to w's answers to the rows: (H + v)⁻¹Hw, H the
/// covariance of the rows. They are smaller in directions in which the rows hold little but noise.
///
/// With e the errors of an output's weights, the answers change by eᵀ(H + v)e, or |Lᵀe|² with the Cholesky factor L.
/// Each line of Lᵀe holds the error of one input and of those before it in the order of rounding:
/// so each weight is rounded from the value that makes its line zero.
struct WeightRounding {
  /// `[inputs]` input that stands at each place of the factor; rounded from the last place to the first.
  private let order: [Int]
  /// `[inputs][inputs]` Lᵀ, each line divided by its element on the diagonal.
  private let factor: [Float]
  /// `[inputs]`
  private let means: [Double]
  private let cholesky: CholeskyFactor?
  /// v
  private let noise: Double
  /// `[inputs]` variance of each input: its weight when scales are chosen.
  let variances: [Double]

  private var inputs: Int { order.count }

  init(_ moments: RowMoments) {
    let (width, means) = (moments.width, moments.means)
    var variances = (0..<width).map { max(0, moments.covariance($0, $0, means: means)) }
    // Squares that are too large for a float tell nothing: the inputs one by one, all alike.
    if !variances.reduce(0, +).isFinite { variances = [Double](repeating: 0, count: width) }
    // Rows that vary less than rounding changes them tell nothing of other rows.
    var noise = moments.noise < variances.reduce(0, +) / Double(width) ? moments.noise : 0
    // Keeps inputs that hardly vary from taking up the errors of others.
    let damping = max(0.01 * variances.reduce(0, +) / Double(width), Double(Float.leastNormalMagnitude))
    let order = (0..<width).sorted { (variances[$0], $1) < (variances[$1], $0) }
    var matrix = [Double](repeating: 0, count: width * width)
    for (a, first) in order.enumerated() {
      for (b, second) in order[a...].enumerated() {
        matrix[a * width + a + b] = moments.covariance(first, second, means: means)
      }
      matrix[a * width + a] += damping + noise
    }
    cholesky = CholeskyFactor(matrix, size: width)
    // Not positive definite for want of digits: the inputs one by one.
    if cholesky == nil { noise = 0 }
    factor = cholesky?.linesByDiagonal ?? (0..<width * width).map { $0 / width == $0 % width ? 1 : 0 }
    (self.order, self.means, self.variances, self.noise) = (order, means, variances.map { $0 + damping }, noise)
  }

  /// The weights `[inputs][outputs]` that answer noisy rows best.
  private func steadied(_ weights: [Float], outputs: Int) -> [Float] {
    guard noise > 0, let cholesky else { return weights }
    // `[inputs][outputs]`, the inputs in the order of the factor: what is taken from the weights.
    var taken = [Double](repeating: 0, count: weights.count)
    for (place, input) in order.enumerated() {
      for output in 0..<outputs { taken[place * outputs + output] = noise * Double(weights[input * outputs + output]) }
    }
    cholesky.solve(&taken, columns: outputs)
    var steadied = weights
    for (place, input) in order.enumerated() {
      for output in 0..<outputs { steadied[input * outputs + output] -= Float(taken[place * outputs + output]) }
    }
    return steadied
  }

  /// Rounds weights `[inputs][outputs]` to multiples of a scale for each output.
  func rounded(_ weights: [Float], bias: [Float]) -> RoundedWeights {
    let outputs = bias.count
    precondition(weights.count == inputs * outputs)
    let (rounded, bias, grid) = rounded(weights, bias: bias) { weights in
      Int8Grid(scales: scales(of: weights, outputs: outputs))
    }
    return RoundedWeights(weights: rounded, bias: bias, scales: grid.scales)
  }

  /// Weights rounded to a grid that fits what is to be rounded, and the bias that takes what this does to the mean row.
  func rounded<Grid: WeightGrid>(
    _ weights: [Float], bias: [Float], makeGrid: ([Float]) -> Grid
  ) -> (weights: [Float], bias: [Float], grid: Grid) {
    let outputs = bias.count
    var result = steadied(weights, outputs: outputs)
    var grid = makeGrid(result)
    // In the order of the factor: errors, and what the errors after a place ask of it.
    var errors = [Float](repeating: 0, count: inputs * outputs)
    var end = inputs
    while end > 0 {
      let start = max(0, end - Self.block)
      var asked = [Float](repeating: 0, count: (end - start) * outputs)
      if end < inputs {
        factor.withUnsafeBufferPointer { factor in
          errors.withUnsafeBufferPointer { errors in
            ce3_multiply_f32(
              end - start, outputs, inputs - end, factor.baseAddress! + start * inputs + end, inputs, 1,
              errors.baseAddress! + end * outputs, outputs, 1, 1, &asked, outputs)
          }
        }
      }
      for place in (start..<end).reversed() {
        let input = order[place]
        asked.withUnsafeBufferPointer { asked in
          result.withUnsafeMutableBufferPointer { result in
            let wanted = UnsafeBufferPointer(rebasing: asked[(place - start) * outputs..<(place - start + 1) * outputs])
            let row = UnsafeMutableBufferPointer(rebasing: result[input * outputs..<(input + 1) * outputs])
            errors.withUnsafeMutableBufferPointer { errors in
              for output in 0..<outputs {
                let value = grid.rounded(row[output] + wanted[output], input: input, output: output)
                errors[place * outputs + output] = row[output] - value
                row[output] = value
              }
            }
          }
        }
        // What this error asks of the places of the block that are still to come.
        factor.withUnsafeBufferPointer { factor in
          errors.withUnsafeBufferPointer { errors in
            asked.withUnsafeMutableBufferPointer { asked in
              for earlier in start..<place {
                let weight = factor[earlier * inputs + place]
                for output in 0..<outputs {
                  asked[(earlier - start) * outputs + output] += weight * errors[place * outputs + output]
                }
              }
            }
          }
        }
      }
      end = start
    }
    return (result, corrected(bias, from: weights, to: result), grid)
  }

  /// The bias, with what rounding changed for the mean row.
  private func corrected(_ bias: [Float], from weights: [Float], to rounded: [Float]) -> [Float] {
    let outputs = bias.count
    var sums = bias.map(Double.init)
    for input in 0..<inputs {
      for output in 0..<outputs {
        let place = input * outputs + output
        sums[output] += means[input] * (Double(weights[place]) - Double(rounded[place]))
      }
    }
    return sums.map(Float.init)
  }

  /// Of 16 candidates for each output, the one with the least squared error, weighted by what the inputs vary.
  private func scales(of weights: [Float], outputs: Int) -> [Float] {
    (0..<outputs).map { output in
      var largest: Float = 0
      for input in 0..<inputs { largest = max(largest, abs(weights[input * outputs + output])) }
      guard largest >= 1e-30 else { return 0 }
      var (best, least) = (Float(0), Double.infinity)
      for candidate in 0..<16 {
        let scale = largest / 127 * (1 - Float(candidate) / 64)
        var error = 0.0
        for input in 0..<inputs {
          let weight = weights[input * outputs + output]
          let miss = Double(weight - max(-127, min(127, (weight / scale).rounded(.toNearestOrEven))) * scale)
          error += miss * miss * variances[input]
        }
        if error < least { (best, least) = (scale, error) }
      }
      return best
    }
  }

  /// Inputs that are rounded before their errors go into a product of matrices.
  private static let block = 64
}

/// Weights that are multiples of their outputs' scales.
struct RoundedWeights {
  /// `[inputs][outputs]`
  let weights: [Float]
  /// `[outputs]`
  let bias, scales: [Float]
}

/// The values that weights of a layer may have.
protocol WeightGrid {
  /// The value for a weight nearest to `value`, which the grid keeps if it needs to.
  mutating func rounded(_ value: Float, input: Int, output: Int) -> Float
}

/// Multiples -127...127 of a scale for each output.
private struct Int8Grid: WeightGrid {
  let scales: [Float]

  func rounded(_ value: Float, input: Int, output: Int) -> Float {
    let scale = scales[output]
    return scale > 0 ? max(-127, min(127, (value / scale).rounded(.toNearestOrEven))) * scale : 0
  }
}
