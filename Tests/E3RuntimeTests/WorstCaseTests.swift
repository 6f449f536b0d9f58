import CE3
import CE3Kernels
import CE3TestSupport
import CE3Threads
import E3Format
import E3TestSupport
import Testing

@testable import E3Runtime

/// What a frame may cost at most, from the dimensions alone: the formulae of docs/WORST_CASE.md.
private struct WorstCase {
  var multiplyAccumulates = 0
  var weightBytes = 0
  var barriers = 0

  private let shape: ModelShape
  private let threads: Int

  /// - Parameter isFrame: whether a camera's frame is prepared first; else it is a tensor.
  init(_ file: ModelFile, threads: Int, isFrame: Bool) {
    (shape, self.threads) = (file.shape, threads)
    let (m, t) = (shape.memberCount, shape.tokenCount)
    barriers += isFrame ? 1 : 0
    linear(rows: shape.patchCount, shape.patchValueCount, shape.hiddenSize)
    barriers += 2
    var copies = 1
    for block in 0..<shape.layerCount {
      let rows = shape.readsOnlyFirstToken(ofBlock: block) ? 1 : t
      attention(block, copies, rows)
      barriers += 5
      if shape.isMoE(block) {
        copies = m
        experts(file, block, rows)
      } else {
        mlp(rows: copies * rows, shape.mlpSize, file.mlp(block: block).expand.isInt4)
        barriers += 1
      }
    }
    pooling(file)
    if shape.hasPreLogits { linear(rows: m, shape.pooledSize, shape.headInputSize) }
    barriers += shape.hasPreLogits ? 3 : 1
    float(rows: m, shape.headInputSize, up(shape.classCount, 16), biasBytes: 4 * up(shape.classCount, 16))
    if file.hasStatistics { distances() }
    barriers += 1
  }

  private func up(_ value: Int, _ multiple: Int) -> Int { (value + multiple - 1) / multiple * multiple }

  /// B: rows that go through an MLP at a time.
  private var batchRows: Int {
    let widest = max(shape.mlpSize, shape.expertMLPSize)
    return min(shape.memberCount * shape.tokenCount, max(64, threads * (786_432 / (4 * up(widest, 16)))))
  }

  /// Bytes of a layer's panels.
  private func bytes(_ inputs: Int, _ outputs: Int, isInt4: Bool = false) -> Int {
    let padded = up(inputs, 8)
    let weights = isInt4 ? up(up(inputs, 32) / 2, 64) + 8 * padded : 16 * padded
    return up(outputs, 16) / 16 * (weights + 192)
  }

  private mutating func linear(rows: Int, _ inputs: Int, _ outputs: Int, reads: Int = 1, isInt4: Bool = false) {
    multiplyAccumulates += rows * up(inputs, 8) * up(outputs, 16)
    weightBytes += reads * bytes(inputs, outputs, isInt4: isInt4)
  }

  private mutating func float(rows: Int, _ inputs: Int, _ outputs: Int, biasBytes: Int = 0) {
    multiplyAccumulates += rows * inputs * outputs
    weightBytes += 4 * inputs * outputs + biasBytes
  }

  private mutating func attention(_ block: Int, _ copies: Int, _ rows: Int) {
    let (t, h, w) = (shape.tokenCount, shape.hiddenSize, shape.attentionWidth)
    if shape.foldsKeysAndValues(ofBlock: block) {
      let (h16, heads) = (up(h, 16), copies * shape.headCount)
      linear(rows: copies, h, w)  // queries
      // The keys' weights go into the query, the values' come after the weighted tokens: head by head.
      linear(rows: heads, h, shape.headSizePadded, reads: heads)
      linear(rows: heads, h, shape.headSizePadded, reads: heads)
      // The tokens as panels, read once for the heads of a sequence that a worker has.
      linear(rows: heads, h16, t, reads: min(heads, copies + threads - 1))
      linear(rows: heads, t, h16, reads: min(heads, copies + threads - 1))
    } else {
      linear(rows: copies * t, h, 2 * w)
      linear(rows: copies * rows, h, w)
      for _ in 0..<copies * shape.headCount { head(rows) }
    }
    linear(rows: copies * rows, w, h)
  }

  /// Scores and contexts of `rows` queries of a head; keys and values are panels, too, which each piece of 64 queries reads.
  private mutating func head(_ rows: Int) {
    let pieces = (rows + 63) / 64
    linear(rows: rows, shape.headSizePadded, shape.tokenCount, reads: pieces)
    linear(rows: rows, shape.tokenCount, shape.headSizePadded, reads: pieces)
  }

  private mutating func mlp(rows: Int, _ width: Int, _ isInt4: Bool) {
    let pieces = (rows + batchRows - 1) / batchRows
    linear(rows: rows, shape.hiddenSize, width, reads: pieces, isInt4: isInt4)
    linear(rows: rows, width, shape.hiddenSize, reads: pieces, isInt4: isInt4)
    barriers += 2 * pieces + 1
  }

  private mutating func experts(_ file: ModelFile, _ block: Int, _ rows: Int) {
    let (m, e) = (shape.memberCount, shape.expertCount)
    let routed = m * rows
    for _ in 0..<m { float(rows: rows, shape.hiddenSize, up(shape.expertsPerMember, 16)) }
    // Each worker reads a router for its own rows.
    weightBytes += (threads - 1) * 4 * shape.hiddenSize * up(shape.expertsPerMember, 16)
    var assigned = routed * shape.selectedExperts
    if shape.capacityMode != .none { assigned = min(assigned, e * shape.capacity) }
    let used = min(e, assigned)
    let pieces = used + assigned / batchRows
    let isInt4 = file.expert(block: block, index: 0).expand.isInt4
    linear(rows: assigned, shape.hiddenSize, shape.expertMLPSize, reads: pieces, isInt4: isInt4)
    linear(rows: assigned, shape.expertMLPSize, shape.hiddenSize, reads: pieces, isInt4: isInt4)
    barriers += 5 + 2 * (assigned <= batchRows ? 1 : min(pieces, 4 * assigned / batchRows + 1))
  }

  private mutating func pooling(_ file: ModelFile) {
    let (m, t, h, w) = (shape.memberCount, shape.tokenCount, shape.hiddenSize, shape.attentionWidth)
    switch shape.classifier {
    case .gap, .tokenGap, .tokenPair: barriers += 2
    case .map:
      linear(rows: m * t, h, 2 * w)
      for _ in 0..<m * shape.headCount { head(1) }
      linear(rows: m, w, h)
      barriers += 7
      mlp(rows: m, shape.mlpSize, file.mapMLP.expand.isInt4)
    default: barriers += 1
    }
  }

  private mutating func distances() {
    let (m, c, r) = (shape.memberCount, shape.classCount, up(shape.headInputSize, 16))
    multiplyAccumulates += m * r * (r + 16) + m * (c + 1) * r
    weightBytes += 4 * (m * r * (r + 16) + m * (c + 1) * r)
    barriers += 3
  }
}

/// One after the other: what is counted is counted for the process.
@Suite("A frame's work", .serialized)
struct WorstCaseTests {
  /// How tokens may be spread over the experts.
  enum Routing: CaseIterable { case random, allToOne, capacityOfOne }

  private func file(_ config: e3_file_config, _ routing: Routing, _ weights: SampleFile.Weights) throws -> [UInt8] {
    var file = SampleFile(config: config, seed: 7)
    file.weights = weights
    file.calibration = SampleFile.thresholds(hasStatistics: true)
    file.calibration?.set_threshold = 0
    file.hasStatistics = true
    var bytes = try file.bytes
    guard routing == .allToOne else { return bytes }
    // Equal gates: every token of a member goes to its first experts.
    for index in 0..<Int(bytes.header.extent_count)
    where bytes[extent: index].kind == UInt32(ExtentKind.router.rawValue) {
      let extent = bytes[extent: index]
      for place in Int(extent.offset)..<Int(extent.offset + extent.length) { bytes[place] = 0 }
      bytes.resealExtent(index)
    }
    // A calibration holds for one set of weights.
    let configs = bytes[[UInt8].configOffset..<bytes.tableOffset]
    var hashed: [UInt8] = Array(configs)
    for index in 0..<Int(bytes.header.extent_count) {
      let extent = bytes[extent: index]
      if extent.kind < UInt32(ExtentKind.labels.rawValue) { hashed += SampleFile.raw(extent.checksum) }
    }
    let hash = hashed.withUnsafeBytes { XXH64.hash($0) }
    try bytes.write(hash, in: .calibration, at: 56)
    return bytes
  }

  /// Runs `body` with a session that counts; returns what it counted.
  private func counted(_ session: OpenSession, _ body: () throws -> Void) throws -> (work: work, barriers: Int) {
    let pointer = try #require(UnsafeMutableRawPointer(session.handle))
    let real = pointer.assumingMemoryBound(to: Session.self).pointee.kernels
    let offset = try #require(MemoryLayout<Session>.offset(of: \Session.kernels))
    pointer.storeBytes(of: counting(real), toByteOffset: offset, as: UnsafePointer<e3k_table>?.self)
    defer { pointer.storeBytes(of: real, toByteOffset: offset, as: UnsafePointer<e3k_table>.self) }
    let team = pointer.assumingMemoryBound(to: Session.self).pointee.team
    let before = team.pointee.barrier_phase
    try body()
    return (take_work(), Int(team.pointee.barrier_phase &- before))
  }

  private func images(_ model: OpenModel) -> [[Float]] {
    let count = model.image(seed: 0).count
    return [
      model.image(seed: 1), [Float](repeating: 0, count: count), (0..<count).map { $0 % 2 == 0 ? 1 : -1 },
      model.image(seed: 2).map { $0 * 1e-20 },
    ]
  }

  /// A frame of another size than the model's.
  private func camera(_ session: OpenSession) throws {
    try withRGB24(noise(61 * 47 * 3), width: 61, height: 47) { _ = try session.answer($0) }
  }

  @Test(
    "is never above what its dimensions bound, whatever routing, picture and calibration", arguments: awkwardConfigs)
  func bound(sample: (name: String, config: e3_file_config)) throws {
    for routing in Routing.allCases {
      var config = sample.config
      if routing == .capacityOfOne {
        guard config.expert_count > 0 else { continue }
        (config.capacity_mode, config.capacity) = (UInt32(E3_FILE_CAPACITY_PRIORITY.rawValue), 1)
      }
      let model = try OpenModel(file(config, routing, .int8))
      let view = try ModelFile(validating: UnsafeRawBufferPointer(model.memory))
      for threads in [1, 3] {
        let session = try OpenSession(model, sessionOptions(threads: threads))
        let runs =
          images(model).map { image in (false, { _ = try session.run(image) }) } + [(true, { try camera(session) })]
        for (isFrame, run) in runs {
          let bound = WorstCase(view, threads: threads, isFrame: isFrame)
          let (work, barriers) = try counted(session, run)
          let what = "\(sample.name), \(routing), \(threads) threads, \(isFrame ? "a frame" : "a tensor")"
          #expect(Int(work.multiply_accumulates) <= bound.multiplyAccumulates, "\(what)")
          #expect(Int(work.weight_bytes) <= bound.weightBytes, "\(what)")
          #expect(barriers <= (threads == 1 ? 0 : bound.barriers), "\(what)")
          // The bound is near: nothing but capacity and pieces of experts is counted that may not be needed.
          if routing != .capacityOfOne, config.capacity_mode == 0 {
            #expect(Int(work.multiply_accumulates) == bound.multiplyAccumulates, "\(what)")
          }
          if config.expert_count == 0, threads > 1 { #expect(barriers == bound.barriers, "\(what)") }
        }
      }
    }
  }
}
