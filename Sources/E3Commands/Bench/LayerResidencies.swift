import CE3
import CE3Board

/// How the experts of each MoE layer came into memory in the last repeat; none without `--resident`.
struct LayerResidencies: ~Copyable {
  private let memory: Memory?
  private let layers: UnsafeMutablePointer<e3_residency>?
  let count: Int

  init() {
    memory = nil
    layers = nil
    count = 0
  }

  init(of model: borrowing Model) throws(Failure) {
    var count = 0
    while model.residency(layer: count) != nil { count += 1 }
    guard let memory = Memory(count: count * MemoryLayout<e3_residency>.stride) else {
      throw .report(nil, "out of memory")
    }
    let layers = memory.start.bindMemory(to: e3_residency.self, capacity: count)
    for index in 0..<count { layers[index] = model.residency(layer: index) ?? e3_residency() }
    (self.layers, self.count) = (layers, count)
    self.memory = .some(memory)
  }

  subscript(index: Int) -> e3_residency {
    guard let layers, index < count else { return e3_residency() }
    return layers[index]
  }

  func writeJSON(_ out: JSONStream) {
    out.key("residency")
    out.raw("[")
    for index in 0..<count {
      let layer = self[index]
      if index > 0 { out.raw(",") }
      out.open("network")
      out.stream.write(layer.network)
      out.number("block", Double(layer.block), decimals: 0)
      out.number("experts", Double(layer.experts), decimals: 0)
      out.number("resident", Double(layer.resident), decimals: 0)
      out.number("chosen", Double(layer.chosen), decimals: 0)
      out.number("chosen_resident", Double(layer.chosen_resident), decimals: 0)
      out.number("chosen_bytes", Double(layer.chosen_bytes), decimals: 0)
      out.number("read_bytes", Double(layer.read_bytes), decimals: 0)
      out.number("waiting_ms", Double(layer.waiting_ns) / 1e6, decimals: 4)
      out.number("hit_share", layer.hitShare, decimals: 4)
      out.raw("}")
    }
    out.raw("]")
  }

  func writeText(_ out: TextStream) {
    for index in 0..<count {
      let layer = self[index]
      out.write("  block ")
      if layer.network > 0 {
        out.write(layer.network)
        out.write("/")
      }
      out.write(layer.block)
      out.write(": ")
      out.write(layer.chosen)
      out.write(" of ")
      out.write(layer.experts)
      out.write(" experts chosen, ")
      out.write(Double(layer.read_bytes) / 1e6, decimals: 1)
      out.write(" MB read, ")
      out.write(Double(layer.waiting_ns) / 1e6, decimals: 1)
      out.write(" ms waited, ")
      out.write(percent: Float(layer.hitShare))
      out.write(" were in memory\n")
    }
  }
}

extension e3_residency {
  /// Share of the bytes of the chosen experts that were in memory.
  fileprivate var hitShare: Double { 1 - Double(read_bytes) / Double(max(chosen_bytes, 1)) }
}
