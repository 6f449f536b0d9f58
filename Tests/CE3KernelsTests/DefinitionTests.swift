import CE3
import CE3Kernels
import E3TestSupport
import Foundation
import Testing

/// Distance of a float from the exact value, in units of the exact value's last place.
func ulps(_ value: Float, _ exact: Double) -> Double { abs(Double(value) - exact) / Double(Float(abs(exact)).ulp) }

@Suite("Definitions of the float functions")
struct DefinitionTests {
  /// 1 + 2^x of values at most 0, the sum of the attention's softmax of x beside a zero.
  func onePlusPowersOfTwo(_ x: [Float]) -> [Float] {
    let rows = Matrix(rows: x.count, width: 2) { row, i in i == 0 ? x[row] : 0 }
    let out = Buffer<UInt8>(64 * x.count), ranges = Buffer<e3k_range>(x.count)
    #expect(scalar.kernels.softmax_quantize(rows.base, rows.stride, x.count, 2, out.base, 64, ranges.base) == 1)
    return x.indices.map { 0.5 / ranges.base[$0].middle }
  }

  /// e^x / (1 + e^x) and 1 / (1 + e^x) of values at most 0, the softmax of x beside a zero.
  func sigmoids(_ x: [Float]) -> [[Float]] {
    let rows = Matrix(rows: x.count, width: 2) { row, i in i == 0 ? x[row] : 0 }
    #expect(scalar.kernels.softmax(rows.base, rows.stride, x.count, 2) == 1)
    return x.indices.map { Array(rows.row($0).prefix(2)) }
  }

  /// GELU of values, which gelu_quantize leaves in its rows.
  func gelu(_ x: [Float], _ form: e3k_gelu_form) -> [Double] {
    let values = Matrix(rows: 1, width: x.count) { _, i in x[i] }
    let out = Buffer<UInt8>(roundUp(x.count, 64)), range = Buffer<e3k_range>(1)
    let isFinite = scalar.kernels.gelu_quantize(
      values.base, values.stride, 1, values.stride, form, out.base, out.count, range.base)
    #expect(isFinite == 1)
    return values.row(0).prefix(x.count).map(Double.init)
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

  @Test(
    "exp2 has a relative error below 4e-6, as far as a sum with 1 shows, is exact at integers, and constant far left")
  func powerOfTwo() {
    let x = (0..<20_000).map { -20 * Float($0) / 20_000 }
    for (x, sum) in zip(x, onePlusPowersOfTwo(x)) {
      let exact = exp2(Double(x))
      #expect(abs(Double(sum) - 1 - exact) < 4e-6 * exact + 3e-7, "2^\(x)")
    }
    #expect(onePlusPowersOfTwo([0, -1, -2, -3, -4]) == [2, 1.5, 1.25, 1.125, 1.0625])
    #expect(Set(onePlusPowersOfTwo([-115, -116, -1000, -3e38])).count == 1)
  }

  @Test("tanh is within 1.5 ulp")
  func hyperbolicTangent() {
    var random = SplitMix(state: 20)
    let values = Buffer<Float>(16_000) { i in random.float(i % 2 == 0 ? 1 : i % 3 == 0 ? 100 : 10) }
    let y = Buffer(copy: values)
    #expect(scalar.kernels.tanh(y.base, y.count) == 1)
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

  @Test("GELU is within 6e-7 of its tanh form and 4e-6 of its erf form")
  func geluAccuracy() {
    func tanhForm(_ x: Double) -> Double {
      0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
    func erfForm(_ x: Double) -> Double { 0.5 * x * erfc(-x / 2.0.squareRoot()) }
    let x = (0..<64_000).map { 24 * Float($0) / 64_000 - 12 }
    for (form, exact, error) in [(E3K_GELU_TANH, tanhForm, 6e-7), (E3K_GELU_ERF, erfForm, 4e-6)] {
      let y = gelu(x, form)
      #expect(zip(x, y).allSatisfy { abs($1 - exact(Double($0))) < error })
      let edges = gelu([0, 10, 1000, 1e30, -1000, -1e30], form)
      #expect(edges[0...3] == [0, 10, 1000, Double(Float(1e30))])
      #expect(edges[4] <= 0 && edges[4] > -1e-30 && abs(edges[5]) < 1)
    }
  }

  @Test("the entropy of a distribution is that of the exact logarithm")
  func entropy() {
    var random = SplitMix(state: 21)
    for width in [1, 2, 10, 16, 1000] {
      let x = Matrix(rows: 1, width: width) { _, _ in random.float(6) }
      #expect(scalar.kernels.softmax(x.base, x.stride, 1, width) == 1)
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
    #expect(scalar.kernels.softmax(x.base, x.stride, 3, 21) == 1)
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
    for epsilon: Float in [1e-6, 0.5] {
      let isFinite = scalar.kernels.layer_norm(
        x.base, x.stride, 4, 200, gamma.base, beta.base, epsilon, y.base, y.stride, nil, 0, nil)
      #expect(isFinite == 1)
      for row in 0..<4 {
        let values = x.row(row).map(Double.init)
        let mean = values.reduce(0, +) / 200
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
        for i in 0..<200 {
          let deviation = (variance + Double(epsilon)).squareRoot()
          let exact = (values[i] - mean) / deviation * Double(gamma.base[i]) + Double(beta.base[i])
          #expect(abs(Double(y.base[row * y.stride + i]) - exact) < 2e-5)
        }
      }
    }
  }

  @Test("quantised rows are within half a step of the values, and use all bytes from their smallest to their largest")
  func quantization() {
    var random = SplitMix(state: 24)
    for offset: Float in [0, 3, -1000] {
      let x = Matrix(rows: 6, width: 80) { _, _ in random.float(4) + offset }
      let out = Buffer<UInt8>(6 * 128), ranges = Buffer<e3k_range>(6)
      #expect(scalar.kernels.quantize_rows(x.base, x.stride, 6, 80, 0.5, out.base, 128, ranges.base) == 1)
      for row in 0..<6 {
        let q = (0..<80).map { Int(Int8(bitPattern: out.base[row * 128 + $0])) }
        let values = x.row(row), range = ranges.base[row]
        #expect(values.min()! > 0 || q.min() == -127)
        #expect(values.max()! < 0 || q.max() == 127)
        for (value, byte) in zip(values, q) {
          #expect(
            abs(value - (Float(byte) * range.scale + range.middle) * 2) <= range.scale * 1.001 + abs(offset) * 1e-6)
        }
      }
    }
    // Neighbouring floats: the middle is one of them, and nothing leaves the bytes.
    let near = Matrix(rows: 1, width: 16) { _, i in i % 2 == 0 ? 1 : Float(1).nextUp }
    let out = Buffer<UInt8>(64), range = Buffer<e3k_range>(1)
    #expect(scalar.kernels.quantize_rows(near.base, near.stride, 1, 16, 1, out.base, 64, range.base) == 1)
    #expect((0..<16).allSatisfy { Int8(bitPattern: out.base[$0]) == 127 })
  }

  @Test("attention from packed keys and values is that of doubles, as near as bytes allow")
  func attention() {
    // Values with a large mean: what is quantised is their difference from it.
    var random = SplitMix(state: 27)
    let (tokens, width) = (37, 32)
    let scores = RowKind.uniform.matrix(rows: 5, width: tokens, &random)
    let values = Matrix(rows: tokens, width: width) { _, _ in 100 + random.float }
    let before = (0..<tokens).map { values.row($0) }
    let means = Buffer<Float>(width), largest = Buffer<Float>(width)
    let panels = Buffer<UInt8>(e3k_panel_bytes(tokens) * width / 16)
    #expect(scalar.kernels.centre_columns(values.base, values.stride, tokens, width, means.base, largest.base) == 1)
    scalar.kernels.pack_values(values.base, values.stride, tokens, width, means.base, largest.base, panels.base)
    let out = Buffer<UInt8>(5 * 64), ranges = Buffer<e3k_range>(5),
      context = Matrix(rows: 5, width: width) { _, _ in 0 }
    #expect(
      scalar.kernels.softmax_quantize(scores.base, scores.stride, 5, tokens, out.base, 64, ranges.base) == 1)
    var product = e3k_gemm()
    product.rows = UnsafePointer(out.base)
    product.row_stride = 64
    product.ranges = UnsafePointer(ranges.base)
    product.row_count = 5
    product.inputs = roundUp(tokens, 8)
    product.panels = UnsafePointer(panels.base)
    product.panel_count = width / 16
    product.out = context.base
    product.out_stride = context.stride
    product.epilogue = E3K_STORE
    scalar.kernels.gemm(&product)
    for row in 0..<5 {
      let powers = scores.row(row).map { exp2(Double($0)) }
      let sum = powers.reduce(0, +)
      for column in 0..<width {
        let exact = (0..<tokens).reduce(0) { $0 + powers[$1] / sum * Double(before[$1][column]) }
        #expect(abs(Double(context.base[row * context.stride + column]) - exact) < 0.005)
      }
    }
  }

  @Test(
    "packed weights have the smallest squared error of 16 scales, zero padding, and 128 times their sum beside them")
  func packLinear() {
    var random = SplitMix(state: 25)
    for (inputs, outputs) in [(1, 1), (8, 16), (13, 21), (100, 40)] {
      let weights = (0..<inputs * outputs).map { _ in random.float(2) }
      let panels = packed(
        inputs: inputs, outputs: outputs, { weights[$0 * outputs + $1] }, bias: { Float($0) })
      let padded = roundUp(inputs, 8)
      for n in 0..<roundUp(outputs, 16) {
        let panel = UnsafeRawPointer(panels.base) + n / 16 * e3k_panel_bytes(inputs)
        let tail = padded * 16 + n % 16 * 4
        let scale = panel.load(fromByteOffset: tail, as: Float.self)
        let exact = (0..<padded).map { $0 < inputs && n < outputs ? weights[$0 * outputs + n] : 0 }
        let packed = (0..<padded).map { k in
          panel.load(fromByteOffset: k / 4 * 64 + n % 16 * 4 + k % 4, as: Int8.self)
        }
        #expect(packed.allSatisfy { $0 >= -127 })
        #expect(packed[inputs...].allSatisfy { $0 == 0 })
        func error(_ scale: Float, _ quantized: [Float]) -> Double {
          zip(exact, quantized).reduce(0) { $0 + pow(Double($1.0) - Double($1.1 * scale), 2) }
        }
        let largest = exact.map(abs).max()! / 127
        for step in 0..<16 where n < outputs {
          let other = largest * (1 - Float(step) / 64)
          let rounded = exact.map { max(-127, min(127, ($0 / other).rounded(.toNearestOrEven))) }
          #expect(error(scale, packed.map(Float.init)) <= error(other, rounded) * 1.000001)
        }
        #expect(scale <= largest && (n >= outputs || scale >= largest * 0.76))
        let sum = packed.reduce(0) { $0 + Int32($1) }
        #expect(panel.load(fromByteOffset: tail + 128, as: Int32.self) == 128 * sum)
        let bias = panel.load(fromByteOffset: tail + 64, as: Float.self)
        #expect(bias == (n < outputs ? Float(n) : 0))
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
