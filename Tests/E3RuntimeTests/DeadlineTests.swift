import CE3
import CE3TestSupport
import CE3Threads
import E3TestSupport
import Testing

@Suite("A deadline")
struct DeadlineTests {
  // promise: deadline
  @Test("that has passed ends runs of every kind; without one, and before it, they answer", arguments: [1, 3])
  func passed(threads: Int) throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let session = try OpenSession(model, sessionOptions(threads: threads))
    let image = model.image(seed: 0)
    let expected = try session.answer(image)
    for deadline in [1, ce3_clock_ns()] {
      try check(e3_session_set_deadline(session.handle, deadline))
      #expect(throws: Failure(status: e3_status(E3_ERROR_DEADLINE))) { try session.answer(image) }
    }
    #expect(e3_session_self_test(session.handle) == E3_ERROR_NO_GOLDEN)
    for deadline in [0, ce3_clock_ns() + 3_600_000_000_000, .max] {
      try check(e3_session_set_deadline(session.handle, deadline))
      #expect(try session.answer(image) == expected)
    }
  }

  // promise: deadline, deadline-running
  @Test("set while a run is in progress ends it; the session then answers as before", arguments: [1, 2])
  func whileRunning(threads: Int) throws {
    let model = try OpenModel(awkwardConfigs[12].config)
    let session = try OpenSession(model, sessionOptions(threads: threads))
    let image = model.image(seed: 0)
    let expected = try session.answer(image)
    let start = ce3_clock_ns()
    _ = try session.run(image)
    let duration = ce3_clock_ns() - start
    var ended = 0
    // At every tenth of a run's time: whichever block it then is in.
    for tenth in 0..<40 as Range<UInt64> {
      try check(e3_session_set_deadline(session.handle, ce3_clock_ns() + duration * tenth / 20))
      do {
        #expect(try session.answer(image) == expected)
      } catch let failure as Failure {
        #expect(failure.status == E3_ERROR_DEADLINE)
        ended += 1
      }
    }
    #expect(ended > 0)
    try check(e3_session_set_deadline(session.handle, 0))
    #expect(try session.answer(image) == expected)
  }
}

@Suite("A scrub")
struct ScrubTests {
  private func scrub(_ edit: (inout e3_scrub) -> Void = { _ in }) -> e3_scrub {
    var scrub = e3_scrub()
    scrub.struct_size = UInt32(MemoryLayout<e3_scrub>.size)
    edit(&scrub)
    return scrub
  }

  /// Statuses other than E3_OK of one pass, `bytes` a call.
  private func pass(_ model: OpenModel, bytes: Int) -> [e3_status] {
    var scrub = scrub()
    var found: [e3_status] = []
    var calls = 0
    while scrub.passes == 0 {
      let status = e3_model_scrub(&model.handle, &scrub, bytes)
      if status != E3_OK { found.append(status) }
      calls += 1
      guard calls < 1 << 20 else { return [-1] }
    }
    return found
  }

  // promise: scrub-finds
  @Test("finds every flipped bit of a file within one pass, whatever its piece")
  func everyBit() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    #expect(pass(model, bytes: 1) == [] && pass(model, bytes: .max) == [] && pass(model, bytes: 1000) == [])
    var random = SplitMix(state: 3)
    let size = model.memory.count
    // Every bit of header and configuration, and a few of the rest.
    for bit in (0..<8 * size) where bit < 8 * 336 || random.next() % 64 == 0 {
      model.memory[bit / 8] ^= 1 << UInt8(bit % 8)
      let found = pass(model, bytes: bit % 3 == 0 ? .max : 8192)
      #expect(!found.isEmpty && !found.contains(-1), "bit \(bit)")
      model.memory[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  // promise: scrub-place
  @Test("names the damaged extent, goes on behind it and finds further damage")
  func names() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    let bytes = Array(model.memory)
    let count = Int(UnsafeRawBufferPointer(model.memory).load(fromByteOffset: 24, as: UInt32.self))
    let damaged = [0, 3, count - 1]
    for index in damaged { model.memory[Int(bytes[extent: index].offset)] ^= 4 }
    var scrub = scrub()
    var found: [Int] = []
    while scrub.passes == 0 {
      if e3_model_scrub(&model.handle, &scrub, 128) == E3_ERROR_FILE_CHECKSUM { found.append(Int(scrub.extent)) }
    }
    #expect(found == damaged)
  }

  // promise: scrub-state
  @Test("that is not as the last call left it starts anew, whatever it holds")
  func foreignState() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    var random = SplitMix(state: 5)
    for _ in 0..<2000 {
      var state = scrub()
      withUnsafeMutableBytes(of: &state) { bytes in
        for index in 4..<bytes.count { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
      }
      #expect(e3_model_scrub(&model.handle, &state, 256) == E3_OK)
      #expect(state.passes == 0 && state.extent == 0)
    }
    var small = scrub { $0.struct_size = 8 }
    #expect(e3_model_scrub(&model.handle, &small, 64) == E3_ERROR_STRUCT_SIZE)
    #expect(e3_model_scrub(&model.handle, nil, 64) == E3_ERROR_NULL_ARGUMENT)
  }
}
