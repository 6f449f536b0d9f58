import CE3
import CE3Board
import CE3Pictures
import CE3Threads

/// An open file or standard input.
struct Descriptor: ~Copyable {
  let number: Int32

  init(_ path: UnsafePointer<CChar>) throws(Failure) {
    number = e3c_open(path)
    if number < 0 { throw .report(path, errno: -number) }
  }

  deinit { e3c_close(number) }

  var hasEnded: Bool { e3c_has_ended(number) != 0 }
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
  /// Whether the first frame is a picture by its first bytes, and was not meant to be pixels.
  private var isPicture = false

  init(_ path: UnsafePointer<CChar>, _ format: StreamFormat) throws(Failure) {
    let descriptor = try Descriptor(path)
    guard let memory = Memory(count: format.frameBytes) else { throw .report(path, "out of memory for a frame") }
    self.path = path
    self.format = format
    self.descriptor = descriptor
    self.memory = memory
  }

  var hasEnded: Bool { descriptor.hasEnded }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    let first = try read(from: 0, all: false)
    if first == 0 {
      if count == 0, e3c_stop_asked() == 0 { throw .report(path, "the stream is empty") }
      return .end
    }
    let start = ce3_clock_ns()
    let got = try first + read(from: first, all: true)
    if count == 0 {
      try requirePixels(got)
      isPicture = beginsAsPicture(got)
    }
    guard got == format.frameBytes else {
      if e3c_stop_asked() != 0 { return .end }
      e3c_count(E3C_CUT, 1)
      throw .report(path, "the stream ends inside frame ") { errors in
        errors.write(count)
        errors.write(" (")
        errors.write(got)
        errors.write(" of ")
        errors.write(format.frameBytes)
        errors.write(" bytes)")
        if isPicture { errors.write(": it is a picture, which is read without --pixel-format") }
      }
    }
    count += 1
    body(SourceFrame(pixels: format.frame(memory.start), capture: ce3_clock_ns() - start))
    return .frame
  }

  /// Refuses a first frame that is the beginning of something else for certain: its bytes would be answered as pixels.
  private func requirePixels(_ count: Int) throws(Failure) {
    if let kind = e3p_begins_as(memory.start.assumingMemoryBound(to: UInt8.self), count) {
      throw .report(path, cString: kind)
    }
  }

  /// Whether the first of `count` bytes are those of a JPEG or PNG picture.
  private func beginsAsPicture(_ count: Int) -> Bool {
    guard count >= 4 else { return false }
    let first = memory.start.loadUnaligned(as: UInt32.self).bigEndian
    return first >> 8 == 0xFFD8FF || first == 0x8950_4E47
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
