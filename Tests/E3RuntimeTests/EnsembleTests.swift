import CE3
import CE3Kernels
import E3Format
import E3TestSupport
import Testing

@testable import E3Runtime

/// Several networks in one file answer as one model of all their members.
@Suite("A deep ensemble in one file")
struct EnsembleTests {
  /// Networks of every kind for the same image and classes; some cut it into other patches than others.
  private static let kinds = [
    "wide", "dense", "sparse, one member", "mean pooling", "attention pooling", "341 tokens", "two tokens", "capacity",
  ]

  private static func config(_ name: String, pillow: Bool = false) -> e3_file_config {
    var config = awkwardConfigs.first { $0.name == name }?.config ?? SampleFile.config
    guard pillow else { return config }
    config.resize = UInt32(E3_FILE_RESIZE_PILLOW.rawValue)
    (config.resize_height, config.resize_width) = (45, 60)
    config.resize_filter = UInt32(E3_FILE_FILTER_BICUBIC.rawValue)
    return config
  }

  private static func file(_ names: [String], pillow: Bool = false, isCalibrated: Bool = false) -> SampleFile {
    var file = SampleFile(config: config(names[0], pillow: pillow), seed: 1)
    file.others = names.indices.dropFirst().map {
      SampleFile.Network(config(names[$0], pillow: pillow), seed: UInt64($0) + 1)
    }
    if isCalibrated { (file.calibration, file.hasStatistics) = (SampleFile.thresholds(hasStatistics: true), true) }
    return file
  }

  /// Files of one network each.
  private static func parts(of file: SampleFile) -> [SampleFile] {
    file.networks.map { network in
      var part = SampleFile(config: network.config, seed: network.seed)
      (part.calibration, part.hasStatistics) = (file.calibration, file.hasStatistics)
      return part
    }
  }

  private func floats(_ values: UnsafePointer<Float>, _ count: Int) -> [UInt32] {
    (0..<count).map { values[$0].bitPattern }
  }

  // promise: networks, equal-bits
  @Test(
    "gives the bits of the files that it consists of, and their mean, member by member",
    arguments: [
      ["dense", "dense"], ["dense", "wide"], ["wide", "dense", "sparse, one member"], ["341 tokens", "dense"],
      ["dense", "341 tokens", "dense"], EnsembleTests.kinds,
    ], [false, true])
  func combination(names: [String], isCalibrated: Bool) throws {
    let file = Self.file(names, isCalibrated: isCalibrated)
    let whole = try OpenModel(file.bytes)
    let image = whole.image(seed: 4)
    let kernels = try #require(e3k_select(e3_isa(E3_ISA_SCALAR)))
    let session = try OpenSession(whole, sessionOptions())
    let result = try session.run(image)
    let classes = Int(result.classes)
    var member = 0
    var (expected, sum, nearest): (Float, [Float], Float) = (0, [], 0)
    for part in Self.parts(of: file) {
      let alone = try OpenSession(OpenModel(part.bytes), sessionOptions())
      let answer = try alone.run(image)
      let width = Int(alone.model.info.representation_size)
      for index in 0..<Int(answer.members) {
        let place = member + index
        #expect(
          floats(result.member_logits + place * classes, classes)
            == floats(answer.member_logits + index * classes, classes))
        let mine = result.member_probabilities + place * classes
        #expect(floats(mine, classes) == floats(answer.member_probabilities + index * classes, classes))
        let row = result.representations + place * Int(result.representation_stride)
        let other = answer.representations + index * Int(answer.representation_stride)
        #expect(floats(row, width) == floats(other, width))
        #expect((width..<Int(whole.info.representation_size)).allSatisfy { row[$0] == 0 })
        var padded = [Float](repeating: 0, count: (classes + 15) / 16 * 16)
        for i in 0..<classes { padded[i] = mine[i] }
        expected += kernels.pointee.entropy(padded, classes)
        sum = sum.isEmpty ? Array(padded[..<classes]) : zip(sum, padded).map { $0 + $1 }
      }
      nearest += answer.distance * answer.distance * Float(answer.members)
      member += Int(answer.members)
    }
    #expect(Int(result.members) == member && Int(whole.info.members) == member)
    #expect(result.expected_entropy.bitPattern == (expected / Float(member)).bitPattern)
    var mean = sum.map { $0 * (1 / Float(member)) } + [Float](repeating: 0, count: (classes + 15) / 16 * 16 - classes)
    #expect(result.total_entropy.bitPattern == kernels.pointee.entropy(mean, classes).bitPattern)
    if isCalibrated {
      kernels.pointee.scaled_log(&mean, mean.count, 1 / SampleFile.thresholds(hasStatistics: true).temperature)
      _ = kernels.pointee.softmax(&mean, mean.count, 1, classes)
      let distance = (nearest / Float(member)).squareRoot()
      #expect(abs(result.distance - distance) < 1e-4 * distance)
    }
    #expect(floats(result.probabilities, classes) == mean[..<classes].map(\.bitPattern))
    #expect(session.isGuardIntact)
  }

  // promise: networks
  @Test("of networks of one member each has the exact mean of their distances")
  func distances() throws {
    let file = Self.file(["dense", "sparse, one member", "dense"], isCalibrated: true)
    let whole = try OpenModel(file.bytes)
    let image = whole.image(seed: 2)
    let relative: [Float] = try Self.parts(of: file).map { part in
      try OpenSession(OpenModel(part.bytes), sessionOptions()).run(image).relative_distance
    }
    let result = try OpenSession(whole, sessionOptions()).run(image)
    let mean: Float = relative.reduce(0, +) / 3
    #expect(result.relative_distance.bitPattern == mean.bitPattern)
  }

  // promise: equal-bits
  @Test("gives the same bits on every tier and for 1 to 3 threads", arguments: [false, true])
  func tiersAndThreads(isCalibrated: Bool) throws {
    let model = try OpenModel(Self.file(Self.kinds, isCalibrated: isCalibrated).bytes)
    let image = model.image(seed: 6)
    let definition = try OpenSession(model, sessionOptions(isa: E3_ISA_SCALAR)).answer(image)
    for isa in BitEqualityTests.tiers {
      for threads in 1...3 {
        let session = try OpenSession(model, sessionOptions(threads: threads, isa: isa))
        #expect(try session.answer(image) == definition, "tier \(isa), \(threads) threads")
        #expect(session.isGuardIntact)
      }
    }
  }

  @Test(
    "remembers nothing of earlier frames and tensors, nor of the arena",
    arguments: [["dense", "wide"], ["dense", "341 tokens", "wide"], EnsembleTests.kinds], [false, true])
  func noMemory(names: [String], pillow: Bool) throws {
    let model = try OpenModel(Self.file(names, pillow: pillow, isCalibrated: true).bytes)
    var random = SplitMix(state: 5)
    let pixels = (0..<70 * 90 * 3).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let image = model.image(seed: 1)
    try withRGB24(pixels, width: 90, height: 70) { frame in
      let answers = try [UInt8(0), 0x44, 0xFF].map { fill in
        let session = try OpenSession(model, sessionOptions(threads: 2), arenaFill: fill)
        let first = (try session.answer(frame), try session.answer(image))
        let second = (try session.answer(frame), try session.answer(image))
        #expect(first.0 == second.0 && first.1 == second.1)
        #expect(session.isGuardIntact)
        return first
      }
      #expect(answers.allSatisfy { $0.0 == answers[0].0 && $0.1 == answers[0].1 })
      // Prepared here, and by the networks for themselves.
      let session = try OpenSession(model, sessionOptions())
      var values = [Float](repeating: 0, count: image.count)
      try check(e3_session_preprocess(session.handle, frame, &values, values.count))
      #expect(try session.answer(values) == answers[0].0)
    }
  }

  // promise: networks-arena
  @Test("needs the arena of its largest network and at most 64 kB more, and no byte less than the query says")
  func arena() throws {
    for names in [["dense", "dense"], ["wide", "dense"], ["dense", "wide", "sparse, one member"]] {
      let file = Self.file(names)
      let whole = try OpenModel(file.bytes)
      func bytes(_ model: OpenModel, threads: Int) throws -> Int {
        var options = sessionOptions(threads: threads)
        var (bytes, alignment) = (0, 0)
        try check(e3_session_query(&model.handle, &options, &bytes, &alignment))
        return bytes
      }
      for threads in [1, 3] {
        let largest = try Self.parts(of: file).map { try bytes(OpenModel($0.bytes), threads: threads) }.max() ?? 0
        let size = try bytes(whole, threads: threads)
        #expect(size >= largest && size <= largest + 65536, "\(names)")
        var options = sessionOptions(threads: threads)
        let arena = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
        defer { arena.deallocate() }
        var session: OpaquePointer?
        #expect(
          e3_session_create(&whole.handle, &options, arena, size - 1, &session) == E3_ERROR_ARENA_TOO_SMALL)
        #expect(e3_session_create(&whole.handle, &options, arena, size, &session) == E3_OK)
        e3_session_destroy(session)
      }
    }
  }

  // promise: network-info
  @Test("says what it is, and what each network is")
  func info() throws {
    let names = ["dense", "wide", "two tokens"]
    let file = Self.file(names)
    let whole = try OpenModel(file.bytes)
    let parts = try Self.parts(of: file).map { try OpenModel($0.bytes).info }
    let info = whole.info
    let members: UInt32 = parts.map(\.members).reduce(0, +)
    let products: UInt64 = parts.map(\.multiply_accumulates).reduce(0, +)
    #expect(info.networks == 3 && info.members == members)
    #expect(info.multiply_accumulates == products)
    #expect(info.representation_size == parts.map(\.representation_size).max())
    #expect(info.hidden_size == parts[0].hidden_size && info.experts == parts[0].experts)
    for (index, part) in parts.enumerated() {
      var found = e3_model_info()
      found.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
      try check(e3_model_get_network_info(&whole.handle, UInt32(index), &found))
      #expect(found.networks == 1 && found.members == part.members && found.experts == part.experts)
      #expect(found.multiply_accumulates == part.multiply_accumulates && found.tokens == part.tokens)
      #expect(found.representation_size == part.representation_size)
    }
    var none = e3_model_info()
    none.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    #expect(e3_model_get_network_info(&whole.handle, 3, &none) == E3_ERROR_INDEX_RANGE)
    #expect(e3_model_get_network_info(&whole.handle, .max, &none) == E3_ERROR_INDEX_RANGE)
    #expect(e3_model_get_network_info(&whole.handle, 0, nil) == E3_ERROR_NULL_ARGUMENT)
    #expect(e3_model_get_network_info(nil, 0, &none) == E3_ERROR_NULL_ARGUMENT)
  }

  // promise: routing
  @Test("keeps the routing of every network")
  func routing() throws {
    let file = Self.file(["wide", "dense", "sparse, one member"])
    let image = try OpenModel(file.bytes).image(seed: 1)
    var options = sessionOptions(threads: 2)
    options.record_routing = 1
    func records(_ session: OpenSession) throws -> [(e3_routing, gates: [UInt32], experts: [UInt32])] {
      _ = try session.run(image)
      var records: [(e3_routing, gates: [UInt32], experts: [UInt32])] = []
      while true {
        var routing = e3_routing()
        routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
        let status = e3_session_get_routing(session.handle, UInt32(records.count), &routing)
        guard status == E3_OK else {
          #expect(status == E3_ERROR_INDEX_RANGE || status == E3_ERROR_NO_ROUTING)
          return records
        }
        let rows = Int(routing.members * routing.tokens)
        let experts = (0..<rows * Int(routing.selected_experts)).map { routing.experts[$0] }
        records.append((routing, floats(routing.gates, rows * Int(routing.member_experts)), experts))
      }
    }
    let session = try OpenSession(OpenModel(file.bytes), options)
    let all = try records(session)
    #expect(all.map { $0.0.network } == [0, 0, 2, 2] && session.isGuardIntact)
    let alone = try Self.parts(of: file).flatMap { try records(OpenSession(OpenModel($0.bytes), options)) }
    #expect(alone.count == all.count)
    for (mine, theirs) in zip(all, alone) {
      #expect(mine.0.block == theirs.0.block && mine.gates == theirs.gates && mine.experts == theirs.experts)
    }
    var old = e3_routing()
    old.struct_size = UInt32(E3_ROUTING_FIRST_SIZE)
    old.network = 77
    #expect(e3_session_get_routing(session.handle, 3, &old) == E3_OK && old.network == 77)
  }

  // promise: changed-bytes
  @Test("is led nowhere by bytes that change, and says so")
  func changedBytes() throws {
    let file = Self.file(["dense", "wide", "341 tokens"], isCalibrated: true)
    var random = SplitMix(state: 3)
    for round in 0..<24 {
      let model = try OpenModel(file.bytes)
      let session = try OpenSession(model, sessionOptions(threads: round % 2 + 1))
      let image = model.image(seed: 0)
      let before = try session.answer(image)
      let configs = 64..<64 + 3 * MemoryLayout<e3_file_config>.size
      for index in configs where round % 3 == 0 || random.next() % 16 == 0 {
        model.memory[index] = round % 3 == 1 ? 0xFF : UInt8(truncatingIfNeeded: random.next())
      }
      #expect(try session.answer(image) == before, "a session has copies")
      #expect(e3_model_verify(&model.handle) == E3_ERROR_FILE_CHANGED)
      var info = e3_model_info()
      info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
      _ = e3_model_get_info(&model.handle, &info)
      _ = e3_model_get_network_info(&model.handle, 2, &info)
      var scrub = e3_scrub()
      scrub.struct_size = UInt32(MemoryLayout<e3_scrub>.size)
      #expect(e3_model_scrub(&model.handle, &scrub, 1 << 30) == E3_ERROR_FILE_CHANGED)
      #expect(throws: Failure.self) { try OpenSession(model, sessionOptions()) }
    }
  }

  @Test("ends at a deadline in each of its networks")
  func deadline() throws {
    let model = try OpenModel(Self.file(["dense", "wide"]).bytes)
    let session = try OpenSession(model, sessionOptions())
    try check(e3_session_set_deadline(session.handle, 1))
    #expect(throws: Failure(status: e3_status(E3_ERROR_DEADLINE))) { try session.run(model.image(seed: 1)) }
    try check(e3_session_set_deadline(session.handle, 0))
    #expect(try session.run(model.image(seed: 1)).members == model.info.members)
  }

  @Test("whose second network is not finite has no answer")
  func notFinite() throws {
    var bytes = try Self.file(["dense", "dense"]).bytes
    let plan = ExtentPlan(try ModelShape(validating: Self.config("dense")))
    let head = plan.floatCount + plan.index(of: .head)
    bytes.write(Float.nan, at: Int(bytes[extent: head].offset))
    bytes.resealExtent(head)
    bytes.reseal()
    let model = try OpenModel(bytes)
    let session = try OpenSession(model, sessionOptions())
    #expect(throws: Failure(status: e3_status(E3_ERROR_RESULT_NOT_FINITE))) { try session.run(model.image(seed: 1)) }
  }
}
