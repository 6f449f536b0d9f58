import CE3
import CE3Board
import CE3Pictures
import CE3Threads

/// Frames of a YUV4MPEG2 stream, as `ffmpeg -f yuv4mpegpipe` writes it: a line that says how they lie, then for each a
/// line `FRAME` and its planes.
struct Y4MStream: FrameSource, ~Copyable {
  static var isLive: Bool { true }
  static var toleratesDamage: Bool { false }

  /// Bytes of a line, at most.
  private static var lineLimit: Int { 1024 }

  private let path: UnsafePointer<CChar>
  private let descriptor: Descriptor
  private let line: Memory
  /// What the command line says of it, and from the first line on what the stream says.
  private var format: StreamFormat
  private var frame: Memory?
  private var count: UInt64 = 0

  init(_ path: UnsafePointer<CChar>, _ format: StreamFormat) throws(Failure) {
    let descriptor = try Descriptor(path)
    guard let line = Memory(count: Self.lineLimit) else { throw .report(path, "out of memory for a line") }
    self.path = path
    self.descriptor = descriptor
    self.format = format
    self.line = line
    frame = nil
  }

  var hasEnded: Bool { descriptor.hasEnded }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    if frame == nil {
      guard let header = try readLine(after: 0) else { return try end(isEmpty: true) }
      try requireY4M(header.count + 1)
      format = try Y4MHeader.format(header, asked: format, path: path)
      frame = Memory(count: format.frameBytes)
    }
    guard let start = frame?.start else { throw .report(path, "out of memory for a frame") }
    // A frame's line is "FRAME" and mostly nothing else.
    let got = try read(into: line.start, 6)
    if got == 0 { return try end(isEmpty: count == 0) }
    let began = ce3_clock_ns()
    guard got == 6 else { return try end(isEmpty: false) }
    let words = UnsafeRawBufferPointer(start: line.start, count: 6)
    let name: StaticString = "FRAME"
    let isFrame = name.withUTF8Buffer { name in
      for index in 0..<5 where name[index] != words[index] { return false }
      return true
    }
    guard isFrame, words[5] == UInt8(ascii: "\n") || words[5] == UInt8(ascii: " ") else {
      e3c_count(E3C_RUBBISH, 1)
      throw .report(path, "no line FRAME stands before frame ") { $0.write(count) }
    }
    if words[5] == UInt8(ascii: " ") {
      guard let rest = try readLine(after: 6) else { return try end(isEmpty: false) }
      try Y4MHeader.checkFrame(UnsafeRawBufferPointer(rebasing: rest[5...]), path: path)
    }
    guard try read(into: start, format.frameBytes) == format.frameBytes else { return try end(isEmpty: false) }
    count += 1
    body(SourceFrame(pixels: format.frame(start), capture: ce3_clock_ns() - began))
    return .frame
  }

  /// Names what the first line's `count` bytes begin as, where they are something else for certain.
  private func requireY4M(_ count: Int) throws(Failure) {
    let bytes = line.start.assumingMemoryBound(to: UInt8.self)
    if bytes[0] != UInt8(ascii: "Y"), let kind = e3p_begins_as(bytes, count) { throw .report(path, cString: kind) }
  }

  /// The stream has no more bytes: it may, between two frames.
  private func end(isEmpty: Bool) throws(Failure) -> SourceStep {
    if e3c_stop_asked() != 0 { return .end }
    if isEmpty { throw .report(path, "the stream is empty") }
    return .end
  }

  /// Reads that many bytes, or what there is until the end; reports an end inside a frame.
  private func read(into place: UnsafeMutableRawPointer, _ count: Int) throws(Failure) -> Int {
    let got = e3c_read_full(descriptor.number, place, count)
    if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
    guard got == count || e3c_stop_asked() != 0 || (got == 0 && place == line.start) else {
      e3c_count(E3C_CUT, 1)
      throw .report(path, "the stream ends inside frame ") { $0.write(self.count) }
    }
    return got
  }

  /// The rest of a line of which `held` bytes are there, from its first byte on, without its line feed; nil at the end.
  private func readLine(after held: Int) throws(Failure) -> UnsafeRawBufferPointer? {
    var length = held
    while true {
      let got = e3c_read_full(descriptor.number, line.start + length, 1)
      if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
      if got == 0 {
        if length == 0 || e3c_stop_asked() != 0 { return nil }
        if frame == nil { try requireY4M(length) }
        throw .report(path, "the stream ends inside a line of its header")
      }
      if line.start.load(fromByteOffset: length, as: UInt8.self) == UInt8(ascii: "\n") { break }
      length += 1
      guard length < Self.lineLimit else {
        if frame == nil { try requireY4M(length) }
        throw .report(path, "a line of the y4m stream is longer than 1024 bytes")
      }
    }
    return UnsafeRawBufferPointer(start: line.start, count: length)
  }
}
