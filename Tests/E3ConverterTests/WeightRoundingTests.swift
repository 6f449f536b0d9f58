import Testing
@testable import E3Converter
@testable import E3Host
@testable import E3Reference

@Suite("Rounding of weights")
struct WeightRoundingTests {
  private let inputs = 40
  private let outputs = 24
  /// Rows whose channels depend on each other, with a mean.
  private let rows: Matrix
  private let weights: [Float]
  private let bias: [Float]

  init() {
    let (inputs, outputs) = (inputs, outputs)
    var random = SplitMix64(state: 5)
    func normal() -> Float {
      (0..<12).reduce(Float(-6)) { sum, _ in sum + Float(random.next() >> 40) / Float(1 << 24) }
    }
    let mixing = (0..<6 * inputs).map { _ in normal() }
    var values: [Float] = []
    for _ in 0..<600 {
      let causes = (0..<6).map { _ in normal() }
      for channel in 0..<inputs {
        var value = 0.3 * normal() + Float(channel % 3)
        for (cause, strength) in causes.enumerated() { value += strength * mixing[cause * inputs + channel] }
        values.append(value)
      }
    }
    rows = Matrix(rows: 600, columns: inputs, values: values)
    weights = (0..<inputs * outputs).map { _ in normal() }
    bias = (0..<outputs).map { _ in normal() }
  }

  private var rounding: WeightRounding {
    var moments = RowMoments(width: inputs)
    moments.add(rows)
    return WeightRounding(moments)
  }

  /// Differences `[rows][outputs]` between the layer's answers and those of other weights.
  private func differences(_ other: [Float], _ otherBias: [Float]) -> [Double] {
    (0..<rows.rows).flatMap { row in
      (0..<outputs).map { output in
        var sum = Double(otherBias[output]) - Double(bias[output])
        for input in 0..<inputs {
          let place = input * outputs + output
          sum += Double(rows[row][row * inputs + input]) * (Double(other[place]) - Double(weights[place]))
        }
        return sum
      }
    }
  }

  @Test("weights are whole multiples, -127 to 127, of their output's scale, and pack to just these")
  func multiples() {
    let rounded = rounding.rounded(weights, bias: bias)
    for (place, weight) in rounded.weights.enumerated() {
      let steps = weight / rounded.scales[place % outputs]
      #expect(abs(steps - steps.rounded()) < 1e-3 && abs(steps) <= 127.001)
    }
    let panels = packedLinear(
      rounded.weights, stride: outputs, inputs: inputs, outputs: outputs, bias: rounded.bias, scales: rounded.scales)
    for output in 0..<outputs {
      let panel = output / 16 * (40 * 16 + 192)
      for input in 0..<inputs {
        let byte = Int8(bitPattern: panels[panel + input / 4 * 64 + output % 16 * 4 + input % 4])
        #expect(abs(Float(byte) * rounded.scales[output] - rounded.weights[input * outputs + output]) < 1e-5)
      }
    }
  }

  @Test("the answers change less than with weights rounded to the nearest step, and their means hardly at all")
  func answers() {
    let rounded = rounding.rounded(weights, bias: bias)
    let nearest = weights.enumerated().map { place, weight in
      (weight / rounded.scales[place % outputs]).rounded() * rounded.scales[place % outputs]
    }
    let (mine, plain) = (differences(rounded.weights, rounded.bias), differences(nearest, bias))
    let (error, plainError) = (mine.reduce(0) { $0 + $1 * $1 }, plain.reduce(0) { $0 + $1 * $1 })
    #expect(error < plainError / 4, "\(error) and \(plainError)")
    for output in 0..<outputs {
      let mean = (0..<rows.rows).reduce(0.0) { $0 + mine[$1 * outputs + output] } / Double(rows.rows)
      #expect(abs(mean) < 1e-4)
    }
  }

  @Test("without rows, with channels that never vary, or too much for a float, every weight is rounded for itself")
  func nothingToLearn() {
    func moments(_ values: [Float]) -> RowMoments {
      var moments = RowMoments(width: inputs)
      moments.add(Matrix(rows: values.count / inputs, columns: inputs, values: values))
      return moments
    }
    let constant = [Float](repeating: 2, count: 3 * inputs)
    let large = (0..<4 * inputs).map { $0 % 3 == 0 ? 1e20 : Float(-1e20) }
    for moments in [moments([]), moments(constant), moments(large)] {
      let rounded = WeightRounding(moments).rounded(weights, bias: bias)
      for (place, weight) in rounded.weights.enumerated() {
        #expect(abs(weight - weights[place]) <= rounded.scales[place % outputs] * 33)
        #expect(weight.isFinite)
      }
      #expect(rounded.scales.allSatisfy { $0 > 0 })
      // Multipliers of the first 32 inputs of each output.
      let small = WeightRounding(moments).int4(weights.map { $0 * 1e-5 }, bias: bias)
      #expect(small[..<16].allSatisfy { $0 & 15 > 0 })
    }
  }
}
