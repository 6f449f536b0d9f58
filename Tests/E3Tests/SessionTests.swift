import CE3
import E3
import E3TestSupport
import Foundation
import Synchronization
import Testing

@Suite("a session")
struct SessionTests {
  @Test("an answer has the bits that the C interface gives", arguments: [SampleFile.full, .calibrated, .map])
  func tensors(file: SampleFile) throws {
    let model = try openModel(file)
    let values = tensor(for: model)
    var session = try Session(model)
    let answer = try session.run(tensor: values.span)
    let (top, probability) = (answer.topClass, answer.topProbability)
    let (members, classes) = (answer.memberCount, answer.classCount)
    let stored = StoredAnswer(answer)
    let (logits, softmax) = (Array(copying: answer.memberLogits), Array(copying: answer.memberProbabilities))
    #expect(logits == Array(stored.memberLogits.joined()) && softmax == Array(stored.memberProbabilities.joined()))
    let expected = try answerFromC(file.bytes, values: values)
    #expect(stored.bits == expected)
    #expect(probability == stored.probabilities[top] && probability == stored.probabilities.max())
    #expect(members == model.memberCount && classes == model.classCount)
    #expect((stored.distance == nil) == (model.calibration == nil))
    #expect(stored.predictionSet.isEmpty == (model.calibration == nil))
  }

  @Test("a frame with strides, of one plane or two, gives the bits that the C interface gives")
  func frames() throws {
    let bytes = try SampleFile.full.bytes
    var session = try Session(openModel(.full))
    let (rgb, luma, chroma) = (noise(64 * 10), noise(32 * 10), noise(40 * 5))
    let one = StoredAnswer(try session.run(Frame(.rgb24, width: 20, height: 10, pixels: rgb.span.bytes, stride: 64)))
    let two = StoredAnswer(
      try session.run(
        Frame(
          .nv12, width: 20, height: 10, luma: luma.span.bytes, lumaStride: 32, chroma: chroma.span.bytes,
          chromaStride: 40)))
    var frame = e3_frame()
    frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
    (frame.width, frame.height) = (20, 10)
    try rgb.withUnsafeBytes { rgb in
      frame.format = e3_pixel_format(E3_PIXEL_RGB24)
      (frame.planes.0, frame.sizes.0, frame.strides.0) = (rgb.baseAddress, rgb.count, 64)
      let expected = try answerFromC(bytes, frame: frame)
      #expect(one.bits == expected)
    }
    try luma.withUnsafeBytes { luma in
      try chroma.withUnsafeBytes { chroma in
        frame.format = e3_pixel_format(E3_PIXEL_NV12)
        (frame.planes.0, frame.sizes.0, frame.strides.0) = (luma.baseAddress, luma.count, 32)
        (frame.planes.1, frame.sizes.1, frame.strides.1) = (chroma.baseAddress, chroma.count, 40)
        let expected = try answerFromC(bytes, frame: frame)
        #expect(two.bits == expected)
      }
    }
    #expect(one.bits != two.bits)
  }

  @Test("a rectangle, turned, of another format and range is the frame that its pixels make")
  func pictures() throws {
    var session = try Session(openModel(.full))
    let (width, height) = (20, 12)
    let rgb = noise(width * height * 3)
    func pixel(_ x: Int, _ y: Int) -> ArraySlice<UInt8> { rgb[(y * width + x) * 3..<(y * width + x) * 3 + 3] }
    // The rectangle at (3, 2) of 10 x 7, a quarter clockwise: lines from left columns, read from below.
    var turned: [UInt8] = []
    for x in 3..<13 { for y in (2..<9).reversed() { turned += pixel(x, y) } }
    var bgrx: [UInt8] = []
    for place in 0..<width * height { bgrx += [rgb[place * 3 + 2], rgb[place * 3 + 1], rgb[place * 3], 77] }
    let expected = StoredAnswer(try session.run(Frame(.rgb24, width: 7, height: 10, pixels: turned.span.bytes)))
    var frame = Frame(.bgrx32, width: width, height: height, pixels: bgrx.span.bytes)
    frame.crop(x: 3, y: 2, width: 10, height: 7)
    frame.transform = .rotate90
    let whole = StoredAnswer(try session.run(Frame(.rgb24, width: width, height: height, pixels: rgb.span.bytes)))
    let found = StoredAnswer(try session.run(frame))
    #expect(found == expected && found != whole)
    frame.range = .limited
    let limited = StoredAnswer(try session.run(frame))
    #expect(limited != found)
    frame.crop(x: -1, y: 2, width: 10, height: 7)
    let error = error { () throws(E3Error) in _ = try session.run(frame) }
    #expect(error != nil)
  }

  @Test("three planes are those of two, taken apart, and the matrix counts")
  func planes() throws {
    var session = try Session(openModel(.full))
    let (luma, u, v) = (noise(16 * 8), noise(8 * 4, seed: 2), noise(8 * 4, seed: 3))
    let interleaved = (0..<32).flatMap { [u[$0], v[$0]] }
    let two = StoredAnswer(
      try session.run(
        Frame(.nv12, width: 16, height: 8, luma: luma.span.bytes, chroma: interleaved.span.bytes)))
    var frame = Frame(
      .i420, width: 16, height: 8, luma: luma.span.bytes, firstChroma: u.span.bytes, secondChroma: v.span.bytes)
    let three = StoredAnswer(try session.run(frame))
    #expect(two == three)
    frame.matrix = .bt709
    let other = StoredAnswer(try session.run(frame))
    #expect(other != three)
  }

  private func error(_ body: () throws(E3Error) -> Void) -> E3Error? {
    do throws(E3Error) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  @Test("a frame that is wrong is refused with the error that says why")
  func wrongFrames() throws {
    var session = try Session(openModel(.full))
    func error(width: Int = 4, height: Int = 4, count: Int = 48, stride: Int = 0) -> E3Error? {
      let pixels = noise(count)
      do throws(E3Error) {
        _ = try session.run(
          Frame(.rgb24, width: width, height: height, pixels: pixels.span.bytes, stride: stride))
        return nil
      } catch {
        return error
      }
    }
    #expect(error() == nil)
    #expect(error(width: 0) == .frameSize)
    #expect(error(width: -4) == .frameSize)
    #expect(error(height: .max) == .frameSize)
    #expect(error(count: 47) == .frameStride)
    #expect(error(count: 0) == .frameStride)
    #expect(error(stride: 11) == .frameStride)
    #expect(error(stride: -12) == .frameStride)
    #expect(error(stride: .max) == .frameStride)
  }

  @Test("a tensor of another size or with a NaN is refused")
  func wrongTensors() throws {
    var session = try Session(openModel(.full))
    let count = session.model.imageValues
    let (short, unusable) = ([Float](repeating: 0, count: count - 1), [Float](repeating: .nan, count: count))
    #expect(throws: E3Error.tensorSize) { _ = try session.run(tensor: short.span) }
    #expect(throws: E3Error.tensorNotFinite) { _ = try session.run(tensor: unusable.span) }
  }

  @Test("an arena of exactly the size that the layout says works, one byte fewer or a byte off is refused")
  func arenas() throws {
    let model = try openModel(.full)
    let options = SessionOptions(threads: 2)
    let layout = try Session.arenaLayout(model, options)
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: layout.byteCount + layout.alignment, alignment: layout.alignment)
    defer { memory.deallocate() }
    func session(_ range: Range<Int>) throws -> Session {
      try Session(model, options, arena: UnsafeMutableRawBufferPointer(rebasing: memory[range]))
    }
    let values = tensor(for: model)
    var own = try Session(model)
    var lent = try session(0..<layout.byteCount)
    let expected = StoredAnswer(try own.run(tensor: values.span))
    let found = StoredAnswer(try lent.run(tensor: values.span))
    #expect(found == expected)
    #expect(throws: E3Error.arenaTooSmall) { _ = try session(0..<layout.byteCount - 1) }
    #expect(throws: E3Error.arenaAlignment) { _ = try session(1..<layout.byteCount + 1) }
    #expect(throws: E3Error.threadCount) { _ = try Session(model, SessionOptions(threads: 65)) }
  }

  // promise: shared-model
  @Test("a session that is shared under a mutex answers on every thread")
  func transfer() async throws {
    let model = try openModel(.full)
    let values = tensor(for: model)
    let session = Mutex(try Session(model))
    let here = try session.withLock { StoredAnswer(try $0.run(tensor: values.span)) }
    async let there = session.withLock { StoredAnswer(try $0.run(tensor: values.span)) }
    #expect(try await there == here)
  }

  @Test("a prepared frame, run as a tensor, gives the frame's answer")
  func preparation() throws {
    var session = try Session(openModel(.full))
    let rgb = noise(40 * 30 * 3)
    let frame = Frame(.rgb24, width: 40, height: 30, pixels: rgb.span.bytes)
    var values = [Float](repeating: 0, count: session.model.imageValues)
    var span = values.mutableSpan
    try session.preprocess(frame, into: &span)
    let direct = StoredAnswer(try session.run(frame))
    let prepared = StoredAnswer(try session.run(tensor: values.span))
    #expect(prepared == direct)
    var short = [Float](repeating: 0, count: values.count - 1)
    #expect(throws: E3Error.tensorSize) {
      var span = short.mutableSpan
      try session.preprocess(Frame(.rgb24, width: 40, height: 30, pixels: rgb.span.bytes), into: &span)
    }
  }

  @Test("routing is what the last run decided, where it is recorded")
  func routing() throws {
    let model = try openModel(.full)
    var session = try Session(model, SessionOptions(recordsRouting: true))
    _ = try session.run(tensor: tensor(for: model).span)
    let routing = try session.routing(layer: 0)
    let (block, members, tokens) = (routing.block, routing.memberCount, routing.tokenCount)
    let (memberExperts, selected) = (routing.memberExperts, routing.selectedExperts)
    let gates = Array(copying: routing.gates)
    let experts = Array(copying: routing.experts)
    #expect([block, members, memberExperts, selected] == [1, 2, 2, 1] && tokens > 0)
    #expect(gates.count == 2 * tokens * 2 && experts.count == 2 * tokens)
    for (index, expert) in experts.enumerated() {
      #expect(Int(expert) / 2 == index / tokens)
      #expect(gates[index * 2 + Int(expert) % 2] >= 0.5)
    }
    #expect(throws: E3Error.indexRange) { _ = try session.routing(layer: 1) }
    #expect(throws: E3Error.indexRange) { _ = try session.routing(layer: -1) }
    #expect(throws: E3Error.noRouting) {
      let plain = try Session(model)
      _ = try plain.routing(layer: 0)
    }
  }

  @Test("a session that may stop early says how many networks answered, and needs a file that says when")
  func early() throws {
    var file = SampleFile.ensemble
    file.calibration = SampleFile.thresholds(hasStatistics: false)
    file.calibration?.accept_threshold = 0
    file.earlyStops = [2, 0].map { e3_file_early_stop(probability: $0, unknown_score: 0, stopped: 0, differing: 0) }
    let model = try openModel(file)
    let values = tensor(for: model)
    var whole = try Session(model)
    var early = try Session(model, SessionOptions(stopsEarly: true))
    let all = try whole.run(tensor: values.span)
    let everything = [all.networkCount, all.memberCount]
    let first = try early.run(tensor: values.span)
    let part = [first.networkCount, first.memberCount]
    #expect(model.hasEarlyStops && everything == [3, 4] && part == [2, 3])
    let plain = try openModel(.ensemble)
    #expect(!plain.hasEarlyStops && SessionOptions(stopsEarly: true).stopsEarly)
    #expect(throws: E3Error.noEarlyStops) { _ = try Session(plain, SessionOptions(stopsEarly: true)) }
  }

  @Test("a session keeps as much of a file resident as it is told, gives the same bits, and says what it read")
  func residency() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(SampleFile.full.bytes, to: "m.e3")
    let model = try Model(contentsOf: path)
    let values = tensor(for: model)
    var plain = try Session(model)
    let expected = StoredAnswer(try plain.run(tensor: values.span))
    var options = SessionOptions()
    options.keepResident(bytes: model.residentMinimum)
    var session = try Session(model, options)
    // Another file of this name is not what is read.
    _ = try folder.write(SampleFile.map.bytes, to: "other")
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.moveItem(atPath: folder["other"], toPath: path)
    let found = StoredAnswer(try session.run(tensor: values.span))
    #expect(found == expected)
    let layer = try session.residency(layer: 0)
    #expect(layer.network == 0 && layer.block == 1 && layer.expertCount == 4)
    #expect(layer.residentExperts == 0 && layer.residentBytes == 0 && layer.chosenResidentExperts == 0)
    #expect(layer.chosenExperts > 0 && layer.chosenBytes > 0 && layer.readBytes >= layer.chosenBytes)
    options.keepResident(bytes: .max)
    var all = try Session(model, options)
    _ = try all.run(tensor: values.span)
    let locked = try all.residency(layer: 0)
    #expect(locked.residentExperts == 4 && locked.readBytes == 0 && locked.chosenResidentExperts > 0)
    #expect(throws: E3Error.indexRange) { _ = try session.residency(layer: 1) }
    #expect(throws: E3Error.indexRange) { _ = try session.residency(layer: -1) }
    #expect(throws: E3Error.notResident) { _ = try plain.residency(layer: 0) }
    options.keepResident(bytes: model.residentMinimum - 1)
    #expect(throws: E3Error.residentBytes) { _ = try Session(model, options) }
    // Bytes of the caller's have no file but the one that it names.
    let copied = try openModel(.full)
    options.keepResident(bytes: copied.residentMinimum)
    #expect(throws: E3Error.fileRead) { _ = try Session(copied, options) }
  }

  @Test("a session tells its tier and where the time went")
  func looking() throws {
    var session = try Session(openModel(.full), SessionOptions(instructionSet: .scalar))
    _ = try session.run(tensor: tensor(for: session.model).span)
    let profile = session.profile
    let tier = session.instructionSet
    #expect(tier == .scalar)
    #expect(profile.attention > 0 && profile.mlp > 0 && profile.experts > 0)
    #expect(throws: E3Error.goldenMismatch) { try session.selfTest() }
    #expect(throws: E3Error.noGolden) {
      var session = try Session(openModel(.map))
      try session.selfTest()
    }
  }

  @Test("a deadline that has passed ends a run, and none does not")
  func deadline() throws {
    var session = try Session(openModel(.full))
    let values = tensor(for: session.model)
    session.setDeadline(nanoseconds: 1)
    #expect(throws: E3Error.deadline) { _ = try session.run(tensor: values.span) }
    session.setDeadline(nanoseconds: 0)
    _ = try session.run(tensor: values.span)
  }

  @Test("threads pinned to this machine's first CPU compute the same bits")
  func pinning() throws {
    let model = try openModel(.full)
    var options = SessionOptions()
    try options.pin(to: [0 as UInt16].span)
    var pinned = try Session(model, options)
    var free = try Session(model, SessionOptions(threads: 3))
    let values = tensor(for: model)
    #expect(options.threads == 1)
    let first = StoredAnswer(try pinned.run(tensor: values.span))
    let second = StoredAnswer(try free.run(tensor: values.span))
    #expect(first == second)
    #expect(throws: E3Error.threadCount) { try options.pin(to: [UInt16](repeating: 0, count: 65).span) }
    #expect(throws: E3Error.threadCount) { try options.pin(to: Span<UInt16>()) }
  }

  @Test("the shipped models give their golden bits")
  func shipped() throws {
    for name in [
      "fashion-e3", "fashion-e3-late", "fashion-vmoe", "fashion-vit", "fashion-vit-2", "fashion-vit-ensemble",
      "parts-e3",
    ] {
      var session = try Session(Model(contentsOf: "\(packageRoot.path)/models/\(name).e3"))
      try session.selfTest()
    }
  }
}
