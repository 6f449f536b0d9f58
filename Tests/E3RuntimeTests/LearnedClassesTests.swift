import CE3
import E3Format
import E3TestSupport
import Testing

/// Learned classes in memory of the test's, through the C API.
private final class OpenClasses {
  let memory: UnsafeMutableRawBufferPointer
  var handle: OpaquePointer?

  init(_ model: OpenModel, capacity: UInt32 = 16, grid: UInt32 = 4) throws {
    var (bytes, alignment) = (0, 0)
    try check(e3_classes_query(&model.handle, capacity, grid, &bytes, &alignment))
    memory = .allocate(byteCount: bytes, alignment: alignment)
    memory.initializeMemory(as: UInt8.self, repeating: 0xA5)
    try check(e3_classes_create(&model.handle, capacity, grid, memory.baseAddress, bytes, &handle))
  }

  /// Those of a file.
  init(_ model: OpenModel, file: [UInt8]) throws {
    memory = .allocate(byteCount: max(file.count, 1), alignment: 64)
    memory.copyBytes(from: file)
    try check(e3_classes_open(&model.handle, memory.baseAddress, file.count, &handle))
  }

  deinit { memory.deallocate() }

  var file: [UInt8] { Array(memory) }

  func add(_ label: String, kind: Int = E3_CLASS_LEARNED) throws -> UInt32 {
    var index: UInt32 = 99
    try check(e3_classes_add(handle, label, e3_class_kind(kind), &index))
    return index
  }

  func learn(_ index: UInt32, _ session: OpenSession, _ image: [Float]) throws {
    _ = try session.run(image)
    try check(e3_classes_learn(handle, index, session.handle))
  }

  func info(_ index: UInt32) throws -> e3_class {
    var learned = e3_class()
    learned.struct_size = UInt32(MemoryLayout<e3_class>.size)
    try check(e3_classes_get_class(handle, index, &learned))
    return learned
  }

  func label(_ index: UInt32) throws -> String {
    let learned = try info(index)
    return String(
      decoding: UnsafeRawBufferPointer(start: learned.label, count: Int(learned.label_length)), as: UTF8.self)
  }
}

private func learningOptions(threads: Int = 1, isa: Int = E3_ISA_AUTO) -> e3_session_options {
  var options = sessionOptions(threads: threads, isa: isa)
  options.learned_classes = 1
  return options
}

private func expect(_ status: Int, _ work: () throws -> Void) {
  #expect(throws: Failure(status: e3_status(status))) { try work() }
}

@Suite("Learned classes")
struct LearnedClassesTests {
  private func open(_ index: Int = 1, seed: UInt64 = 7) throws -> OpenModel {
    try OpenModel(awkwardConfigs[index].config, seed: seed, isCalibrated: true)
  }

  private func attached(_ model: OpenModel, _ classes: OpenClasses, threads: Int = 1, isa: Int = E3_ISA_AUTO) throws
    -> OpenSession
  {
    let session = try OpenSession(model, learningOptions(threads: threads, isa: isa))
    try check(e3_session_attach_classes(session.handle, classes.handle))
    return session
  }

  // promise: classes-same-bytes
  @Test("have the same bytes, and answers the same bits, on every tier and for any number of threads")
  func bits() throws {
    for index in awkwardConfigs.indices where awkwardConfigs[index].config.mlp_size <= 256 {
      let model = try open(index)
      var seen: (file: [UInt8], bits: [UInt32])?
      for isa in E3_ISA_SCALAR...E3_ISA_I8MM where e3_isa_available(e3_isa(isa)) == E3_OK {
        for (grid, threads) in [(4, 1), (4, 3)] {
          let classes = try OpenClasses(model, grid: UInt32(grid))
          let session = try attached(model, classes, threads: threads, isa: isa)
          let (first, second) = (try classes.add("first"), try classes.add("second"))
          let unlike = try classes.add("others", kind: E3_CLASS_UNLIKE)
          for seed in 0..<4 as Range<UInt64> { try classes.learn(first, session, model.image(seed: seed)) }
          for seed in 4..<7 as Range<UInt64> { try classes.learn(second, session, model.image(seed: seed)) }
          try classes.learn(unlike, session, model.image(seed: 8))
          let bits = try (0..<9 as Range<UInt64>).flatMap { (seed: UInt64) -> [UInt32] in
            let result = try session.run(model.image(seed: seed))
            return [
              result.learned_class, result.nearest_learned_class, result.learned_distance.bitPattern,
              result.learned_radius.bitPattern, result.decision,
            ]
          }
          if let seen {
            #expect(classes.file == seen.file && bits == seen.bits, "\(index) \(isa) \(threads)")
          } else {
            seen = (classes.file, bits)
          }
        }
      }
    }
  }

  // promise: classes-win
  @Test("are the answer to their own picture: unsure after two pictures, accept after three, and change nothing else")
  func decision() throws {
    let model = try open()
    let classes = try OpenClasses(model)
    let session = try attached(model, classes)
    let image = model.image(seed: 3)
    let plain = try OpenSession(model, sessionOptions()).answer(image)
    let before = try session.run(image)
    #expect(before.learned_class == E3_NO_CLASS && before.nearest_learned_class == E3_NO_CLASS)
    #expect(before.learned_distance.isNaN && before.learned_radius.isNaN)
    #expect(Answer(before) == plain)
    let index = try classes.add("valve")
    for pictures in 1...4 {
      try classes.learn(index, session, image)
      let result = try session.run(image)
      #expect(result.learned_class == index && result.learned_distance < 0.01)
      #expect(Int(result.decision) == (pictures < 3 ? E3_DECISION_UNSURE : E3_DECISION_ACCEPT))
      var rest = Answer(result)
      rest.decision = plain.decision
      #expect(rest == plain)
      #expect(try classes.info(index).pictures == UInt32(pictures))
    }
    #expect(abs(try classes.info(index).agreement - 1) < 0.01)
    try check(e3_session_attach_classes(session.handle, nil))
    #expect(try session.answer(image) == plain)
  }

  // promise: classes-otherwise
  @Test("that are not the answer leave every bit of it as it is without them")
  func otherwise() throws {
    for index in awkwardConfigs.indices {
      let model = try open(index)
      let classes = try OpenClasses(model)
      let session = try attached(model, classes)
      let plain = try OpenSession(model, sessionOptions())
      let valve = try classes.add("valve")
      for _ in 0..<3 { try classes.learn(valve, session, model.image(seed: 50)) }
      for seed in 60..<63 as Range<UInt64> {
        let image = model.image(seed: seed)
        let result = try session.run(image)
        #expect(result.nearest_learned_class == valve)
        guard result.learned_class == E3_NO_CLASS else { continue }
        #expect(try Answer(result) == plain.answer(image))
      }
    }
  }

  // promise: classes-exact, classes-create
  @Test("need exactly as many bytes as the query says")
  func memory() throws {
    let model = try open()
    var (bytes, alignment) = (0, 0)
    try check(e3_classes_query(&model.handle, 3, 2, &bytes, &alignment))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes + 128, alignment: alignment)
    defer { memory.deallocate() }
    for place in bytes..<bytes + 128 { memory[place] = 0x5A }
    var handle: OpaquePointer?
    let start = memory.baseAddress
    #expect(e3_classes_create(&model.handle, 3, 2, start, bytes - 1, &handle) == E3_ERROR_ARENA_TOO_SMALL)
    #expect(e3_classes_create(&model.handle, 3, 2, start! + 4, bytes, &handle) == E3_ERROR_ARENA_ALIGNMENT)
    try check(e3_classes_create(&model.handle, 3, 2, start, bytes, &handle))
    for label in ["a", "b", "c"] {
      var index: UInt32 = 0
      try check(e3_classes_add(handle, label, 0, &index))
    }
    #expect((bytes..<bytes + 128).allSatisfy { memory[$0] == 0x5A })
    for (capacity, grid, status) in [
      (0, 4, E3_ERROR_INDEX_RANGE), (65, 4, E3_ERROR_INDEX_RANGE), (3, 3, E3_ERROR_INDEX_RANGE),
      (3, 0, E3_ERROR_CLASS_GRID),
    ] {
      #expect(e3_classes_query(&model.handle, UInt32(capacity), UInt32(grid), &bytes, &alignment) == status)
    }
    let plain = try OpenModel(awkwardConfigs[1].config)
    #expect(e3_classes_query(&plain.handle, 3, 4, &bytes, &alignment) == E3_ERROR_NO_CALIBRATION)
  }

  // promise: classes-add, classes-learn, classes-attach
  @Test("refuse labels, pictures, sessions and models that do not serve, each with its status")
  func refusals() throws {
    let model = try open()
    let classes = try OpenClasses(model, capacity: 3)
    let session = try attached(model, classes)
    let long = String(repeating: "x", count: 41)
    for label in ["", long, "two\nlines", "\u{202E}x", "\u{85}", " ", "\u{A0}\u{2003}\u{FEFF}"] {
      expect(E3_ERROR_CLASS_LABEL) { _ = try classes.add(label) }
    }
    // White space, what is ignored by default, private use, noncharacters.
    let unseen: [UInt32] = [
      0xAD, 0x34F, 0x115F, 0x1160, 0x180E, 0x200D, 0x2064, 0x2800, 0x3164, 0xE000, 0xFDD0, 0xFE0F, 0xFFA0, 0xFFFE,
      0x1BCA0,
      0x1D17A, 0x1FFFF, 0xE0020, 0xF0000, 0x10FFFF,
    ]
    for letter in unseen.compactMap(Unicode.Scalar.init) {
      expect(E3_ERROR_CLASS_LABEL) { _ = try classes.add(" \(letter)") }
    }
    expect(E3_ERROR_INDEX_RANGE) { _ = try classes.add("kind", kind: 2) }
    #expect(try classes.add(String(long.dropLast())) == 0 && classes.add("Ventil é") == 1)
    let visible = try OpenClasses(model, capacity: 8)
    for (count, label) in ["\u{2801}", "\u{3163}", "\u{1161}", "\u{F900}", "\u{1F600}", "a\u{200D}b", "-"].enumerated()
    {
      #expect(try visible.add(label) == count)
    }
    expect(E3_ERROR_CLASS_LABEL) { _ = try classes.add("Ventil é") }
    // Which fault a label has is told as e3.h says.
    for (label, fault) in [
      ("", 0), (long, 1), ("Ventil é", 2), (String(long.dropLast()), 2), ("\u{2003}", 3), ("a\n", 3),
    ] {
      expect(E3_ERROR_CLASS_LABEL) { _ = try classes.add(label) }
      let isThere = try (0..<2).contains { try classes.label($0) == label }
      let length = label.utf8.count
      #expect((length == 0 ? 0 : length > E3_CLASS_LABEL_BYTES ? 1 : isThere ? 2 : 3) == fault, "\(label)")
    }
    #expect(try classes.add("unlike", kind: E3_CLASS_UNLIKE) == 2)
    expect(E3_ERROR_CLASSES_FULL) { _ = try classes.add("more") }
    #expect(try classes.label(1) == "Ventil é")

    // Attached, but nothing has run since; a run without them; a run that failed.
    expect(E3_ERROR_NO_FEATURES) { try check(e3_classes_learn(classes.handle, 0, session.handle)) }
    try classes.learn(0, session, model.image(seed: 1))
    expect(E3_ERROR_INDEX_RANGE) { try classes.learn(3, session, model.image(seed: 1)) }
    expect(E3_ERROR_INDEX_RANGE) { _ = try classes.info(3) }
    let other = try OpenClasses(model)
    _ = try other.add("other")
    expect(E3_ERROR_NO_FEATURES) { try check(e3_classes_learn(other.handle, 0, session.handle)) }
    _ = try session.run(model.image(seed: 1))
    expect(E3_ERROR_TENSOR_SIZE) { _ = try session.run([0]) }
    expect(E3_ERROR_NO_FEATURES) { try check(e3_classes_learn(classes.handle, 0, session.handle)) }
    try check(e3_session_set_deadline(session.handle, 1))
    expect(E3_ERROR_DEADLINE) { _ = try session.run(model.image(seed: 1)) }
    expect(E3_ERROR_NO_FEATURES) { try check(e3_classes_learn(classes.handle, 0, session.handle)) }

    let plain = try OpenSession(model, sessionOptions())
    expect(E3_ERROR_NO_FEATURES) { try check(e3_session_attach_classes(plain.handle, classes.handle)) }
    let foreign = try open(seed: 8)
    expect(E3_ERROR_CLASSES_MODEL) { _ = try attached(foreign, classes) }
    expect(E3_ERROR_CLASSES_MODEL) { _ = try OpenClasses(foreign, file: classes.file) }
    expect(E3_ERROR_NOT_CLASSES) {
      try check(e3_session_attach_classes(session.handle, OpaquePointer(model.memory.baseAddress)))
    }
    var index: UInt32 = 0
    #expect(e3_classes_add(nil, "x", 0, &index) == E3_ERROR_NULL_ARGUMENT)
    #expect(e3_classes_add(classes.handle, nil, 0, &index) == E3_ERROR_NULL_ARGUMENT)
    #expect(e3_classes_learn(nil, 0, session.handle) == E3_ERROR_NULL_ARGUMENT)
    #expect(e3_classes_get_info(classes.handle, nil) == E3_ERROR_NULL_ARGUMENT)
  }

  @Test("that are written over while they are attached end a run with a status")
  func writtenOver() throws {
    let model = try open()
    let classes = try OpenClasses(model, capacity: 4)
    let session = try attached(model, classes)
    _ = try session.run(model.image(seed: 1))
    let another = try open(seed: 8)
    for other in [try OpenClasses(model, capacity: 2), try OpenClasses(another, capacity: 4)] {
      classes.memory.copyBytes(from: UnsafeRawBufferPointer(other.memory))
      expect(E3_ERROR_NOT_CLASSES) { _ = try session.run(model.image(seed: 1)) }
    }
    for byte in [0, 0xFF] as [UInt8] {
      classes.memory.initializeMemory(as: UInt8.self, repeating: byte)
      expect(E3_ERROR_NOT_CLASSES) { _ = try session.run(model.image(seed: 1)) }
    }
  }

  // promise: classes-remove
  @Test("of which one is removed have the bytes, and the answers, as if it had never been there")
  func remove() throws {
    let model = try open()
    /// Classes of these labels, each learned from pictures of its own.
    func learned(_ labels: String) throws -> OpenClasses {
      let classes = try OpenClasses(model, capacity: 20)
      let session = try attached(model, classes)
      for label in labels {
        let index = try classes.add(String(label), kind: label == "u" ? E3_CLASS_UNLIKE : E3_CLASS_LEARNED)
        for picture in 0..<3 {
          let seed = UInt64(label.asciiValue ?? 0) * 8 + UInt64(picture)
          try classes.learn(index, session, model.image(seed: seed))
        }
      }
      return classes
    }
    // Of one panel and of two, the first, the last, the one that the others are unlike, and the only one.
    let many = "abcdefghiujklmnopqr"
    for (all, gone) in [("abc", "a"), ("abc", "b"), ("abc", "c"), ("aub", "u"), ("a", "a"), (many, "c"), (many, "r")] {
      let classes = try learned(all)
      let index = try #require(all.firstIndex(of: Character(gone)).map { all.distance(from: all.startIndex, to: $0) })
      try check(e3_classes_remove(classes.handle, UInt32(index)))
      let rest = try learned(all.filter { String($0) != gone })
      #expect(classes.file == rest.file, "\(gone) of \(all)")
      #expect(try OpenClasses(model, file: classes.file).file == rest.file)
      let image = model.image(seed: UInt64(Character("b").asciiValue ?? 0) * 8)
      let answers = try [classes, rest].map { try attached(model, $0).run(image) }
      #expect(answers[0].learned_class == answers[1].learned_class)
      #expect(answers[0].learned_distance.bitPattern == answers[1].learned_distance.bitPattern)
      #expect(e3_classes_remove(classes.handle, UInt32(all.count - 1)) == E3_ERROR_INDEX_RANGE)
    }
    #expect(e3_classes_remove(nil, 0) == E3_ERROR_NULL_ARGUMENT)
  }

  @Test("tell what they are")
  func info() throws {
    let model = try open()
    let classes = try OpenClasses(model, capacity: 5, grid: 2)
    _ = try classes.add("a")
    var info = e3_classes_info()
    #expect(e3_classes_get_info(classes.handle, &info) == E3_ERROR_STRUCT_SIZE)
    info.struct_size = UInt32(MemoryLayout<e3_classes_info>.size)
    try check(e3_classes_get_info(classes.handle, &info))
    #expect(info.count == 1 && info.capacity == 5 && info.grid == 2 && info.bytes == UInt64(classes.file.count))
  }
}

@Suite("The bytes of learned classes")
struct LearnedFileTests {
  let model: OpenModel
  let file: [UInt8]

  init() throws {
    model = try OpenModel(awkwardConfigs[1].config, isCalibrated: true)
    let classes = try OpenClasses(model, capacity: 4)
    let session = try OpenSession(model, learningOptions())
    try check(e3_session_attach_classes(session.handle, classes.handle))
    let (valve, other) = (try classes.add("valve"), try classes.add("unlike", kind: E3_CLASS_UNLIKE))
    for seed in 0..<3 as Range<UInt64> { try classes.learn(valve, session, model.image(seed: seed)) }
    try classes.learn(other, session, model.image(seed: 9))
    file = classes.file
  }

  // promise: classes-memory
  @Test("are all that is needed to have them again, and to go on learning")
  func again() throws {
    let (kept, read) = (try OpenClasses(model, file: file), try OpenClasses(model, file: file))
    #expect(kept.file == file)
    for classes in [kept, read] {
      let session = try OpenSession(model, learningOptions())
      try check(e3_session_attach_classes(session.handle, classes.handle))
      #expect(try session.run(model.image(seed: 1)).nearest_learned_class == 0)
      try classes.learn(0, session, model.image(seed: 20))
    }
    #expect(kept.file == read.file && kept.file != file)
    _ = try OpenClasses(model, file: kept.file)
  }

  // promise: classes-open
  @Test("are refused with any byte changed, and cut off anywhere")
  func damaged() throws {
    var random = SplitMix(state: 4)
    let places = Array(0..<400) + (0..<300).map { _ in Int(random.next() % UInt64(file.count)) }
    for place in places {
      var damaged = file
      damaged[place] ^= 1 << UInt8(random.next() % 8)
      #expect(throws: Failure.self, "\(place)") { _ = try OpenClasses(model, file: damaged) }
    }
    for count in [0, 7, 8, 127, 128, 129, file.count - 1] {
      #expect(throws: Failure.self, "\(count)") { _ = try OpenClasses(model, file: Array(file.prefix(count))) }
    }
  }

  /// The file with `edit` made to it and checksums that are right again.
  private func sealed(_ edit: (inout [UInt8]) -> Void) -> [UInt8] {
    var bytes = file
    edit(&bytes)
    let body = bytes[128...].withUnsafeBytes { XXH64.hash($0) }
    withUnsafeBytes(of: body) { bytes.replaceSubrange(32..<40, with: $0) }
    bytes.replaceSubrange(24..<32, with: [UInt8](repeating: 0, count: 8))
    let header = bytes[..<128].withUnsafeBytes { XXH64.hash($0) }
    withUnsafeBytes(of: header) { bytes.replaceSubrange(24..<32, with: $0) }
    return bytes
  }

  @Test("with right checksums are refused where they break a rule")
  func hostile() throws {
    #expect(sealed { _ in } == file)
    let record = 128
    let edits: [(String, (inout [UInt8]) -> Void)] = [
      ("capacity", { $0[48] = 65 }), ("count", { $0[52] = 5 }), ("fewer classes than records", { $0[52] = 1 }),
      ("grid", { $0[56] = 3 }), ("another grid", { $0[56] = 2 }), ("features", { $0[60] ^= 16 }),
      ("members", { $0[64] ^= 1 }), ("width", { $0[68] ^= 16 }), ("agreement", { $0[75] ^= 0x40 }),
      ("reserved", { $0[100] = 1 }), ("size", { $0[16] ^= 1 }), ("version", { $0[8] = 2 }),
      ("label", { $0[record] = 0x0A }), ("no UTF-8", { $0[record] = 0xFF }), ("empty label", { $0[record] = 0 }),
      ("kind", { $0[record + 40] = 2 }), ("two unlike", { $0[record + 40] = 1 }),
      ("pictures", { $0[record + 46] = 1 }), ("no pictures", { $0[record + 44] = 0 }),
      ("agreement NaN", { $0.replaceSubrange(record + 48..<record + 52, with: [0, 0, 0xC0, 0x7F]) }),
      ("norm", { $0[record + 52] ^= 1 }), ("cosine", { $0[record + 56] ^= 1 }), ("radius", { $0[record + 60] ^= 1 }),
      ("unused record", { $0[record + 3 * 64] = 1 }),
      ("mean NaN", { $0.replaceSubrange(record + 4 * 64..<record + 4 * 64 + 4, with: [0, 0, 0xC0, 0x7F]) }),
      ("compensation", { $0[$0.count - 64] ^= 1 }), ("bias", { $0[$0.count - 128] = 1 }),
      ("scale", { $0[$0.count - 189] = 0xFF }), ("unused scale", { $0[$0.count - 130] = 1 }),
      (
        "weight -128",
        { bytes in
          let end = bytes.count - 192
          // The first weight of the first class that is not zero.
          if let place = (0..<end).reversed().first(where: { ($0 - bytes.count) % 4 == 0 && bytes[$0] == 0x81 }) {
            bytes[place] = 0x80
          } else {
            bytes[end - 64] = 0x80
          }
        }
      ),
    ]
    for (name, edit) in edits {
      #expect(throws: Failure.self, "\(name)") { _ = try OpenClasses(model, file: sealed(edit)) }
    }
  }

  @Test("at an odd address, of a model without statistics, or with values that no class uses are refused")
  func others() throws {
    let room = UnsafeMutableRawPointer.allocate(byteCount: file.count + 64, alignment: 64)
    defer { room.deallocate() }
    (room + 4).copyMemory(from: file, byteCount: file.count)
    var handle: OpaquePointer?
    #expect(e3_classes_open(&model.handle, room + 4, file.count, &handle) == E3_ERROR_ARENA_ALIGNMENT)
    var info = e3_classes_info()
    info.struct_size = UInt32(MemoryLayout<e3_classes_info>.size)
    #expect(e3_classes_get_info(OpaquePointer(room + 4), &info) == E3_ERROR_NOT_CLASSES)

    let plain = try OpenModel(awkwardConfigs[1].config)
    let hash = try ModelFile(validating: UnsafeRawBufferPointer(plain.memory)).classesHash
    let foreign = sealed { bytes in withUnsafeBytes(of: hash) { bytes.replaceSubrange(40..<48, with: $0) } }
    #expect(throws: Failure(status: e3_status(E3_ERROR_NO_CALIBRATION))) { _ = try OpenClasses(plain, file: foreign) }

    // The means of two classes of four, then those of nobody.
    let means = 128 + 4 * 64
    let panels = file.count - 192 - 16 * Int(file.read(at: 60) as UInt32)
    let unused = sealed { $0[means + (panels - means) / 2 + 3] = 0x3F }
    #expect(throws: Failure(status: e3_status(E3_ERROR_FILE_VALUES))) { _ = try OpenClasses(model, file: unused) }
  }

  @Test("whose header changes in memory are none any more")
  func changedInMemory() throws {
    for edit in [{ $0[16] ^= 1 }, { $0[48] = 0 }, { $0[56] = 3 }, { $0[60] ^= 1 }] as [(inout [UInt8]) -> Void] {
      let classes = try OpenClasses(model, file: file)
      classes.memory.copyBytes(from: sealed(edit))
      var info = e3_classes_info()
      info.struct_size = UInt32(MemoryLayout<e3_classes_info>.size)
      #expect(e3_classes_get_info(classes.handle, &info) == E3_ERROR_NOT_CLASSES)
    }
  }

  @Test("that anybody wrote lead no call outside of them")
  func fuzz() throws {
    var random = SplitMix(state: 11)
    let session = try OpenSession(model, learningOptions())
    for _ in 0..<400 {
      let bytes = sealed { bytes in
        for _ in 0..<1 + random.next() % 3 {
          let place = random.next() % 3 == 0 ? 40 + random.next() % 400 : random.next() % UInt64(bytes.count)
          bytes[Int(place)] = UInt8(truncatingIfNeeded: random.next())
        }
      }
      guard let classes = try? OpenClasses(model, file: bytes) else { continue }
      try check(e3_session_attach_classes(session.handle, classes.handle))
      let result = try session.run(model.image(seed: 2))
      #expect(result.nearest_learned_class == E3_NO_CLASS || result.nearest_learned_class < 4)
      try check(e3_session_attach_classes(session.handle, nil))
    }
  }
}
