import CE3
import CE3Kernels
import E3TestSupport
import Testing

/// Panels of valid grids and random codes, with the tail of int8 panels.
private func int4Panels(count: Int, inputs: Int, _ random: inout SplitMix) -> Buffer<UInt8> {
  let (bytes, codes) = (e3k_int4_panel_bytes(inputs), e3k_grid_bytes(inputs))
  let panels = Buffer<UInt8>(count * bytes)
  for panel in 0..<count {
    let start = panels.base + panel * bytes
    for index in 0..<bytes { start[index] = UInt8(truncatingIfNeeded: random.next()) }
    for index in 0..<codes {
      let zero = random.int(0...15)
      start[index] = UInt8(random.int(0...min(15, 127 / max(zero, 15 - zero))) + 16 * zero)
    }
    let tail = UnsafeMutableRawPointer(start + bytes - Int(E3K_PANEL_TAIL_BYTES))
    for channel in 0..<16 {
      var sum = 0
      for input in 0..<inputs { sum += weight(start, inputs: inputs, input: input, channel: channel) }
      (tail + 4 * channel).storeBytes(of: random.float(0.01), as: Float.self)
      (tail + 64 + 4 * channel).storeBytes(of: random.float(3), as: Float.self)
      (tail + 128 + 4 * channel).storeBytes(of: Int32(128 * sum), as: Int32.self)
    }
  }
  return panels
}

/// One weight, by the description in e3_kernels.h.
private func weight(_ panel: UnsafeMutablePointer<UInt8>, inputs: Int, input: Int, channel: Int) -> Int {
  let grid = Int(panel[input / 32 * 16 + channel])
  let byte = Int(panel[e3k_grid_bytes(inputs) + input / 8 * 64 + channel * 4 + input % 4])
  let code = input % 8 < 4 ? byte % 16 : byte / 16
  return grid % 16 * (code - grid / 16)
}

@Suite("4-bit weights")
struct Int4Tests {
  @Test("the definition: multiplier times the distance of a code from the zero of its 32 inputs")
  func definition() {
    var random = SplitMix(state: 1)
    for inputs in [8, 32, 40, 128, 200] {
      let panels = int4Panels(count: 3, inputs: inputs, &random)
      let expanded = Buffer<UInt8>(3 * e3k_panel_bytes(inputs))
      scalar.kernels.expand(panels.base, 3, inputs, expanded.base)
      for panel in 0..<3 {
        let from = panels.base + panel * e3k_int4_panel_bytes(inputs)
        let to = expanded.base + panel * e3k_panel_bytes(inputs)
        for input in 0..<inputs {
          for channel in 0..<16 {
            let byte = to[input / 4 * 64 + channel * 4 + input % 4]
            #expect(Int(Int8(bitPattern: byte)) == weight(from, inputs: inputs, input: input, channel: channel))
          }
        }
        for byte in 0..<Int(E3K_PANEL_TAIL_BYTES) {
          #expect(to[inputs * 16 + byte] == from[e3k_grid_bytes(inputs) + inputs * 8 + byte])
        }
      }
    }
  }

  @Test("every tier makes the same int8 panels of them, of bytes that no valid file has too", arguments: tiers)
  func expand(tier: Tier) {
    var random = SplitMix(state: 2)
    for inputs in [8, 24, 32, 56, 264] {
      let panels = Buffer<UInt8>(5 * e3k_int4_panel_bytes(inputs)) { _ in UInt8(truncatingIfNeeded: random.next()) }
      let (expected, actual) = (Buffer<UInt8>(5 * e3k_panel_bytes(inputs)), Buffer<UInt8>(5 * e3k_panel_bytes(inputs)))
      scalar.kernels.expand(panels.base, 5, inputs, expected.base)
      tier.kernels.expand(panels.base, 5, inputs, actual.base)
      #expect(actual.bytes == expected.bytes, "\(tier) \(inputs) inputs")
    }
  }

  // promise: int4-bits
  @Test(
    "their product is that of the int8 panels, on every tier and for any number of rows and panels", arguments: tiers)
  func product(tier: Tier) {
    var random = SplitMix(state: 3)
    for rows in Array(1...17) + [28, 40] {
      for (inputs, count) in [(8, 1), (8 * random.int(1...12), random.int(1...5)), (32, 4), (264, 3), (1032, 2)] {
        let panels = int4Panels(count: count, inputs: inputs, &random)
        let expanded = Buffer<UInt8>(count * e3k_panel_bytes(inputs))
        scalar.kernels.expand(panels.base, count, inputs, expanded.base)
        let stride = roundUp(inputs, 64)
        let activations = Buffer<UInt8>(rows * stride) { _ in UInt8(bitPattern: Int8(random.int(-127...127))) }
        let flipped = Buffer<UInt8>(rows * stride) { activations.base[$0] ^ tier.kernels.activation_flip }
        let ranges = Buffer(rows) { _ in e3k_range(scale: abs(random.float(0.01)), middle: random.float(2)) }
        let gates = Buffer(rows) { _ in abs(random.float) }
        let outRows = Buffer(rows) { UInt32(rows - 1 - $0) }
        let out = Matrix(rows: rows, width: 16 * count, extraStride: 16) { _, _ in random.float(2) }
        for epilogue in epilogues {
          func run(_ kernels: e3k_table, _ rowBytes: Buffer<UInt8>, _ panels: Buffer<UInt8>, _ weights: e3k_weights)
            -> Buffer<Float>
          {
            let result = Buffer(copy: out.values)
            let scratch = Buffer<UInt8>(e3k_expanded_bytes(inputs))
            var arguments = e3k_gemm()
            (arguments.rows, arguments.row_stride) = (UnsafePointer(rowBytes.base), stride)
            (arguments.ranges, arguments.row_count) = (UnsafePointer(ranges.base), rows)
            (arguments.inputs, arguments.panel_count) = (inputs, count)
            arguments.panels = UnsafePointer(panels.base)
            (arguments.out, arguments.out_stride) = (result.base, out.stride)
            (arguments.out_rows, arguments.gates) = (UnsafePointer(outRows.base), UnsafePointer(gates.base))
            (arguments.epilogue, arguments.weights) = (epilogue, weights)
            arguments.scratch = scratch.base
            kernels.gemm(&arguments)
            return result
          }
          let expected = run(scalar.kernels, activations, expanded, E3K_INT8)
          #expect(
            run(tier.kernels, flipped, panels, E3K_INT4).bytes == expected.bytes,
            "\(tier) \(rows) rows, \(inputs) inputs, \(count) panels, epilogue \(epilogue.rawValue)")
          #expect(run(scalar.kernels, activations, panels, E3K_INT4).bytes == expected.bytes)
        }
      }
    }
  }

  @Test("a grid is the best of all that stay within -127...127")
  func bestGrid() {
    var random = SplitMix(state: 4)
    for round in 0..<40 {
      let count = round % 4 == 0 ? random.int(1...31) : 32
      let scale = round == 0 ? 0 : 0.5 + abs(random.float)
      let middle = random.float(40)
      let weights = (0..<count).map { _ in random.float(60) + middle }
      let importance = (0..<count).map { _ in 0.1 + abs(random.float) }
      func miss(_ multiplier: Int, _ zero: Int) -> Double {
        zip(weights, importance).reduce(0.0) { sum, pair in
          let levels = (0...15).map { Double(scale) * Double(multiplier * ($0 - zero)) }
          return sum + Double(pair.1) * levels.map { (Double(pair.0) - $0) * (Double(pair.0) - $0) }.min()!
        }
      }
      var error = 0.0
      let grid = Int(e3k_fit_grid(weights, 1, count, scale, importance, &error))
      let valid = (0...15).flatMap { m in (0...15).map { (m, $0) } }.filter { $0 * max($1, 15 - $1) <= 127 }
      #expect(valid.contains { $0 == (grid % 16, grid / 16) })
      let best = valid.map(miss).min()!
      #expect(miss(grid % 16, grid / 16) <= best * 1.05 + 1e-3, "\(round)")
      #expect(abs(error - miss(grid % 16, grid / 16)) <= 1e-3 * error + 1e-3)
    }
  }
}
