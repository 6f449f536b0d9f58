import CE3
import E3Format
import E3TestSupport
import Testing

@Suite("A session")
struct SessionTests {
  // promise: exact-arena
  @Test("works in exactly the bytes that the query gives and refuses one byte fewer", arguments: [1, 3])
  func exactArena(threads: Int) throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    var options = sessionOptions(threads: threads)
    var (bytes, alignment) = (0, 0)
    try check(e3_session_query(&model.handle, &options, &bytes, &alignment))
    let session = try OpenSession(model, options)
    _ = try session.run(model.image(seed: 0))
    #expect(session.size == bytes && session.isGuardIntact)

    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes + alignment, alignment: alignment)
    defer { arena.deallocate() }
    var handle: OpaquePointer?
    #expect(
      e3_session_create(&model.handle, &options, arena.baseAddress, bytes - 1, &handle) == E3_ERROR_ARENA_TOO_SMALL)
    #expect(
      e3_session_create(&model.handle, &options, arena.baseAddress! + 64, bytes, &handle) == E3_ERROR_ARENA_ALIGNMENT)
    #expect(handle == nil)
  }

  // promise: every-failure
  @Test("refuses unusable options with a code for each cause")
  func unusableOptions() throws {
    let model = try OpenModel(SampleFile.config)
    func query(_ edit: (inout e3_session_options) -> Void) -> e3_status {
      var options = sessionOptions()
      edit(&options)
      var (bytes, alignment) = (0, 0)
      return e3_session_query(&model.handle, &options, &bytes, &alignment)
    }
    #expect(query { _ in } == E3_OK)
    #expect(query { $0.struct_size = 8 } == E3_ERROR_STRUCT_SIZE)
    #expect(query { $0.struct_size = 4097 } == E3_ERROR_STRUCT_SIZE)
    #expect(query { $0.threads = 65 } == E3_ERROR_THREAD_COUNT)
    #expect(throws: Failure(status: e3_status(E3_ERROR_ISA_UNKNOWN))) {
      try OpenSession(model, sessionOptions(isa: 99))
    }
    #if arch(x86_64)
      #expect(throws: Failure(status: e3_status(E3_ERROR_ISA_UNAVAILABLE))) {
        try OpenSession(model, sessionOptions(isa: E3_ISA_NEON))
      }
    #endif
    var pinned = sessionOptions(threads: 2)
    pinned.pin_threads = 1
    pinned.cpus.1 = 1023
    #expect(throws: Failure(status: e3_status(E3_ERROR_THREAD_AFFINITY))) { try OpenSession(model, pinned) }
  }

  @Test("options and frames of a newer program pass while what they have more is zero, up to the last byte")
  func newerCaller() throws {
    let model = try OpenModel(SampleFile.config)
    let session = try OpenSession(model, sessionOptions())
    func larger<Struct>(_ known: Struct, _ call: (UnsafeMutablePointer<Struct>) -> e3_status) -> [e3_status] {
      let size = MemoryLayout<Struct>.size
      let memory = UnsafeMutableRawPointer.allocate(byteCount: size + 16, alignment: 16)
      defer { memory.deallocate() }
      return [nil, size, size + 15].map { (set: Int?) in
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: size + 16)
        memory.storeBytes(of: known, as: Struct.self)
        memory.storeBytes(of: UInt32(size + 16), as: UInt32.self)
        if let set { memory.storeBytes(of: 1, toByteOffset: set, as: UInt8.self) }
        return call(memory.assumingMemoryBound(to: Struct.self))
      }
    }
    let expected = [E3_OK, E3_ERROR_STRUCT_SIZE, E3_ERROR_STRUCT_SIZE].map { e3_status($0) }
    let queried = larger(sessionOptions()) { options in
      var (bytes, alignment) = (0, 0)
      return e3_session_query(&model.handle, options, &bytes, &alignment)
    }
    #expect(queried == expected)
    let pixels = [UInt8](repeating: 7, count: 3 * 8 * 8)
    let answered = pixels.withUnsafeBytes { pixels in
      var frame = e3_frame()
      (frame.format, frame.width, frame.height) = (e3_pixel_format(E3_PIXEL_RGB24), 8, 8)
      (frame.planes.0, frame.sizes.0) = (pixels.baseAddress, pixels.count)
      return larger(frame) { frame in
        var result = e3_result()
        result.struct_size = UInt32(MemoryLayout<e3_result>.size)
        return e3_session_run_frame(session.handle, frame, &result)
      }
    }
    #expect(answered == expected)
  }

  // promise: every-failure, tensor
  @Test("refuses tensors of another size and values that are not finite")
  func tensors() throws {
    let model = try OpenModel(SampleFile.config)
    let session = try OpenSession(model, sessionOptions())
    var image = model.image(seed: 0)
    #expect(throws: Failure(status: e3_status(E3_ERROR_TENSOR_SIZE))) { try session.run(Array(image.dropLast())) }
    for bad in [Float.nan, .infinity, -.infinity] {
      image[image.count - 1] = bad
      #expect(throws: Failure(status: e3_status(E3_ERROR_TENSOR_NOT_FINITE))) { try session.run(image) }
    }
  }

  @Test("says so when the weights give a NaN or an infinity instead of answering")
  func notFinite() throws {
    var bytes = try SampleFile(config: SampleFile.config).bytes
    // Whatever the signs of the four values that the head reads, two of the same sign meet in one of these classes.
    for input in 0..<4 {
      try bytes.write(Float.greatestFiniteMagnitude, in: .head, at: 64 * input)
      let sign: Float = input.isMultiple(of: 2) ? 1 : -1
      try bytes.write(sign * .greatestFiniteMagnitude, in: .head, at: 64 * input + 4)
    }
    for scale in 0..<4 {  // saturates every tanh
      try bytes.write(Float.greatestFiniteMagnitude, in: .preLogits, at: 8 * 16 + 4 * scale)
    }
    let model = try OpenModel(bytes)
    let session = try OpenSession(model, sessionOptions())
    var failures = 0
    for seed in 0..<16 as Range<UInt64> {
      do {
        let result = try session.run(model.image(seed: seed))
        #expect((0..<Int(result.classes)).allSatisfy { result.probabilities[$0].isFinite })
      } catch let failure as Failure where failure.status == E3_ERROR_RESULT_NOT_FINITE {
        failures += 1
      }
    }
    #expect(failures > 0)
  }

  @Test("that was destroyed, or never was one, is refused")
  func notASession() throws {
    let model = try OpenModel(SampleFile.config)
    let session = try OpenSession(model, sessionOptions(threads: 2))
    e3_session_destroy(session.handle)
    #expect(throws: Failure(status: e3_status(E3_ERROR_NOT_A_SESSION))) { try session.run(model.image(seed: 0)) }
    #expect(e3_session_self_test(nil) == E3_ERROR_NULL_ARGUMENT)
    e3_session_destroy(nil)
  }

  // promise: self-test, format-golden
  @Test("accepts its own golden output and refuses any other bit")
  func selfTest() throws {
    var bytes = try SampleFile.full.bytes
    func status() throws -> Int {
      let session = try OpenSession(OpenModel(bytes), sessionOptions())
      return withExtendedLifetime(session) { Int(e3_session_self_test(session.handle)) }
    }
    #expect(try status() == E3_ERROR_GOLDEN_MISMATCH, "the sample's logits are made up")
    // Pixels of 7 x 9 x 3, padded to 192 bytes, then the logits of two members and three classes.
    let start = Int(bytes[extent: try #require(bytes.extentIndex(of: .golden))].offset)
    let logits = try withRGB24(Array(bytes[start..<start + 189]), width: 9, height: 7) { frame in
      try OpenSession(OpenModel(bytes), sessionOptions()).answer(frame).logits
    }
    for (index, bits) in logits.enumerated() { try bytes.write(bits, in: .golden, at: 192 + 4 * index) }
    #expect(try status() == E3_OK)
    for (index, bits) in logits.enumerated() {
      try bytes.write(bits ^ 1, in: .golden, at: 192 + 4 * index)
      #expect(try status() == E3_ERROR_GOLDEN_MISMATCH, "logit \(index)")
      try bytes.write(bits, in: .golden, at: 192 + 4 * index)
    }
    var sample = SampleFile.full
    sample.golden = false
    bytes = try sample.bytes
    #expect(try status() == E3_ERROR_NO_GOLDEN)
  }

  // promise: profile
  @Test("reports where the time of the last run went")
  func profile() throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let session = try OpenSession(model, sessionOptions())
    _ = try session.run(model.image(seed: 0))
    var profile = e3_profile()
    #expect(e3_session_get_profile(session.handle, &profile) == E3_ERROR_STRUCT_SIZE)
    profile.struct_size = UInt32(MemoryLayout<e3_profile>.size)
    try check(e3_session_get_profile(session.handle, &profile))
    #expect(profile.attention_ns > 0 && profile.experts_ns > 0 && profile.mlp_ns > 0 && profile.routing_ns > 0)
    #expect(profile.struct_size == UInt32(MemoryLayout<e3_profile>.size))
  }
}
