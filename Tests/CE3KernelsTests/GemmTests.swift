import CE3
import CE3Kernels
import E3TestSupport
import Testing

/// One matrix product with everything it needs.
struct Product {
  let rows: Int, inputs: Int, outputs: Int
  let activations: Buffer<Int8>
  let ranges: Buffer<e3k_range>, gates: Buffer<Float>
  let outRows: Buffer<UInt32>
  let panels: Buffer<UInt8>
  let out: Matrix

  var rowStride: Int { roundUp(inputs, 64) }
  var paddedInputs: Int { roundUp(inputs, 8) }

  /// `extreme` fills activations and weights with -127 and 127, all of one sign in some rows and channels.
  init(rows: Int, inputs: Int, outputs: Int, extreme: Bool, _ random: inout SplitMix) {
    (self.rows, self.inputs, self.outputs) = (rows, inputs, outputs)
    let stride = roundUp(inputs, 64)
    var generator = random
    activations = Buffer(rows * stride) { i in
      if i % stride >= inputs { return 0 }
      return extreme
        ? ((i / stride) % 3 == 0 || generator.next() & 1 == 0 ? 127 : -127) : Int8(generator.int(-127...127))
    }
    ranges = Buffer(rows) { _ in e3k_range(scale: abs(generator.float(0.01)), middle: generator.float(2)) }
    gates = Buffer(rows) { _ in abs(generator.float) }
    panels = packed(
      inputs: inputs, outputs: outputs,
      { _, n in extreme ? [1, -1, generator.next() & 1 == 0 ? 1 : -1][n % 3] : generator.float },
      bias: { _ in generator.float(3) })
    out = Matrix(rows: 2 * rows, width: roundUp(outputs, 16), extraStride: 16) { _, _ in generator.float(2) }
    let targets = (0..<2 * rows).sorted { _, _ in generator.next() & 1 == 0 }
    outRows = Buffer(rows) { UInt32(targets[$0]) }
    random = generator
  }

  /// Output after the product on a tier, over a copy of `out`.
  func run(_ tier: Tier, _ epilogue: e3k_epilogue, from first: Int = 0, count: Int? = nil) -> Buffer<Float> {
    let flipped = Buffer<UInt8>(activations.count) {
      UInt8(bitPattern: activations.base[$0]) ^ tier.kernels.activation_flip
    }
    let result = Buffer(copy: out.values)
    var arguments = e3k_gemm()
    arguments.rows = UnsafePointer(flipped.base)
    arguments.row_stride = rowStride
    arguments.ranges = UnsafePointer(ranges.base)
    arguments.row_count = rows
    arguments.inputs = paddedInputs
    arguments.panels = UnsafePointer(panels.base) + first * e3k_panel_bytes(inputs)
    arguments.panel_count = count ?? (outputs + 15) / 16 - first
    arguments.out = result.base + first * 16
    arguments.out_stride = out.stride
    arguments.out_rows = UnsafePointer(outRows.base)
    arguments.gates = UnsafePointer(gates.base)
    arguments.epilogue = epilogue
    arguments.next = UnsafePointer(panels.base)
    tier.kernels.gemm(&arguments)
    return result
  }
}

let epilogues = [E3K_STORE, E3K_ADD, E3K_ADD_GATED]

@Suite("Int8 matrix product")
struct GemmTests {
  @Test("the definition is the exact integer sum, scaled and biased")
  func definition() {
    var random = SplitMix(state: 1)
    for extreme in [false, true] {
      let product = Product(rows: 5, inputs: 203, outputs: 37, extreme: extreme, &random)
      let out = product.run(scalar, E3K_STORE)
      let bytes = e3k_panel_bytes(203)
      for row in 0..<5 {
        for n in 0..<37 {
          let panel = UnsafeRawPointer(product.panels.base) + n / 16 * bytes
          var (sum, total) = (0, 0)
          for k in 0..<203 {
            let w = panel.load(fromByteOffset: k / 4 * 64 + n % 16 * 4 + k % 4, as: Int8.self)
            sum += Int(product.activations.base[row * product.rowStride + k]) * Int(w)
            total += Int(w)
          }
          let scale = panel.load(fromByteOffset: product.paddedInputs * 16 + n % 16 * 4, as: Float.self)
          let bias = panel.load(fromByteOffset: product.paddedInputs * 16 + 64 + n % 16 * 4, as: Float.self)
          let range = product.ranges.base[row]
          let middle = range.middle * (scale * Float(total))
          #expect(out.base[row * product.out.stride + n] == Float(sum) * (range.scale * scale) + (middle + bias))
        }
      }
    }
  }

  // promise: isa-bits
  @Test("every tier gives the definition's bits, whatever the shape, epilogue and operands", arguments: tiers)
  func tiersAgree(tier: Tier) {
    var random = SplitMix(state: 2)
    var shapes: [(rows: Int, inputs: Int, outputs: Int)] = []
    shapes += (1...29).map { ($0, 8 * random.int(1...8), random.int(1...60)) }
    shapes += (1...9).map { (random.int(1...30), 8 * random.int(1...16), 16 * $0) }
    shapes += [(1, 8, 1), (13, 512, 48), (50, 64, 64), (7, 3072, 16), (197, 16, 16), (9, 1536, 80), (40, 1032, 64)]
    shapes += [(8, 512, 33), (11, 520, 17), (131, 520, 33), (270, 1048, 16)]
    for shape in shapes {
      for extreme in [false, true] {
        let product = Product(rows: shape.rows, inputs: shape.inputs, outputs: shape.outputs, extreme: extreme, &random)
        for epilogue in extreme ? [E3K_STORE] : epilogues {
          #expect(
            product.run(tier, epilogue).bytes == product.run(scalar, epilogue).bytes,
            "\(tier) \(shape) epilogue \(epilogue.rawValue)")
        }
      }
    }
  }

  @Test("inputs that are not a multiple of 8 are padded with zero weights", arguments: tiers)
  func paddedInputs(tier: Tier) {
    var random = SplitMix(state: 3)
    for inputs in [1, 3, 7, 9, 27, 100] {
      let product = Product(rows: 6, inputs: inputs, outputs: 20, extreme: false, &random)
      #expect(product.run(tier, E3K_STORE).bytes == product.run(scalar, E3K_STORE).bytes)
    }
  }

  @Test("panels may be computed in parts, as threads do", arguments: tiers)
  func partition(tier: Tier) {
    var random = SplitMix(state: 4)
    let product = Product(rows: 14, inputs: 96, outputs: 112, extreme: false, &random)
    let whole = product.run(scalar, E3K_STORE)
    for split in 1..<7 {
      let left = product.run(tier, E3K_STORE, count: split)
      let right = product.run(tier, E3K_STORE, from: split)
      for row in 0..<14 {
        for n in 0..<112 {
          let part = n < split * 16 ? left : right
          #expect(part.base[row * product.out.stride + n] == whole.base[row * product.out.stride + n])
        }
      }
    }
  }

  @Test("a row that is the target of two assignments receives both, in order", arguments: [scalar] + tiers)
  func sharedTarget(tier: Tier) {
    var random = SplitMix(state: 5)
    let product = Product(rows: 9, inputs: 16, outputs: 16, extreme: false, &random)
    for r in 0..<9 { product.outRows.base[r] = UInt32(r / 2) }
    let stored = product.run(scalar, E3K_STORE)
    let out = product.run(tier, E3K_ADD_GATED)
    for target in 0..<5 {
      for n in 0..<16 {
        var expected = product.out.base[target * product.out.stride + n]
        for r in 0..<9 where r / 2 == target {
          expected += product.gates.base[r] * stored.base[r * product.out.stride + n]
        }
        #expect(out.base[target * product.out.stride + n] == expected)
      }
    }
  }
}
