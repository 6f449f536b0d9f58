import CE3
import E3Format

/// Latencies of many repeats, in milliseconds.
struct LatencySummary {
  /// Repeats that are kept.
  static let limit = 1 << 20

  let count: Int
  let fastest, p50, p90, p99, p999, slowest: Double

  /// - Parameter sorted: `count` nanoseconds, at least one, ascending.
  init(sorted: UnsafePointer<UInt64>, count: Int) {
    func rank(_ share: Double) -> Double {
      Double(sorted[min(Int(share * Double(count)), count - 1)]) / 1e6
    }
    self.count = count
    fastest = rank(0)
    (p50, p90, p99, p999) = (rank(0.5), rank(0.9), rank(0.99), rank(0.999))
    slowest = rank(1)
  }
}

/// What was measured of a model.
struct BenchReport {
  let costs: ModelCosts
  let isa: e3_isa
  let threads: Int
  let arenaBytes: Int
  var samples: LatencySummary?
  /// Of the fastest repeat.
  var profile = e3_profile()
  var residentOfFiles: UInt64 = 0
  var residentOwn: UInt64 = 0
  var coldStart: ColdStart?
  /// Milliseconds of the fastest repeat with all tokens at the same experts; nil for a dense model.
  var worstRouting: Double?
  var peak: Peak?

  init(costs: ModelCosts, isa: e3_isa, threads: Int, arenaBytes: Int) {
    (self.costs, self.isa, self.threads, self.arenaBytes) = (costs, isa, threads, arenaBytes)
  }

  /// Billions of multiply-accumulates of a frame.
  private var gmac: Double { Double(costs.stages.total) / 1e9 }
  private var gmacPerSecond: Double { gmac / ((samples?.fastest ?? .infinity) / 1e3) }
  /// Of all threads together.
  private var peakGMACPerSecond: Double { (peak?.gmacPerSecond ?? .nan) * Double(threads) }

  private struct Stage {
    let name: StaticString
    let milliseconds: Double
    let gmac: Double
  }

  private func stage(_ index: Int) -> Stage? {
    let stages = costs.stages
    func make(_ name: StaticString, _ nanoseconds: UInt64, _ macs: UInt64) -> Stage {
      Stage(name: name, milliseconds: Double(nanoseconds) / 1e6, gmac: Double(macs) / 1e9)
    }
    return switch index {
    case 0: make("preprocess", profile.preprocess_ns, 0)
    case 1: make("embedding", profile.embedding_ns, stages.embedding.value)
    case 2: make("attention", profile.attention_ns, stages.attention.value)
    case 3: make("mlp", profile.mlp_ns, stages.mlp.value)
    case 4: make("routing", profile.routing_ns, stages.routing.value)
    case 5: make("experts", profile.experts_ns, stages.experts.value)
    case 6: make("head", profile.head_ns, stages.head.value)
    default: nil
    }
  }
}

extension BenchReport {
  func writeJSON(_ path: UnsafePointer<CChar>, _ layers: borrowing LayerResidencies) {
    guard let samples, let coldStart else { return }
    let out = JSONStream(stream: .output)
    out.open("model")
    out.text(CString.bytes(path))
    out.key("isa")
    out.text(e3_isa_name(isa).map { CString.bytes($0) } ?? UnsafeRawBufferPointer(start: nil, count: 0))
    out.number("threads", Double(threads), decimals: 0)
    out.number("networks", Double(costs.networks), decimals: 0)
    out.number("gmac", gmac, decimals: 6)
    out.number("repeats", Double(samples.count), decimals: 0)
    out.key("latency_ms")
    out.raw("{\"min\":")
    out.fixed(samples.fastest, decimals: 4)
    out.number("p50", samples.p50, decimals: 4)
    out.number("p90", samples.p90, decimals: 4)
    out.number("p99", samples.p99, decimals: 4)
    out.number("p999", samples.p999, decimals: 4)
    out.number("max", samples.slowest, decimals: 4)
    out.raw("}")
    out.number("gmac_per_s", gmacPerSecond, decimals: 2)
    out.number("peak_gmac_per_s", peakGMACPerSecond, decimals: 2)
    out.number("peak_share", gmacPerSecond / peakGMACPerSecond, decimals: 4)
    out.key("stages")
    var index = 0
    while let stage = stage(index) {
      out.raw(index == 0 ? "[{\"name\":\"" : ",{\"name\":\"")
      out.raw(stage.name)
      out.raw("\"")
      out.number("ms", stage.milliseconds, decimals: 4)
      out.number("gmac", stage.gmac, decimals: 6)
      out.raw("}")
      index += 1
    }
    out.raw("]")
    out.number("cold_start_ms", coldStart.cached, decimals: 3)
    out.number("cold_start_uncached_ms", coldStart.uncached, decimals: 3)
    out.number("rss_bytes", Double(residentOfFiles + residentOwn), decimals: 0)
    out.number("rss_file_bytes", Double(residentOfFiles), decimals: 0)
    out.number("rss_own_bytes", Double(residentOwn), decimals: 0)
    out.number("arena_bytes", Double(arenaBytes), decimals: 0)
    out.key("worst_case_routing_ms")
    if let worstRouting { out.fixed(worstRouting, decimals: 4) } else { out.raw("null") }
    if layers.count > 0 { layers.writeJSON(out) }
    out.raw("}\n")
  }

  func writeText(_ path: UnsafePointer<CChar>, _ layers: borrowing LayerResidencies) {
    guard let samples, let coldStart else { return }
    let out = TextStream.output
    out.write(path: path)
    out.write(": ")
    out.write(cString: e3_isa_name(isa))
    out.write(", ")
    out.write(threads)
    out.write(threads == 1 ? " thread, " : " threads, ")
    out.write(samples.count)
    out.write(" repeats")
    if costs.networks > 1 {
      out.write(", all ")
      out.write(costs.networks)
      out.write(" networks")
    }
    out.write("\n")
    line("latency", [Figure("min", samples.fastest), Figure("p50", samples.p50), Figure("p90", samples.p90)], " ms")
    line("", [Figure("p99", samples.p99), Figure("p99.9", samples.p999), Figure("max", samples.slowest)], " ms")
    line("work", [Figure("GMAC", gmac), Figure("GMAC/s", gmacPerSecond), Figure("peak", peakGMACPerSecond)], "")
    line("", [Figure("% of peak", 100 * gmacPerSecond / peakGMACPerSecond)], "")
    var index = 0
    while let stage = stage(index) {
      out.write("  ")
      out.write(stage.name)
      out.write(" ", times: 12 - stage.name.utf8CodeUnitCount)
      out.write(stage.milliseconds, decimals: 3, width: 10)
      out.write(" ms")
      out.write(stage.gmac, decimals: 4, width: 10)
      out.write(" GMAC")
      if stage.gmac > 0 {
        out.write(1e5 * stage.gmac / stage.milliseconds / peakGMACPerSecond, decimals: 1, width: 8)
        out.write(" % of peak")
      }
      out.write("\n")
      index += 1
    }
    line("cold start", [Figure("cached", coldStart.cached), Figure("not cached", coldStart.uncached)], " ms")
    line(
      "memory",
      [
        Figure("file", Double(residentOfFiles) / 1e6), Figure("own", Double(residentOwn) / 1e6),
        Figure("arena", Double(arenaBytes) / 1e6),
      ],
      " MB")
    layers.writeText(out)
    if let worstRouting { line("worst routing", [Figure("min", worstRouting)], " ms") }
  }

  /// A titled line of named figures.
  private func line<let count: Int>(
    _ title: StaticString, _ figures: InlineArray<count, Figure>, _ unit: StaticString
  ) {
    let out = TextStream.output
    out.write("  ")
    out.write(title)
    out.write(" ", times: 14 - title.utf8CodeUnitCount)
    for index in 0..<count {
      out.write(figures[index].name)
      out.write(figures[index].value, decimals: 3, width: 10)
      out.write(unit)
      if index < count - 1 { out.write("  ") }
    }
    out.write("\n")
  }

  private struct Figure {
    let name: StaticString
    let value: Double

    init(_ name: StaticString, _ value: Double) { (self.name, self.value) = (name, value) }
  }
}
