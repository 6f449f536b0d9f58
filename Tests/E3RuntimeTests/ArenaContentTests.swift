import CE3
import E3TestSupport
import Testing

@Suite("Arena content")
struct ArenaContentTests {
  @Test("the answer does not depend on what the arena held before", arguments: [UInt8(0x3F), 0x5A, 0xFF])
  func garbage(pattern: UInt8) throws {
    for sample in [SampleFile.full, SampleFile.map] {
      let model = try OpenModel(sample.bytes)
      #expect(try answer(model, pattern: pattern) == answer(model, pattern: 0))
    }
  }

  private func answer(_ model: OpenModel, pattern: UInt8) throws -> Answer {
    var (size, alignment) = (0, 0)
    try check(e3_session_query(&model.handle, nil, &size, &alignment))
    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: alignment)
    defer { arena.deallocate() }
    arena.initializeMemory(as: UInt8.self, repeating: pattern)
    var session: OpaquePointer?
    try check(e3_session_create(&model.handle, nil, arena.baseAddress, size, &session))
    defer { e3_session_destroy(session) }
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    let image = model.image(seed: 5)
    try check(e3_session_run_tensor(session, image, image.count, &result))
    return Answer(result)
  }
}
