import CE3Board
import CE3Pictures
import CE3Threads

/// JPEG pictures one after the other. What lies between them is skipped: a little without a word, more is reported.
struct MJPEGStream: FrameSource, ~Copyable {
  static var isLive: Bool { true }
  static var toleratesDamage: Bool { false }

  /// Bytes asked for at a time.
  private static var chunk: Int { 64 << 10 }
  /// Bytes between two pictures that nobody needs to hear of.
  private static var padding: Int { 64 << 10 }

  private let path: UnsafePointer<CChar>
  /// What its pictures must have; nil: any.
  private let size: (width: UInt32, height: UInt32)?
  private let descriptor: Descriptor
  private let buffer: Memory
  private var decoder: PictureDecoder
  private var splitter = e3p_splitter()
  /// Bytes of the stream that are in the buffer and not used yet.
  private var held = 0..<0
  private var isAtEnd = false
  private var count: UInt64 = 0
  /// Bytes since the last picture.
  private var skipped = 0
  /// Whether these were reported.
  private var isSkipping = false
  /// What the stream begins as, where that is something else than JPEG pictures for certain.
  private var kind: UnsafePointer<CChar>?

  init(_ path: UnsafePointer<CChar>, _ format: StreamFormat, _ options: Options) throws(Failure) {
    let descriptor = try Descriptor(path)
    guard let buffer = Memory(count: Int(E3P_MAX_STREAM_PICTURE)) else {
      throw .report(path, "out of memory for a frame")
    }
    self.path = path
    size = format.width == 0 ? nil : (UInt32(format.width), UInt32(format.height))
    self.descriptor = descriptor
    self.buffer = buffer
    decoder = PictureDecoder(options)
    kind = nil
  }

  var hasEnded: Bool { held.isEmpty && descriptor.hasEnded }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    var start = ce3_clock_ns()
    while true {
      if held.count < 2 { start = ce3_clock_ns() }
      var length = 0
      let part = e3p_split(&splitter, bytes, held.count, isAtEnd ? 1 : 0, &length)
      let picture = UnsafeRawBufferPointer(start: bytes, count: length)
      held = held.lowerBound + length..<held.upperBound
      switch part {
      case E3P_PART_PICTURE:
        startPicture()
        defer { count += 1 }
        let capture = ce3_clock_ns() - start
        do {
          return try decoder.decode(picture, path: path, position: count, size: size, capture: capture, body)
        } catch { return .broken }
      case E3P_PART_CUT:
        if isAtEnd, e3c_stop_asked() != 0 { return .end }
        startPicture()
        let isLast = isAtEnd && held.isEmpty
        return reportBroken(
          E3C_CUT, isLast ? "the stream ends inside picture " : "another picture begins inside picture ")
      case E3P_PART_LONG:
        startPicture()
        return reportBroken(E3C_CUT, "32 MiB hold no end of picture ")
      case E3P_PART_RUBBISH, E3P_PART_PADDING:
        if isAtEnd, e3c_stop_asked() != 0 { return .end }
        skipped += length
        if part == E3P_PART_PADDING, skipped <= Self.padding { continue }
        if isSkipping { continue }
        isSkipping = true
        if count == 0, kind != nil { throw noPicture() }
        return reportBroken(E3C_RUBBISH, "bytes that are no picture stand in the place of picture ")
      case E3P_PART_PREVIEW: continue
      default:
        if try readMore() { continue }
        if count == 0, e3c_stop_asked() == 0 { throw noPicture() }
        return .end
      }
    }
  }

  private func noPicture() -> Failure {
    if let kind { return .report(path, cString: kind) }
    return .report(path, "the stream holds no JPEG picture")
  }

  private mutating func startPicture() { (skipped, isSkipping) = (0, false) }

  /// Reports the picture at hand and counts it.
  private mutating func reportBroken(_ kind: e3c_counter, _ text: StaticString) -> SourceStep {
    _ = Failure.fault(kind, path, text) { $0.write(count) }
    count += 1
    return .broken
  }

  private var bytes: UnsafePointer<UInt8> {
    UnsafePointer((buffer.start + held.lowerBound).assumingMemoryBound(to: UInt8.self))
  }

  /// Reads more bytes behind those that are held; false when the stream had ended before.
  private mutating func readMore() throws(Failure) -> Bool {
    if isAtEnd { return false }
    // Moved when there is less of it than what was used before it, so that each byte is moved about once.
    if held.lowerBound > held.count || buffer.count - held.upperBound < Self.chunk {
      buffer.start.copyMemory(from: UnsafeRawPointer(bytes), byteCount: held.count)
      held = 0..<held.count
    }
    let room = buffer.count - held.upperBound
    let got = e3c_read_some(descriptor.number, buffer.start + held.upperBound, min(room, Self.chunk))
    if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
    held = held.lowerBound..<held.upperBound + got
    isAtEnd = got == 0
    // A JPEG picture may be cut here, and whole ones follow.
    if count == 0, skipped == 0 { kind = bytes[0] == 0xFF && bytes[1] == 0xD8 ? nil : e3p_begins_as(bytes, held.count) }
    return true
  }
}
