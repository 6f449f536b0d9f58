import CE3
import CE3Board
import CE3Kernels
import CE3Threads

/// Measures the matrix product on the shapes that the models have, against what the core can do at best.
///
/// Hot: the weights were used just before; the fastest repeat. Cold: each repeat multiplies with other weights, from
/// more memory than the caches hold, and takes turns with a loop that only reads as many bytes; the medians of both, as
/// a fast repeat may have found its weights in a cache after all, and what else the machine does with its memory
/// changes.
struct KernelBench: ~Copyable {
  /// Weights to choose from when they are to be cold.
  private static var poolBytes: Int { 256 << 20 }
  private static var largestOutput: Int { 3072 }
  private static var rowLimit: Int { 256 }

  private let options: BenchOptions
  private let table: UnsafePointer<e3k_table>
  private let pool: Memory
  private let rows: Memory
  private let ranges: Memory
  private let output: Memory
  private let samples: Memory
  private let scratch: Memory

  /// Measurements that fit into the time that was asked for: each of them takes that share of it.
  private static var measurementsInTime: UInt64 { 50 }

  /// Repeats that are kept.
  private static var sampleLimit: Int { 1 << 16 }

  init(_ options: BenchOptions) throws(Failure) {
    guard let table = e3k_select_tiles(options.session.isa, options.tiles) else {
      throw .report(nil, status: e3_status(E3_ERROR_ISA_UNAVAILABLE))
    }
    guard let pool = Memory(count: Self.poolBytes), let rows = Memory(count: Self.rowLimit * 4096),
      let ranges = Memory(count: MemoryLayout<e3k_range>.stride * Self.rowLimit),
      let output = Memory(count: 4 * Self.rowLimit * Self.largestOutput),
      let samples = Memory(count: 8 * Self.sampleLimit), let scratch = Memory(count: e3k_expanded_bytes(4096))
    else { throw .report(nil, "out of memory") }
    self.options = options
    self.table = table
    self.pool = pool
    self.rows = rows
    self.ranges = ranges
    self.output = output
    self.samples = samples
    self.scratch = scratch
    fill()
  }

  func run() throws(Failure) {
    let peak = Peak(isa: table.pointee.isa)
    let bandwidth = ReadBandwidth(over: pool)
    let out = JSONStream(stream: .output)
    if options.json {
      out.raw("{\"isa\":\"")
      out.stream.write(cString: table.pointee.name)
      out.raw(table.pointee.tiles == E3K_TILES_PAIRS ? "\",\"tiles\":\"pairs\"" : "\",\"tiles\":\"single\"")
      out.number("weight_bits", options.weights == E3K_INT4 ? 4 : 8, decimals: 0)
      out.number("peak_gmac_per_s", peak.gmacPerSecond, decimals: 2)
      out.number("read_gb_per_s", bandwidth.gigabytesPerSecond, decimals: 2)
      out.key("shapes")
    } else {
      out.stream.write(cString: table.pointee.name)
      out.raw(table.pointee.tiles == E3K_TILES_PAIRS ? ", tiles of two panels" : "")
      out.raw(options.weights == E3K_INT4 ? ", 4-bit weights: peak " : ": peak ")
      out.stream.write(peak.gmacPerSecond, decimals: 1)
      out.raw(" GMAC/s, reads ")
      out.stream.write(bandwidth.gigabytesPerSecond, decimals: 1)
      out.raw(" GB/s\n  rows  inputs  outputs   hot GMAC/s  % of peak   cold GMAC/s  % of reads\n")
    }
    var isFirst = true
    let rowCounts: InlineArray<10, Int> = [1, 2, 4, 8, 13, 16, 25, 50, 100, 197]
    let layers: InlineArray<4, Layer> = [
      Layer(inputs: 512, outputs: 2048), Layer(inputs: 2048, outputs: 512), Layer(inputs: 768, outputs: 3072),
      Layer(inputs: 3072, outputs: 768),
    ]
    for row in rowCounts.indices {
      for layer in layers.indices {
        let shape = Shape(
          rows: rowCounts[row], inputs: layers[layer].inputs, outputs: layers[layer].outputs, weights: options.weights)
        let times = Times(hot: hot(shape), cold: cold(shape))
        if options.json {
          out.raw(isFirst ? "[" : ",")
          shape.writeJSON(out, times, peak: peak)
        } else {
          shape.writeText(out.stream, times, peak: peak)
        }
        isFirst = false
      }
    }
    if options.json { out.raw("]}\n") }
  }

  /// Random bytes.
  private func fill() {
    var state: UInt64 = 1
    let words = pool.start.bindMemory(to: UInt64.self, capacity: pool.count / 8)
    for index in 0..<pool.count / 8 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      words[index] = (state >> 3) & 0x3f3f_3f3f_3f3f_3f3f  // 0...63
    }
    rows.start.copyMemory(from: pool.start, byteCount: rows.count)
    ranges.start.bindMemory(to: e3k_range.self, capacity: Self.rowLimit).initialize(
      repeating: e3k_range(scale: 0.01, middle: 0.01), count: Self.rowLimit)
  }

  /// Gives every panel of a layer scales and biases such as models have: random bytes hold subnormal floats,
  /// whose arithmetic is slow.
  private func setScales(_ shape: Shape) {
    for panel in 0..<pool.count / shape.panelBytes {
      let end = pool.start + (panel + 1) * shape.panelBytes
      let tail = (end - Int(E3K_PANEL_TAIL_BYTES)).assumingMemoryBound(to: Float.self)
      for channel in 0..<32 { tail[channel] = channel < 16 ? 1e-3 : 0.1 }
    }
  }

  /// Seconds of a product whose weights are in the caches, at best.
  private func hot(_ shape: Shape) -> Double {
    setScales(shape)
    let times = samples.start.bindMemory(to: UInt64.self, capacity: Self.sampleLimit)
    var repeats = 0
    let end = deadline()
    while repeats < 5 || (ce3_clock_ns() < end && repeats < Self.sampleLimit) {
      times[repeats] = nanoseconds(of: shape, weights: pool.start)
      repeats += 1
    }
    return seconds(times, repeats, quantile: 0)
  }

  /// Median seconds of a product whose weights come from memory, and of reading as many bytes.
  private func cold(_ shape: Shape) -> (product: Double, reading: Double) {
    setScales(shape)
    let limit = Self.sampleLimit / 2
    let products = samples.start.bindMemory(to: UInt64.self, capacity: Self.sampleLimit)
    let readings = products + limit
    var (place, repeats) = (0, 0)
    var sink: UInt64 = 0
    let end = deadline()
    func advance() -> UnsafeMutableRawPointer {
      place = place + 2 * shape.weightBytes > pool.count ? 0 : place + shape.weightBytes
      return pool.start + place
    }
    while repeats < 5 || (ce3_clock_ns() < end && repeats < limit) {
      products[repeats] = nanoseconds(of: shape, weights: advance())
      let bytes = advance()
      let start = ce3_clock_ns()
      sink ^= e3k_read_all(bytes, shape.weightBytes / 512 * 512)
      readings[repeats] = ce3_clock_ns() - start
      repeats += 1
    }
    withUnsafeBytes(of: sink) { _ in }
    return (seconds(products, repeats, quantile: 0.5), seconds(readings, repeats, quantile: 0.5))
  }

  private func deadline() -> UInt64 {
    ce3_clock_ns() + UInt64(options.seconds) * 1_000_000_000 / Self.measurementsInTime
  }

  private func seconds(_ times: UnsafeMutablePointer<UInt64>, _ count: Int, quantile: Double) -> Double {
    e3c_sort(times, count)
    return Double(times[Int(quantile * Double(count))]) / 1e9
  }

  private func nanoseconds(of shape: Shape, weights: UnsafeMutableRawPointer) -> UInt64 {
    var arguments = e3k_gemm()
    arguments.rows = UnsafePointer(rows.start.assumingMemoryBound(to: UInt8.self))
    arguments.row_stride = e3k_odd_lines(shape.inputs)
    arguments.ranges = UnsafePointer(ranges.start.assumingMemoryBound(to: e3k_range.self))
    arguments.row_count = shape.rows
    arguments.inputs = shape.inputs
    arguments.panels = UnsafePointer(weights.assumingMemoryBound(to: UInt8.self))
    arguments.panel_count = shape.outputs / 16
    arguments.out = output.start.assumingMemoryBound(to: Float.self)
    arguments.out_stride = e3k_odd_lines(4 * shape.outputs) / 4
    arguments.epilogue = E3K_STORE
    arguments.weights = shape.weights
    arguments.scratch = scratch.start.assumingMemoryBound(to: UInt8.self)
    let start = ce3_clock_ns()
    table.pointee.gemm(&arguments)
    return ce3_clock_ns() - start
  }

  /// Seconds.
  private struct Times {
    let hot: Double
    let cold: (product: Double, reading: Double)
  }

  private struct Layer {
    let inputs: Int
    let outputs: Int
  }

  private struct Shape {
    let rows: Int
    let inputs: Int
    let outputs: Int
    let weights: e3k_weights

    private var gmac: Double { Double(rows * inputs * outputs) / 1e9 }
    var panelBytes: Int { weights == E3K_INT4 ? e3k_int4_panel_bytes(inputs) : e3k_panel_bytes(inputs) }
    var weightBytes: Int { panelBytes * (outputs / 16) }

    func writeJSON(_ out: JSONStream, _ times: Times, peak: Peak) {
      out.open("rows")
      out.fixed(Double(rows), decimals: 0)
      out.number("inputs", Double(inputs), decimals: 0)
      out.number("outputs", Double(outputs), decimals: 0)
      out.number("hot_gmac_per_s", gmac / times.hot, decimals: 2)
      out.number("cold_gmac_per_s", gmac / times.cold.product, decimals: 2)
      out.number("hot_share", gmac / times.hot / peak.gmacPerSecond, decimals: 4)
      out.number("cold_read_gb_per_s", Double(weightBytes) / 1e9 / times.cold.product, decimals: 2)
      out.number("cold_read_share", times.cold.reading / times.cold.product, decimals: 4)
      out.raw("}")
    }

    func writeText(_ out: TextStream, _ times: Times, peak: Peak) {
      out.write(Double(rows), decimals: 0, width: 6)
      out.write(Double(inputs), decimals: 0, width: 8)
      out.write(Double(outputs), decimals: 0, width: 9)
      out.write(gmac / times.hot, decimals: 1, width: 13)
      out.write(100 * gmac / times.hot / peak.gmacPerSecond, decimals: 1, width: 11)
      out.write(gmac / times.cold.product, decimals: 1, width: 14)
      out.write(100 * times.cold.reading / times.cold.product, decimals: 1, width: 12)
      out.write("\n")
    }
  }
}
