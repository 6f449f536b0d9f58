import CE3
import CE3Kernels
import E3TestSupport
import Foundation
import Testing

/// Distance of a float from the exact value, in units of the exact value's last place.
func ulps(_ value: Float, _ exact: Double) -> Double { abs(Double(value) - exact) / Double(Float(abs(exact)).ulp) }

@Suite("Definitions of the float functions")
struct DefinitionTests {
  /// 2^x of values at most 0, through softmax_quantize, which leaves 2^(x - max) * value_scale in the scores.
  func powersOfTwo(_ x: [Float]) -> [Float] {
    let width = x.count + 1
    let scores = Matrix(rows: 1, width: width) { _, i in i < x.count ? x[i] : 0 }
    let ones = Buffer<Float>(roundUp(width, 16)) { $0 < width ? 1 : 0 }
    let out = Buffer<UInt8>(roundUp(width, 64)), scale = Buffer<Float>(1)
    scalar.kernels.softmax_quantize(
      scores.base, scores.stride, 1, width, ones.base, out.base, roundUp(width, 64), scale.base)
    return Array(scores.row(0).prefix(x.count))
  }

  /// e^x / (1 + e^x) and 1 / (1 + e^x) of values at most 0, the softmax of x beside a zero.
  func sigmoids(_ x: [Float]) -> [[Float]] {
    let rows = Matrix(rows: x.count, width: 2) { row, i in i == 0 ? x[row] : 0 }
    scalar.kernels.softmax(rows.base, rows.stride, x.count, 2)
    return x.indices.map { Array(rows.row($0).prefix(2)) }
  }

  /// GELU of values, which gelu_quantize leaves in its rows.
  func gelu(_ x: [Float]) -> [Float] {
    let values = Matrix(rows: 1, width: x.count) { _, i in x[i] }
    let out = Buffer<UInt8>(roundUp(x.count, 64)), scale = Buffer<Float>(1)
    scalar.kernels.gelu_quantize(values.base, values.stride, 1, values.stride, out.base, out.count, scale.base)
    return Array(values.row(0).prefix(x.count))
  }

  @Test("exp is within 1 ulp from -80 to 0, and constant below")
  func exponential() {
    // A softmax of x and 0 is that of an e^x within 1 ulp: one of the two floats around the exact value.
    let x = (0..<20_000).map { -80 * Float($0) / 20_000 }
    for (x, softmax) in zip(x, sigmoids(x)) {
      let exact = exp(Double(x)), nearest = Float(exact)
      let allowed = [nearest.nextDown, nearest, nearest.nextUp].filter { ulps($0, exact) < 1 }
      #expect(allowed.contains { [$0 / ($0 + 1), 1 / ($0 + 1)] == softmax }, "e^\(x)")
    }
    let below = sigmoids([-80, -81, -1000, -3e38])
    #expect(Set(below).count == 1 && below[0][0] > Float.leastNormalMagnitude)
  }

  @Test("exp2 has a relative error below 4e-6 from -115 to 0, is exact at integers, and constant below")
  func powerOfTwo() {
    let x = (0..<20_000).map { -115 * Float($0) / 20_000 }
    #expect(zip(x, powersOfTwo(x)).allSatisfy { abs(Double($1) / exp2(Double($0)) - 1) < 4e-6 })
    let integers = (0...115).map { -Float($0) }
    #expect(powersOfTwo(integers) == integers.map { exp2($0) })
    let below = powersOfTwo([-115, -116, -1000, -3e38])
    #expect(Set(below).count == 1)
  }

  @Test("tanh is within 1.5 ulp")
  func hyperbolicTangent() {
    var random = SplitMix(state: 20)
    let values = Buffer<Float>(16_000) { i in random.float(i % 2 == 0 ? 1 : i % 3 == 0 ? 100 : 10) }
    let y = Buffer(copy: values)
    scalar.kernels.tanh(y.base, y.count)
    #expect((0..<y.count).allSatisfy { values.base[$0] == 0 || ulps(y.base[$0], tanh(Double(values.base[$0]))) < 1.5 })
  }

  @Test("log is within 1.5 ulp for normal positive floats, and exact at 1")
  func logarithm() {
    var random = SplitMix(state: 25)
    // Every exponent, and closely around 1, where the logarithm itself is small.
    let values = Buffer<Float>(16_000) { i in
      let fraction = random.float(0.5) + 1.5
      return i % 4 == 0 ? 1 + (fraction - 1.5) / 16 : fraction * exp2(Float(i % 253) - 126)
    }
    let y = Buffer(copy: values)
    scalar.kernels.scaled_log(y.base, y.count, 1)
    #expect((0..<y.count).allSatisfy { values.base[$0] == 1 || ulps(y.base[$0], log(Double(values.base[$0]))) < 1.5 })
    let one = Buffer<Float>(16) { _ in 1 }
    scalar.kernels.scaled_log(one.base, 16, 1)
    #expect(one.base[0] == 0)
  }

  @Test("GELU is within 6e-7 of its tanh form, exact zero at zero, and the identity far right")
  func geluAccuracy() {
    func exact(_ x: Double) -> Double {
      0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
    let x = (0..<16_000).map { 24 * Float($0) / 16_000 - 12 }
    #expect(zip(x, gelu(x)).allSatisfy { abs(Double($1) - exact(Double($0))) < 6e-7 })
    let edges = gelu([0, 10, 1000, 1e30, -1000, -1e30])
    #expect(edges[0...3] == [0, 10, 1000, 1e30])
    #expect(edges[4] <= 0 && edges[4] > -1e-30 && abs(edges[5]) < 1)
  }

  @Test("the entropy of a distribution is that of the exact logarithm")
  func entropy() {
    var random = SplitMix(state: 21)
    for width in [1, 2, 10, 16, 1000] {
      let x = Matrix(rows: 1, width: width) { _, _ in random.float(6) }
      scalar.kernels.softmax(x.base, x.stride, 1, width)
      let exact = -x.row(0).reduce(0.0) { $0 + ($1 > 0 ? Double($1) * log(Double($1)) : 0) }
      #expect(abs(Double(scalar.kernels.entropy(x.base, width)) - exact) < 2e-6)
    }
    let certain = Matrix(rows: 1, width: 5) { _, i in i == 3 ? 1 : 0 }
    #expect(scalar.kernels.entropy(certain.base, 5) == 0)
  }

  @Test("softmax sums to one and leaves zeros past the width")
  func softmax() {
    var random = SplitMix(state: 22)
    let x = Matrix(rows: 3, width: 21) { _, _ in random.float(20) }
    scalar.kernels.softmax(x.base, x.stride, 3, 21)
    for row in 0..<3 {
      #expect(abs(x.row(row).reduce(0, +) - 1) < 1e-6)
      for i in 21..<32 { #expect(x.base[row * x.stride + i] == 0) }
    }
  }

  @Test("LayerNorm is that of the formula in double precision")
  func layerNorm() {
    var random = SplitMix(state: 23)
    let x = RowKind.uniform.matrix(rows: 4, width: 200, &random)
    let gamma = RowKind.uniform.matrix(rows: 1, width: 200, &random)
    let beta = RowKind.uniform.matrix(rows: 1, width: 200, &random)
    let y = Matrix(rows: 4, width: 200) { _, _ in 0 }
    scalar.kernels.layer_norm(x.base, x.stride, 4, 200, gamma.base, beta.base, y.base, y.stride, nil, 0, nil)
    for row in 0..<4 {
      let values = x.row(row).map(Double.init)
      let mean = values.reduce(0, +) / 200
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
      for i in 0..<200 {
        let exact = (values[i] - mean) / (variance + 1e-6).squareRoot() * Double(gamma.base[i]) + Double(beta.base[i])
        #expect(abs(Double(y.base[row * y.stride + i]) - exact) < 2e-5)
      }
    }
  }

  @Test("quantised rows are within half a step of the values and reach 127")
  func quantization() {
    var random = SplitMix(state: 24)
    let x = RowKind.uniform.matrix(rows: 6, width: 80, &random)
    let out = Buffer<UInt8>(6 * 128), scales = Buffer<Float>(6)
    scalar.kernels.quantize_rows(x.base, x.stride, 6, 80, 0.5, out.base, 128, scales.base)
    for row in 0..<6 {
      let q = (0..<80).map { Int8(bitPattern: out.base[row * 128 + $0]) }
      #expect(q.map { abs(Int($0)) }.max() == 127)
      let step = scales.base[row] / 0.5
      for (value, byte) in zip(x.row(row), q) { #expect(abs(value - Float(byte) * step) <= step * 0.50001) }
    }
  }

  @Test("packed weights are within half a step, their padding is zero, and the compensation is 128 times their sum")
  func packLinear() {
    var random = SplitMix(state: 25)
    for (inputs, outputs) in [(1, 1), (8, 16), (13, 21), (100, 40)] {
      let weights = (0..<inputs * outputs).map { _ in random.float(2) }
      let panels = packed(inputs: inputs, outputs: outputs, { weights[$0 * outputs + $1] }, bias: { Float($0) })
      let padded = roundUp(inputs, 8)
      for n in 0..<roundUp(outputs, 16) {
        let panel = UnsafeRawPointer(panels.base) + n / 16 * e3k_panel_bytes(inputs)
        let tail = padded * 16 + n % 16 * 4
        let scale = panel.load(fromByteOffset: tail, as: Float.self)
        #expect(panel.load(fromByteOffset: tail + 64, as: Float.self) == (n < outputs ? Float(n) : 0))
        var sum: Int32 = 0
        for k in 0..<padded {
          let w = panel.load(fromByteOffset: k / 4 * 64 + n % 16 * 4 + k % 4, as: Int8.self)
          let exact = k < inputs && n < outputs ? weights[k * outputs + n] : 0
          #expect(w >= -127 && abs(Float(w) * scale - exact) <= scale * 0.50001)
          sum += Int32(w)
        }
        #expect(panel.load(fromByteOffset: tail + 128, as: Int32.self) == 128 * sum)
      }
    }
  }
}

@Suite("Choice of a tier")
struct SelectTests {
  @Test("the scalar tier is always there, and automatic choice gives the fastest tier that runs")
  func automatic() throws {
    let fastest = try #require(e3k_select(UInt32(E3_ISA_AUTO)))
    #expect(fastest.pointee.isa == (tiers.last ?? scalar).isa)
    #expect(scalar.kernels.activation_flip == 0)
  }

  @Test("an unknown tier is not selected, and a table carries its own number")
  func unknown() {
    #expect(e3k_select(99) == nil && e3k_select_tiles(99, E3K_TILES_PAIRS) == nil)
    for tier in [scalar] + tiers {
      #expect(tier.kernels.isa == tier.isa)
    }
  }

  @Test("tiles that are asked for are given, or nothing; without asking a tier is never missing")
  func tiles() {
    for isa in UInt32(E3_ISA_SCALAR)...UInt32(E3_ISA_I8MM) {
      let single = e3k_select_tiles(isa, E3K_TILES_SINGLE), pairs = e3k_select_tiles(isa, E3K_TILES_PAIRS)
      #expect((e3k_select(isa) == nil) == (single == nil))
      #expect(single.map { $0.pointee.tiles == E3K_TILES_SINGLE && $0.pointee.isa == isa } ?? true)
      #expect(pairs.map { $0.pointee.tiles == E3K_TILES_PAIRS && $0.pointee.isa == isa } ?? true)
      #expect((pairs != nil) == (single != nil && isa == UInt32(E3_ISA_AVX512VNNI)))
      #expect(e3k_select(isa) == single || e3k_select(isa) == pairs)
    }
  }
}
