import CE3Float
import E3Host
import Foundation
import Testing

/// Arithmetic that has the same bits on every machine.
@Suite("Float arithmetic of the host tools")
struct FloatArithmeticTests {
  private static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(state: seed)
    return (0..<count).map { _ in Float(Int64(bitPattern: random.next()) >> 32) / Float(1 << 28) }
  }

  @Test(
    "products are the sums of the definition, whatever the sides, the strides and the vectors",
    arguments: [(1, 1, 1), (3, 31, 7), (4, 32, 64), (5, 33, 1), (13, 70, 129), (2, 5, 0)], [false, true])
  func products(sides: (rows: Int, columns: Int, depth: Int), transposed: Bool) {
    let (rows, columns, depth) = sides
    let a = Self.numbers(rows * depth, seed: 1)
    let b = Self.numbers(depth * columns, seed: 2)
    let (aRow, aColumn) = transposed ? (1, rows) : (depth, 1)
    let (bRow, bColumn) = transposed ? (1, depth) : (columns, 1)
    let start = Self.numbers(rows * (columns + 3), seed: 3)
    var (found, expected) = (start, start)
    var (found64, expected64) = (start.map(Double.init), start.map(Double.init))
    ce3_multiply_f32(rows, columns, depth, a, aRow, aColumn, b, bRow, bColumn, -0.3, &found, columns + 3)
    ce3_multiply_f64(
      rows, columns, depth, a.map(Double.init), aRow, aColumn, b.map(Double.init), bRow, bColumn, -0.3, &found64,
      columns + 3)
    for row in 0..<rows {
      for column in 0..<columns {
        var (sum, sum64) = (Float(0), 0.0)
        for k in 0..<depth {
          let (left, right) = (a[row * aRow + k * aColumn], b[k * bRow + column * bColumn])
          sum += left * right
          sum64 += Double(left) * Double(right)
        }
        expected[row * (columns + 3) + column] += -0.3 * sum
        expected64[row * (columns + 3) + column] += -0.3 * sum64
      }
    }
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(found64.map(\.bitPattern) == expected64.map(\.bitPattern))
  }

  private typealias Function = @Sendable (UnsafeMutablePointer<Float>, Int) -> Void

  /// Name, function, what it is, and a digest of its bits at 20,001 places.
  private static let functions: [(String, Function, @Sendable (Double) -> Double, UInt64)] = [
    ("exp", { ce3_exp_of_difference($0, $1, 1.5) }, { exp($0 - 1.5) }, 0x81f3_27fc_10c5_3587),
    ("tanh", { ce3_tanh($0, $1) }, { tanh($0) }, 0x85be_5b49_e666_a3e7),
    ("gelu", { ce3_gelu($0, $1) }, { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) }, 0x94a7_9cf9_2371_edc2),
    (
      "gelu tanh", { ce3_gelu_tanh($0, $1) },
      { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }, 0x1d04_d306_5089_6881
    ),
  ]

  @Test(
    "functions are exact to a float's rounding, and have the bits that they had on other machines", arguments: 0..<4)
  func functions(index: Int) {
    let (name, function, definition, digest) = Self.functions[index]
    let places = (-10_000...10_000).map { Float($0) * 0.0011 }
    var values = places
    function(&values, values.count)
    for (place, value) in zip(places, values) {
      let expected = definition(Double(place))
      #expect(abs(Double(value) - expected) <= max(abs(expected), 1e-6) * 6.1e-8, "\(name) of \(place)")
    }
    let found = values.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01b3 }
    #expect(found == digest, "\(name): \(String(found, radix: 16))")
  }

  @Test("far from zero and at what is no number functions end as they should")
  func extremes() {
    var powers: [Float] = [-.infinity, -1e30, -200, 0, .nan]
    ce3_exp_of_difference(&powers, powers.count, 0)
    #expect(powers[0..<4] == [0, 0, 0, 1] && powers[4].isNaN)
    var gelus: [Float] = [-1e30, -0.0, 0, 1e30, .infinity, .nan]
    ce3_gelu(&gelus, gelus.count)
    #expect(gelus[0..<5] == [0, 0, 0, 1e30, .infinity] && gelus[5].isNaN)
    var tangents: [Float] = [-.infinity, -1e30, 1e30, .nan]
    ce3_tanh(&tangents, tangents.count)
    #expect(tangents[0..<3] == [-1, -1, 1] && tangents[3].isNaN)
  }
}
