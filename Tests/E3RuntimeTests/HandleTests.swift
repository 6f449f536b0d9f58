import CE3
import CE3TestSupport
import E3TestSupport
import Glibc
import Testing

@Suite("A handle")
struct HandleTests {
  /// What every function that takes a model says to `handle`.
  private func statuses(_ handle: UnsafePointer<e3_model>) -> [e3_status] {
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    var calibration = e3_calibration()
    calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    var scrub = e3_scrub()
    scrub.struct_size = UInt32(MemoryLayout<e3_scrub>.size)
    var preprocessing = e3_preprocessing()
    preprocessing.struct_size = UInt32(MemoryLayout<e3_preprocessing>.size)
    var text: UnsafePointer<CChar>?
    var (bytes, alignment) = (0, 0)
    var session: OpaquePointer?
    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
    defer { arena.deallocate() }
    return [
      e3_model_verify(handle), e3_model_get_info(handle, &info), e3_model_get_calibration(handle, &calibration),
      e3_model_get_label(handle, 0, &text, &bytes), e3_model_get_provenance(handle, &text, &bytes),
      e3_model_get_preprocessing(handle, &preprocessing), e3_model_scrub(handle, &scrub, 64),
      e3_session_query(handle, nil, &bytes, &alignment),
      e3_session_create(handle, nil, arena.baseAddress, arena.count, &session),
    ]
  }

  // promise: handle-not-a-model
  @Test("that holds no model is refused by every function", arguments: [UInt8(0), 0x01, 0x7F, 0xA5, 0xFF])
  func notAModel(byte: UInt8) {
    var handle = e3_model()
    withUnsafeMutableBytes(of: &handle) { _ = $0.initializeMemory(as: UInt8.self, repeating: byte) }
    #expect(statuses(&handle).allSatisfy { $0 == E3_ERROR_NOT_A_MODEL })
  }

  // promise: handle-not-a-model
  @Test("of which any byte was written over is refused by every function; unused bytes do not count")
  func writtenOver() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    var refused = 0
    for index in 0..<MemoryLayout<e3_model>.size {
      var copy = model.handle
      withUnsafeMutableBytes(of: &copy) { $0[index] ^= 0x10 }
      let all = statuses(&copy)
      let isRefused = all.allSatisfy { $0 == E3_ERROR_NOT_A_MODEL }
      #expect(isRefused || all[0] == E3_OK || all[0] == E3_ERROR_FILE_CHECKSUM, "byte \(index)")
      if isRefused { refused += 1 } else { #expect(index >= 300, "byte \(index)") }
    }
    #expect(refused >= 300)
  }

  // promise: model-copied
  @Test("of a model may be copied, and holds none after an open that failed")
  func copied() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    var copy = model.handle
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    try check(e3_model_get_info(&copy, &info))
    #expect(info.classes == model.info.classes)
    #expect(e3_model_open(model.memory.baseAddress, 10, &copy) != E3_OK)
    #expect(e3_model_get_info(&copy, &info) == E3_ERROR_NOT_A_MODEL)
  }

  // promise: handle-not-a-session
  @Test("of a session that was moved, destroyed, or never was one, is refused by every function")
  func notASession() throws {
    let model = try OpenModel(SampleFile.config)
    let session = try OpenSession(model, sessionOptions())
    let moved = UnsafeMutableRawBufferPointer.allocate(byteCount: session.size, alignment: 4096)
    defer { moved.deallocate() }
    func statuses(_ handle: OpaquePointer?) -> [e3_status] {
      var result = e3_result()
      result.struct_size = UInt32(MemoryLayout<e3_result>.size)
      var profile = e3_profile()
      profile.struct_size = UInt32(MemoryLayout<e3_profile>.size)
      var routing = e3_routing()
      routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
      var isa = e3_isa()
      var frame = e3_frame()
      var values = model.image(seed: 0)
      return [
        e3_session_run_frame(handle, &frame, &result), e3_session_run_tensor(handle, values, values.count, &result),
        e3_session_preprocess(handle, &frame, &values, values.count), e3_session_self_test(handle),
        e3_session_get_profile(handle, &profile), e3_session_get_routing(handle, 0, &routing),
        e3_session_get_isa(handle, &isa), e3_session_set_deadline(handle, 1), e3_session_destroy(handle),
      ]
    }
    let elsewhere = OpaquePointer(moved.baseAddress!)
    for byte in [UInt8(0), 0xA5, 0xFF] {
      moved.initializeMemory(as: UInt8.self, repeating: byte)
      #expect(statuses(elsewhere).allSatisfy { $0 == E3_ERROR_NOT_A_SESSION }, "\(byte)")
      #expect(statuses(OpaquePointer(moved.baseAddress! + 64)).allSatisfy { $0 == E3_ERROR_NOT_A_SESSION }, "\(byte)")
    }
    moved.copyMemory(from: UnsafeRawBufferPointer(rebasing: session.arena[..<session.size]))
    #expect(statuses(elsewhere).allSatisfy { $0 == E3_ERROR_NOT_A_SESSION })
    #expect(try session.run(model.image(seed: 0)).classes == model.info.classes)
    #expect(e3_session_destroy(session.handle) == E3_OK)
    #expect(statuses(session.handle).allSatisfy { $0 == E3_ERROR_NOT_A_SESSION })
    #expect(e3_session_destroy(nil) == E3_OK)
  }
}

@Suite("Bytes of a model that change under a session")
struct ChangedBytesTests {
  private static let calibrated: SampleFile = {
    var file = SampleFile.full
    file.calibration = SampleFile.thresholds(hasStatistics: true)
    file.hasStatistics = true
    return file
  }()

  // promise: changed-bytes
  @Test(
    "lead no call outside of them: random bytes everywhere, in the table, zeros, ones",
    arguments: awkwardConfigs.map(\.name))
  func scribbled(name: String) throws {
    let config = try #require(awkwardConfigs.first { $0.name == name }).config
    var random = SplitMix(state: 11)
    for round in 0..<8 {
      let model = try OpenModel(config, isCalibrated: true)
      let session = try OpenSession(model, sessionOptions(threads: round % 2 + 1))
      let image = model.image(seed: 0)
      let before = try session.answer(image)
      let range = round < 4 ? 0..<model.memory.count : 64..<min(4096, model.memory.count)
      for index in range {
        switch round % 4 {
        case 0: model.memory[index] = UInt8(truncatingIfNeeded: random.next())
        case 1: model.memory[index] = 0
        case 2: model.memory[index] = 0xFF
        default: if random.next() % 8 == 0 { model.memory[index] ^= 1 << UInt8(random.next() % 8) }
        }
      }
      do {
        let after = try session.answer(image)
        #expect(round < 4 || after.probabilities.count == before.probabilities.count)
      } catch let failure as Failure {
        #expect(failure.status == E3_ERROR_RESULT_NOT_FINITE)
      }
      #expect(e3_session_self_test(session.handle) != E3_OK || round >= 4)
      #expect(session.isGuardIntact)
      // The handle still is one; what it reads of the file is bounded, too.
      #expect(e3_model_verify(&model.handle) == E3_ERROR_FILE_CHANGED)
      #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_CHANGED))) { try OpenSession(model, sessionOptions()) }
      var text: UnsafePointer<CChar>?
      var length = 0
      for index in 0..<8 as Range<UInt32> {
        guard e3_model_get_label(&model.handle, index, &text, &length) == E3_OK, let text else { continue }
        let start = UnsafeRawPointer(text)
        #expect(start >= UnsafeRawPointer(model.memory.baseAddress!))
        #expect(start + length <= UnsafeRawPointer(model.memory.baseAddress!) + model.memory.count)
      }
      var calibration = e3_calibration()
      calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
      _ = e3_model_get_calibration(&model.handle, &calibration)
    }
  }

  // promise: verify-table
  @Test("are found by e3_model_verify in header, configuration and table, every bit")
  func everyBitOfTheTable() throws {
    let model = try OpenModel(SampleFile.full.bytes)
    let expected = e3_model_verify(&model.handle)
    let end = Int(UnsafeRawBufferPointer(model.memory).load(fromByteOffset: 24, as: UInt32.self)) * 40 + 336
    for bit in 0..<8 * end {
      model.memory[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(e3_model_verify(&model.handle) == E3_ERROR_FILE_CHANGED, "bit \(bit)")
      model.memory[bit / 8] ^= 1 << UInt8(bit % 8)
    }
    #expect(e3_model_verify(&model.handle) == expected && expected == E3_OK)
  }
}
