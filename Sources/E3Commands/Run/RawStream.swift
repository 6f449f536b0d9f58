import CE3
import CE3Board
import CE3Pictures
import CE3Threads

/// An open file or standard input.
private struct Descriptor: ~Copyable {
  let number: Int32

  init(_ path: UnsafePointer<CChar>) throws(Failure) {
    number = e3c_open(path)
    if number < 0 { throw .report(path, errno: -number) }
  }

  deinit { e3c_close(number) }
}

/// Frames of one size, one after the other, as a camera or a pipe gives them.
struct RawStream: FrameSource, ~Copyable {
  static var isLive: Bool { true }
  static var toleratesDamage: Bool { false }

  private let path: UnsafePointer<CChar>
  private let format: StreamFormat
  private let descriptor: Descriptor
  private let memory: Memory
  private var count: UInt64 = 0

  init(_ path: UnsafePointer<CChar>, _ format: StreamFormat) throws(Failure) {
    let descriptor = try Descriptor(path)
    guard let memory = Memory(count: format.frameBytes) else { throw .report(path, "out of memory for a frame") }
    self.path = path
    self.format = format
    self.descriptor = descriptor
    self.memory = memory
  }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    let first = try read(from: 0, all: false)
    if first == 0 {
      if count == 0, e3c_stop_asked() == 0 { throw .report(path, "the stream is empty") }
      return .end
    }
    let start = ce3_clock_ns()
    let got = try first + read(from: first, all: true)
    guard got == format.frameBytes else {
      if e3c_stop_asked() != 0 { return .end }
      throw .report(path, "the stream ends inside frame ") { errors in
        errors.write(count)
        errors.write(" (")
        errors.write(got)
        errors.write(" of ")
        errors.write(format.frameBytes)
        errors.write(" bytes)")
      }
    }
    count += 1
    body(SourceFrame(pixels: format.frame(memory.start), capture: ce3_clock_ns() - start))
    return .frame
  }

  /// Reads the bytes of the frame from `start` on, all of them or what is there, and returns their number.
  private func read(from start: Int, all: Bool) throws(Failure) -> Int {
    let (place, count) = (memory.start + start, format.frameBytes - start)
    if count == 0 { return 0 }
    let got = all ? e3c_read_full(descriptor.number, place, count) : e3c_read_some(descriptor.number, place, count)
    if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
    return got
  }
}

/// JPEG pictures one after the other. Bytes between two pictures are skipped.
struct MJPEGStream: FrameSource, ~Copyable {
  static var isLive: Bool { true }
  static var toleratesDamage: Bool { false }

  /// The longest picture that is waited for.
  private static var limit: Int { 32 << 20 }
  /// Bytes asked for at a time.
  private static var chunk: Int { 64 << 10 }

  private let path: UnsafePointer<CChar>
  private let descriptor: Descriptor
  private let buffer: Memory
  private var decoder = PictureDecoder()
  /// Bytes of the stream that are in the buffer and not used yet.
  private var held = 0..<0
  private var isAtEnd = false
  private var count: UInt64 = 0

  init(_ path: UnsafePointer<CChar>) throws(Failure) {
    let descriptor = try Descriptor(path)
    guard let buffer = Memory(count: Self.limit) else { throw .report(path, "out of memory for a frame") }
    self.path = path
    self.descriptor = descriptor
    self.buffer = buffer
  }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    var start = ce3_clock_ns()
    while true {
      skipToPicture()
      if held.count < 2 { start = ce3_clock_ns() }
      let length = e3p_jpeg_length(bytes, held.count)
      if length == 0 {
        if try readMore() { continue }
        if e3c_stop_asked() != 0 { return .end }
        // Nothing, or a rest that cannot be the start of a picture.
        if held.count < 2 {
          if count == 0 { throw .report(path, "the stream holds no picture") }
          return .end
        }
        throw .report(path, "the stream ends inside picture ") { $0.write(count) }
      }
      // What is no chain of markers is handed to the decoder up to the next picture, for its error.
      let taken = length > 0 ? length : 2
      let picture = UnsafeRawBufferPointer(start: bytes, count: length > 0 ? length : held.count)
      defer {
        held = held.lowerBound + taken..<held.upperBound
        count += 1
      }
      let capture = ce3_clock_ns() - start
      do { try decoder.decode(picture, path: path, position: count, capture: capture, body) } catch { return .broken }
      return .frame
    }
  }

  private var bytes: UnsafePointer<UInt8> {
    UnsafePointer((buffer.start + held.lowerBound).assumingMemoryBound(to: UInt8.self))
  }

  /// Drops bytes up to the marker that starts a picture, or up to a last byte that may be its first.
  private mutating func skipToPicture() {
    let bytes = bytes
    var index = 0
    while index + 1 < held.count, !(bytes[index] == 0xFF && bytes[index + 1] == 0xD8) { index += 1 }
    if index + 1 == held.count, bytes[index] != 0xFF { index += 1 }
    held = held.lowerBound + index..<held.upperBound
  }

  /// Reads more bytes behind those that are held; false at the end of the stream.
  private mutating func readMore() throws(Failure) -> Bool {
    if isAtEnd { return false }
    if held.lowerBound > 0 {
      buffer.start.copyMemory(from: UnsafeRawPointer(bytes), byteCount: held.count)
      held = 0..<held.count
    }
    let room = buffer.count - held.count
    guard room > 0 else {
      throw .report(path, "picture ") { errors in
        errors.write(count)
        errors.write(" is longer than 32 MiB")
      }
    }
    let got = e3c_read_some(descriptor.number, buffer.start + held.count, min(room, Self.chunk))
    if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
    held = 0..<held.count + got
    isAtEnd = got == 0
    return got > 0
  }
}
