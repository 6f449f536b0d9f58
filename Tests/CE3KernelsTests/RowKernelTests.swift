import CE3
import CE3Kernels
import E3TestSupport
import Foundation
import Testing

/// Every row kernel of every tier against the scalar definition, all bytes of every output.
@Suite("Row kernels give the definition's bits on every tier")
struct RowKernelTests {
  /// Calls `body` with rows of every kind, of several numbers and strides, `unit` times one of `widths` wide.
  private func forRows(
    seed: UInt64, kinds: [RowKind] = RowKind.ordinary, unit: Int = 1, widths: ClosedRange<Int>,
    _ body: (_ name: String, _ x: Matrix, _ random: inout SplitMix) -> Void
  ) {
    var random = SplitMix(state: seed)
    for kind in kinds {
      for count in [1, 2, 3, 4, 5, 13] {
        let width = unit * random.int(widths)
        let x = kind.matrix(rows: count, width: width, extraStride: 16 * random.int(0...2), &random)
        body("\(kind) \(count) x \(width)", x, &random)
      }
    }
  }

  // promise: isa-bits
  @Test("quantised rows and their ranges have the definition's bits, whatever the width", arguments: tiers)
  func quantizeRows(tier: Tier) {
    forRows(seed: 10, kinds: RowKind.allCases, unit: 16, widths: 1...20) { name, x, random in
      let (count, width) = (x.rows, x.width)
      let stride = roundUp(width, 64) + 64 * random.int(0...1)
      func run(_ tier: Tier) -> [Data] {
        let out = Buffer<UInt8>(count * stride), ranges = Buffer<e3k_range>(count)
        return outcome(
          tier.kernels.quantize_rows(x.base, x.stride, count, width, 0.125, out.base, stride, ranges.base),
          unflipped(out, tier, stride: stride, width: width), ranges.bytes)
      }
      #expect(run(tier) == run(scalar), "\(tier) \(name)")
    }
  }

  @Test("a quantised patch has the definition's bits, or is refused when it is not finite", arguments: tiers)
  func quantizePatch(tier: Tier) {
    forRows(seed: 20, unit: 16, widths: 1...6) { name, x, random in
      let (lines, run) = (x.rows, x.width)
      func patch(_ tier: Tier, _ values: Buffer<Float>) -> (finite: Int32, bytes: Data, range: Data) {
        let out = Buffer<UInt8>(lines * run), range = Buffer<e3k_range>(1)
        let finite = tier.kernels.quantize_patch(values.base, x.stride, lines, run, out.base, range.base)
        return (finite, unflipped(out, tier, stride: lines * run, width: lines * run), range.bytes)
      }
      let result = patch(tier, x.values)
      #expect(result == patch(scalar, x.values), "\(tier) \(name)")
      #expect(result.finite == 1)
      for bad in [Float.infinity, -.infinity, .nan, -.nan, .signalingNaN] {
        let broken = Buffer(copy: x.values)
        broken.base[random.int(0...lines - 1) * x.stride + random.int(0...run - 1)] = bad
        #expect(patch(tier, broken).finite == 0, "\(tier) \(bad)")
      }
    }
  }

  @Test("GELU in both forms, and its quantisation, have the definition's bits", arguments: tiers)
  func geluQuantize(tier: Tier) {
    forRows(seed: 19, kinds: RowKind.allCases, unit: 16, widths: 1...20) { name, x, random in
      let (count, width) = (x.rows, x.width)
      let stride = roundUp(width, 64)
      for form in [E3K_GELU_TANH, E3K_GELU_ERF] {
        func run(_ tier: Tier) -> [Data] {
          let values = Buffer(copy: x.values), out = Buffer<UInt8>(count * stride), ranges = Buffer<e3k_range>(count)
          return outcome(
            tier.kernels.gelu_quantize(values.base, x.stride, count, width, form, out.base, stride, ranges.base),
            unflipped(out, tier, stride: stride, width: width), ranges.bytes)
        }
        #expect(run(tier) == run(scalar), "\(tier) \(name) form \(form.rawValue)")
      }
    }
  }

  @Test("LayerNorm has the definition's bits: values, bytes, without beta, and in place", arguments: tiers)
  func layerNorm(tier: Tier) {
    forRows(seed: 11, kinds: RowKind.allCases, widths: 1...300) { name, x, random in
      let (count, width) = (x.rows, x.width)
      let gamma = RowKind.uniform.matrix(rows: 1, width: width, &random)
      let beta = RowKind.uniform.matrix(rows: 1, width: width, &random)
      let stride = roundUp(width, 64), epsilon: Float = count % 2 == 0 ? 1e-6 : 1e-12
      for variant in [0, 1, 2, 5].map({ $0 ^ (count & 1) }) {
        let (hasBeta, hasValues, inPlace) = (variant & 1 != 0, variant & 2 != 0, variant & 4 != 0)
        func run(_ tier: Tier, bytes: Bool) -> [Data] {
          let input = Buffer(copy: x.values), values = Buffer<Float>(x.values.count)
          let out = Buffer<UInt8>(count * stride), ranges = Buffer<e3k_range>(count)
          let normalized = inPlace ? input.base : hasValues || !bytes ? values.base : nil
          let isFinite = tier.kernels.layer_norm(
            input.base, x.stride, count, width, gamma.base, hasBeta ? beta.base : nil, epsilon, normalized, x.stride,
            bytes ? out.base : nil, stride, bytes ? ranges.base : nil)
          return outcome(
            isFinite, input.bytes, values.bytes,
            bytes ? unflipped(out, tier, stride: stride, width: width) : out.bytes, ranges.bytes)
        }
        for bytes in [true, false] {
          #expect(
            run(tier, bytes: bytes) == run(scalar, bytes: bytes),
            "\(tier) \(name) variant \(variant) bytes \(bytes)")
        }
      }
    }
  }

  @Test("centred columns have the definition's bits", arguments: tiers)
  func centreColumns(tier: Tier) {
    forRows(seed: 17, kinds: RowKind.allCases, unit: 16, widths: 1...9) { name, x, random in
      func run(_ tier: Tier) -> [Data] {
        let values = Buffer(copy: x.values), means = Buffer<Float>(x.width), largest = Buffer<Float>(x.width)
        return outcome(
          tier.kernels.centre_columns(values.base, x.stride, x.rows, x.width, means.base, largest.base),
          values.bytes, means.bytes, largest.bytes)
      }
      #expect(run(tier) == run(scalar), "\(tier) \(name)")
    }
  }

  @Test("packed keys and values have the definition's bytes and scales", arguments: tiers)
  func packing(tier: Tier) {
    var random = SplitMix(state: 12)
    for kind in RowKind.ordinary {
      for tokens in Array(1...20) + [31, 50, 64] {
        let width = 16 * random.int(1...6)
        let x = kind.matrix(rows: tokens, width: width, extraStride: 16 * random.int(0...8), &random)
        func keys(_ tier: Tier) -> Data {
          let panels = Buffer<UInt8>(e3k_panel_bytes(width) * ((tokens + 15) / 16))
          tier.kernels.pack_keys(x.base, x.stride, tokens, width, panels.base)
          return panels.bytes
        }
        let means = Buffer<Float>(width), largest = Buffer<Float>(width), centred = Buffer(copy: x.values)
        #expect(
          scalar.kernels.centre_columns(centred.base, x.stride, tokens, width, means.base, largest.base) == 1)
        func values(_ tier: Tier) -> Data {
          let panels = Buffer<UInt8>(e3k_panel_bytes(tokens) * width / 16)
          tier.kernels.pack_values(centred.base, x.stride, tokens, width, means.base, largest.base, panels.base)
          return panels.bytes
        }
        #expect(keys(tier) == keys(scalar), "\(tier) \(kind) \(tokens) x \(width)")
        #expect(values(tier) == values(scalar), "\(tier) \(kind) \(tokens) x \(width)")
      }
    }
  }

  @Test("softmax, quantised and not, has the definition's bits", arguments: tiers)
  func softmax(tier: Tier) {
    forRows(seed: 13, kinds: RowKind.allCases, widths: 1...100) { name, x, random in
      let (count, width) = (x.rows, x.width)
      let stride = roundUp(width, 64)
      func quantized(_ tier: Tier) -> [Data] {
        let out = Buffer<UInt8>(count * stride), ranges = Buffer<e3k_range>(count)
        return outcome(
          tier.kernels.softmax_quantize(x.base, x.stride, count, width, out.base, stride, ranges.base),
          unflipped(out, tier, stride: stride, width: width), ranges.bytes)
      }
      func plain(_ tier: Tier) -> [Data] {
        let rows = Buffer(copy: x.values)
        return outcome(tier.kernels.softmax(rows.base, x.stride, count, width), rows.bytes)
      }
      #expect(quantized(tier) == quantized(scalar), "\(tier) \(name)")
      #expect(plain(tier) == plain(scalar), "\(tier) \(name)")
    }
  }

  @Test("exp, exp2, GELU and tanh have the definition's bits over the whole range of floats", arguments: tiers)
  func wholeRange(tier: Tier) {
    // 65,536 floats, every 65,521st, without infinities and NaN.
    let width = 512
    let values = (0..<UInt32(65_536)).map { Float(bitPattern: $0 &* 65_521) }.map { $0.isFinite ? $0 : 0 }
    for first in stride(from: 0, to: values.count, by: width) {
      let part = Buffer<Float>(width) { values[first + $0] }
      func powersOfTwo(_ tier: Tier) -> [Data] {
        // As for exponentials: bytes of one row, and of pairs what becomes of 2^x + 1.
        let row = Buffer<Float>(width) { $0 == 0 ? 0 : -abs(part.base[$0]) }
        let pairs = Buffer<Float>(width * 16) { $0 % 16 == 0 ? -abs(part.base[$0 / 16]) : 0 }
        func softmax(_ rows: Buffer<Float>, count: Int, width: Int) -> [Data] {
          let stride = roundUp(width, 64), out = Buffer<UInt8>(count * stride), ranges = Buffer<e3k_range>(count)
          return outcome(
            tier.kernels.softmax_quantize(rows.base, rows.count / count, count, width, out.base, stride, ranges.base),
            unflipped(out, tier, stride: stride, width: width), ranges.bytes)
        }
        return softmax(row, count: 1, width: width) + softmax(pairs, count: width, width: 2)
      }
      func exponentials(_ tier: Tier) -> [Data] {
        // One row, which wide vectors take, and a row for each value beside a 0, where no other value enters the sum.
        let row = Buffer<Float>(width) { $0 == 0 ? 0 : -abs(part.base[$0]) }
        #expect(tier.kernels.softmax(row.base, width, 1, width) == 1)
        let pairs = Buffer<Float>(width * 16) { $0 % 16 == 0 ? -abs(part.base[$0 / 16]) : 0 }
        #expect(tier.kernels.softmax(pairs.base, 16, width, 2) == 1)
        return [row.bytes, pairs.bytes]
      }
      func tangents(_ tier: Tier) -> Data {
        let values = Buffer(copy: part)
        #expect(tier.kernels.tanh(values.base, width) == 1)
        return values.bytes
      }
      func gelu(_ tier: Tier, _ form: e3k_gelu_form) -> [Data] {
        // Rows of one value each: the middle is GELU / 2. Wide enough for the widest vectors.
        (0..<width).map { index in
          let row = Buffer<Float>(64) { _ in part.base[index] }
          let out = Buffer<UInt8>(64), range = Buffer<e3k_range>(1)
          let isFinite = tier.kernels.gelu_quantize(row.base, 64, 1, 64, form, out.base, 64, range.base)
          #expect(isFinite == 1, "\(part.base[index])")
          return range.bytes
        }
      }
      #expect(powersOfTwo(tier) == powersOfTwo(scalar), "\(tier) exp2 from \(first)")
      #expect(exponentials(tier) == exponentials(scalar), "\(tier) exp from \(first)")
      #expect(tangents(tier) == tangents(scalar), "\(tier) tanh from \(first)")
      for form in [E3K_GELU_TANH, E3K_GELU_ERF] {
        #expect(gelu(tier, form) == gelu(scalar, form), "\(tier) GELU from \(first)")
      }
    }
  }

  @Test("a row through a layer from its output side has the definition's bits", arguments: tiers)
  func multiplyTransposed(tier: Tier) {
    var random = SplitMix(state: 20)
    for inputs in stride(from: 8, through: 320, by: 8) {
      for panels in 1...5 {
        let packed = Buffer<UInt8>(panels * e3k_panel_bytes(inputs)) { _ in UInt8(truncatingIfNeeded: random.next()) }
        for panel in 0..<panels {
          let tail = UnsafeMutableRawPointer(packed.base + panel * e3k_panel_bytes(inputs) + inputs * 16)
          for c in 0..<16 { tail.assumingMemoryBound(to: Float.self)[c] = random.float(0.01) }
        }
        let row = Buffer<Float>(panels * 16) { _ in random.float(3) }
        func run(_ tier: Tier) -> Data {
          let out = Buffer<Float>(roundUp(inputs, 16))
          tier.kernels.multiply_transposed(row.base, packed.base, panels, inputs, out.base)
          return out.bytes
        }
        #expect(run(tier) == run(scalar), "\(tier) \(inputs) inputs, \(panels) panels")
      }
    }
  }

  @Test("float products have the definition's bits, with and without bias", arguments: tiers)
  func floatGemm(tier: Tier) {
    var random = SplitMix(state: 14)
    for count in 1...20 {
      for panels in 1...9 {
        let inputs = random.int(1...60)
        let x = RowKind.uniform.matrix(rows: count, width: inputs, &random)
        let weights = Buffer<Float>(panels * inputs * 16) { _ in random.float }
        let bias = Buffer<Float>(panels * 16) { _ in random.float }
        for hasBias in [false, true] {
          func run(_ tier: Tier) -> Data {
            let out = Buffer<Float>(count * (panels * 16 + 16))
            tier.kernels.float_gemm(
              x.base, x.stride, count, inputs, weights.base, panels, hasBias ? bias.base : nil, out.base,
              panels * 16 + 16)
            return out.bytes
          }
          #expect(run(tier) == run(scalar), "\(tier) \(count) x \(inputs) x \(panels) panels")
        }
      }
    }
  }

  @Test("logarithms, differences and squared distances have the definition's bits", arguments: tiers)
  func distanceKernels(tier: Tier) {
    forRows(seed: 16, widths: 1...200) { name, x, random in
      let (count, width) = (x.rows, x.width)
      let y = RowKind.uniform.matrix(rows: 1, width: width, &random)
      func logs(_ tier: Tier) -> Data {
        let values = Buffer(copy: x.values)
        tier.kernels.scaled_log(values.base, values.count, 0.7)
        return values.bytes
      }
      func difference(_ tier: Tier) -> Data {
        let out = Buffer<Float>(roundUp(width, 16))
        tier.kernels.subtract(x.base, y.base, width, out.base)
        return out.bytes
      }
      func squares(_ tier: Tier) -> Data {
        let out = Buffer<Float>(count)
        tier.kernels.squared_distances(y.base, x.base, x.stride, count, width, out.base)
        return out.bytes
      }
      #expect(logs(tier) == logs(scalar), "\(tier) \(name)")
      #expect(difference(tier) == difference(scalar), "\(tier) \(name)")
      #expect(squares(tier) == squares(scalar), "\(tier) \(name)")
    }
  }

  @Test("tanh, means of rows and entropy have the definition's bits", arguments: tiers)
  func smallKernels(tier: Tier) {
    forRows(seed: 15, widths: 1...200) { name, x, random in
      let (count, width) = (x.rows, x.width)
      func tanh(_ tier: Tier) -> Data {
        let values = Buffer(copy: x.values)
        #expect(tier.kernels.tanh(values.base, values.count) == 1)
        return values.bytes
      }
      func mean(_ tier: Tier) -> Data {
        let out = Buffer<Float>(roundUp(width, 16))
        tier.kernels.mean_rows(x.base, x.stride, count, width, out.base)
        return out.bytes
      }
      let probabilities = Buffer(copy: x.values)
      #expect(scalar.kernels.softmax(probabilities.base, x.stride, count, width) == 1)
      #expect(tanh(tier) == tanh(scalar), "\(tier) \(name)")
      #expect(mean(tier) == mean(scalar), "\(tier) \(name)")
      for row in 0..<count {
        let p = probabilities.base + row * x.stride
        #expect(tier.kernels.entropy(p, width).bitPattern == scalar.kernels.entropy(p, width).bitPattern)
      }
    }
  }
}
