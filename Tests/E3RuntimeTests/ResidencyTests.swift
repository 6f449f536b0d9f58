import CE3
import E3TestSupport
import Foundation
import Testing

/// A model in memory, and the same bytes in a file.
private final class StoredModel {
  let model: OpenModel
  let bytes: [UInt8]
  let file: Scratch

  init(_ bytes: [UInt8]) throws {
    self.bytes = bytes
    (model, file) = (try OpenModel(bytes), try Scratch(bytes))
  }

  convenience init(_ config: e3_file_config) throws { try self.init(SampleFile(config: config).bytes) }

  func options(_ bytes: UInt64, threads: Int = 1, descriptor: Int32? = nil) -> e3_session_options {
    var options = sessionOptions(threads: threads)
    (options.resident_bytes, options.descriptor) = (bytes, descriptor ?? file.descriptor)
    return options
  }

  func session(_ bytes: UInt64, threads: Int = 1, descriptor: Int32? = nil) throws -> OpenSession {
    try OpenSession(model, options(bytes, threads: threads, descriptor: descriptor))
  }

  var minimum: UInt64 { model.info.resident_minimum }
}

/// A model that is mapped from a file, as a command maps it.
private final class MappedModel {
  let file: Scratch
  let start: UnsafeMutableRawPointer
  let count: Int
  private var handle = e3_model()
  private var session: OpaquePointer?
  private var arena: UnsafeMutableRawPointer?

  init(_ bytes: [UInt8]) throws {
    (file, count) = (try Scratch(bytes), bytes.count)
    start = try #require(mmap(nil, count, PROT_READ, MAP_PRIVATE, file.descriptor, 0))
    try check(e3_model_open(start, count, &handle))
  }

  deinit {
    e3_session_destroy(session)
    arena?.deallocate()
    munmap(start, count)
  }

  var minimum: UInt64 {
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    _ = e3_model_get_info(&handle, &info)
    return info.resident_minimum
  }

  func create(_ residentBytes: UInt64) -> e3_status {
    var options = sessionOptions()
    (options.resident_bytes, options.descriptor) = (residentBytes, file.descriptor)
    var (bytes, alignment) = (0, 0)
    let status = e3_session_query(&handle, &options, &bytes, &alignment)
    guard status == E3_OK else { return status }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: alignment)
    arena = memory
    return e3_session_create(&handle, &options, memory, bytes, &session)
  }
}

/// What this process has locked.
private func lockedBytes() -> UInt64 {
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix("VmLck:") }
  return 1024 * (line.flatMap { UInt64($0.filter(\.isNumber)) } ?? 0)
}

private func residencies(_ session: OpenSession) throws -> [e3_residency] {
  var layers: [e3_residency] = []
  while true {
    var residency = e3_residency()
    residency.struct_size = UInt32(MemoryLayout<e3_residency>.size)
    let status = e3_session_get_residency(session.handle, UInt32(layers.count), &residency)
    if status == E3_ERROR_INDEX_RANGE { return layers }
    try check(status)
    layers.append(residency)
  }
}

@Suite("Resident bytes", .serialized)
struct ResidencyTests {
  /// Blocks 1 and 3 of `wide` have nine experts of three members.
  private let wide = awkwardConfigs[1].config

  // promise: resident-bits, resident-memory
  @Test(
    "give the bits of a model that is all in memory, whatever their number, and stay inside the arena",
    arguments: [1, 3])
  func sameBits(threads: Int) throws {
    for (name, config) in awkwardConfigs {
      let stored = try StoredModel(config)
      let images = (0..<2).map { stored.model.image(seed: $0) }
      let expected = try images.map { try OpenSession(stored.model, sessionOptions(threads: threads)).answer($0) }
      for bytes in [stored.minimum, (stored.minimum + UInt64(stored.bytes.count)) / 2, .max] {
        let session = try stored.session(bytes, threads: threads)
        #expect(try images.map { try session.answer($0) } == expected, "\(name), \(bytes) bytes")
        #expect(session.isGuardIntact, "\(name)")
      }
    }
  }

  // promise: resident-memory
  @Test("are locked, and no more than their number; the rest is not", arguments: [0, 5, 18] as [UInt64])
  func locked(experts: UInt64) throws {
    let mapped = try MappedModel(SampleFile(config: wide).bytes)
    let bytes = mapped.minimum + 4096 * experts
    let before = lockedBytes()
    #expect(mapped.create(bytes) == E3_OK)
    let locked = lockedBytes() - before
    // Each stretch between two experts that are read may begin and end inside a page.
    #expect(locked <= bytes + 8192 && locked + 8192 >= bytes)
  }

  // promise: resident-errors
  @Test("that the system does not lock are refused with a status of their own")
  func notLocked() throws {
    let mapped = try MappedModel(SampleFile(config: wide).bytes)
    // No page can be locked that is not there.
    munmap(mapped.start + mapped.count / 4096 * 4096, 4096)
    #expect(mapped.create(.max) == E3_ERROR_MEMORY_LOCK)
  }

  // promise: resident-bits
  @Test("give the same bits with 4-bit weights, and in a file of several networks that share experts")
  func otherFiles() throws {
    for file in [SampleFile.int4, SampleFile.ensemble, SampleFile.twins] {
      let stored = try StoredModel(file.bytes)
      let image = stored.model.image(seed: 1)
      let expected = try OpenSession(stored.model, sessionOptions()).answer(image)
      for bytes in stride(from: stored.minimum, through: UInt64(stored.bytes.count), by: 4096) {
        #expect(try stored.session(bytes).answer(image) == expected)
      }
    }
  }

  // promise: resident-once, residency
  @Test("read every chosen expert that is not resident, and nothing else", arguments: [0, 3, 7, 18] as [UInt64])
  func readsOnce(experts: UInt64) throws {
    let stored = try StoredModel(wide)
    let expert = try #require(stored.bytes.extentIndex(of: .expert))
    let length = stored.bytes[extent: expert].length
    let paged = (length + 4095) / 4096 * 4096
    let session = try stored.session(stored.minimum + experts * paged + paged - 1)
    var before = try residencies(session)
    #expect(before.map(\.chosen) == [0, 0] && before.map(\.read_bytes) == [0, 0])
    _ = try session.run(stored.model.image(seed: 3))
    let after = try residencies(session)
    #expect(after.map(\.block) == [1, 3] && after.map(\.experts) == [9, 9])
    #expect(after.map { UInt64($0.resident) }.reduce(0, +) == experts)
    for layer in after {
      #expect(layer.chosen > 0 && layer.chosen <= 9 && layer.chosen_resident <= layer.resident)
      #expect(layer.chosen_bytes == UInt64(layer.chosen) * length)
      #expect(layer.read_bytes == UInt64(layer.chosen - layer.chosen_resident) * length)
      #expect(layer.resident_bytes == UInt64(layer.resident) * length)
    }
    // The first experts of every block, as this file does not say which are chosen often.
    #expect(abs(Int(after[0].resident) - Int(after[1].resident)) <= 1)
    before = try residencies(session)
    #expect(before.map(\.read_bytes) == after.map(\.read_bytes), "looking changes nothing")
  }

  // promise: resident-frequent
  @Test("are those experts first that the most images of the calibration chose")
  func frequentFirst() throws {
    var file = SampleFile(config: wide)
    var uses = [UInt32](repeating: 3, count: 18)
    (uses[4], uses[17], uses[9], uses[2]) = (100, 200, 50, 4_294_967_295)
    file.expertUses = uses
    let stored = try StoredModel(file.bytes)
    let length = stored.bytes[extent: try #require(stored.bytes.extentIndex(of: .expert))].length
    let paged = (length + 4095) / 4096 * 4096
    for (count, expected) in [(1, [1, 0]), (2, [1, 1]), (3, [2, 1]), (4, [2, 2]), (5, [3, 2]), (6, [4, 2])] {
      let session = try stored.session(stored.minimum + UInt64(count) * paged)
      #expect(try residencies(session).map { Int($0.resident) } == expected, "\(count)")
    }
    let plain = try OpenSession(stored.model, sessionOptions()).answer(stored.model.image(seed: 0))
    #expect(try stored.session(stored.minimum + paged).answer(stored.model.image(seed: 0)) == plain)
  }

  // promise: resident-errors
  @Test("too few, and a descriptor of another file or of none, are refused with their status")
  func refused() throws {
    let stored = try StoredModel(wide)
    #expect(throws: Failure(status: e3_status(E3_ERROR_RESIDENT_BYTES))) { try stored.session(stored.minimum - 1) }
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_READ))) { try stored.session(.max, descriptor: -1) }
    let other = try Scratch(SampleFile(config: wide, seed: 8).bytes)
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_CHANGED))) {
      try stored.session(.max, descriptor: other.descriptor)
    }
    let short = try Scratch(Array(stored.bytes.dropLast(4096)))
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_READ))) {
      try stored.session(.max, descriptor: short.descriptor)
    }
  }

  // promise: resident-medium
  @Test("a part of the file that cannot be read ends the run with a status, not the process", arguments: [1, 3])
  func missing(threads: Int) throws {
    let stored = try StoredModel(wide)
    let image = stored.model.image(seed: 2)
    let session = try stored.session(stored.minimum, threads: threads)
    let expected = try session.answer(image)
    let start = try #require(stored.bytes.extentIndex(of: .expert))
    #expect(ftruncate(stored.file.descriptor, off_t(stored.bytes[extent: start].offset)) == 0)
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_READ))) { try session.answer(image) }
    stored.bytes.withUnsafeBytes { #expect(pwrite(stored.file.descriptor, $0.baseAddress, $0.count, 0) == $0.count) }
    #expect(try session.answer(image) == expected)
  }

  // promise: resident-errors
  @Test("a descriptor that has become that of another file ends the run with a status", arguments: [1, 3])
  func replaced(threads: Int) throws {
    let stored = try StoredModel(wide)
    let image = stored.model.image(seed: 2)
    let session = try stored.session(stored.minimum, threads: threads)
    let expected = try session.answer(image)
    let other = try Scratch(SampleFile(config: wide, seed: 8).bytes)
    let kept = dup(stored.file.descriptor)
    defer { close(kept) }
    #expect(dup2(other.descriptor, stored.file.descriptor) >= 0)
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_CHANGED))) { try session.answer(image) }
    let zeros = open("/dev/zero", O_RDONLY)
    defer { close(zeros) }
    #expect(dup2(zeros, stored.file.descriptor) >= 0)
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_CHANGED))) { try session.answer(image) }
    #expect(dup2(kept, stored.file.descriptor) >= 0)
    #expect(try session.answer(image) == expected)
  }

  // promise: residency
  @Test("a session without them, a dense model and a layer that is not there have codes of their own")
  func errors() throws {
    let stored = try StoredModel(wide)
    var residency = e3_residency()
    residency.struct_size = UInt32(MemoryLayout<e3_residency>.size)
    let plain = try OpenSession(stored.model, sessionOptions())
    #expect(e3_session_get_residency(plain.handle, 0, &residency) == E3_ERROR_NOT_RESIDENT)
    let session = try stored.session(.max)
    #expect(e3_session_get_residency(session.handle, 2, &residency) == E3_ERROR_INDEX_RANGE)
    #expect(e3_session_get_residency(session.handle, 0, nil) == E3_ERROR_NULL_ARGUMENT)
    residency.struct_size -= 1
    #expect(e3_session_get_residency(session.handle, 0, &residency) == E3_ERROR_STRUCT_SIZE)
    let dense = try StoredModel(awkwardConfigs[3].config)
    let locked = try dense.session(.max)
    residency.struct_size += 1
    #expect(e3_session_get_residency(locked.handle, 0, &residency) == E3_ERROR_NOT_RESIDENT)
    #expect(dense.minimum == dense.bytes.count)
  }

  // promise: struct-size
  @Test("are none in options of a version that did not have them")
  func earlierVersion() throws {
    let stored = try StoredModel(wide)
    var options = stored.options(.max)
    var (bytes, alignment) = (0, 0)
    options.struct_size = UInt32(MemoryLayout<e3_session_options>.offset(of: \.resident_bytes)!)
    try check(e3_session_query(&stored.model.handle, &options, &bytes, &alignment))
    var plain = sessionOptions()
    var plainBytes = 0
    try check(e3_session_query(&stored.model.handle, &plain, &plainBytes, &alignment))
    #expect(bytes == plainBytes)
  }
}
