import CE3Board
import CE3Files
import CE3Pictures
import CE3Threads

/// One picture, from a file or from whatever else can be read to its end.
struct PictureFile: FrameSource, ~Copyable {
  static var isLive: Bool { false }
  static var toleratesDamage: Bool { false }

  /// The longest picture that is read from a pipe.
  private static var limit: Int { 64 << 20 }

  /// EISDIR, which the module of the C library has and an embedded build does not.
  private static var isFolder: Int32 { 21 }

  private let path: UnsafePointer<CChar>
  private let descriptor: Descriptor
  private var decoder: PictureDecoder
  private(set) var isOver = false

  init(_ path: UnsafePointer<CChar>, _ options: Options) throws(Failure) {
    self.path = path
    descriptor = try Descriptor(path)
    decoder = PictureDecoder(options)
  }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    if isOver { return .end }
    isOver = true
    var file = ce3_file()
    let error = ce3_map_descriptor(descriptor.number, path, Int32(CE3_MAP_READ), &file)
    if error == CE3_NOT_A_FILE { return try stream(body) }
    if error == Self.isFolder { throw .report(path, "a folder, not a file: give its pictures, as in folder/*") }
    if error != 0 { throw .report(path, errno: error) }
    defer { withUnsafePointer(to: file) { ce3_unmap_file($0) } }
    // No picture that is within the limits is longer, and looking through it would take minutes.
    guard UInt64(file.size) <= max(1 << 30, 8 * UInt64(decoder.maxPixels)) else {
      throw .report(path, "too long for a picture (--max-pixels)")
    }
    let bytes = UnsafeRawBufferPointer(start: file.bytes, count: file.size)
    // Standard input may be a file; one that has a name may hold more than its picture, as a stereo camera's does.
    try requireOne(bytes, isStream: path[0] == 0x2D && path[1] == 0)
    return decode(bytes, body)
  }

  /// The picture that a pipe holds.
  private mutating func stream(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    guard let memory = Memory(count: Self.limit + 1) else { throw .report(path, "out of memory for a picture") }
    var got = e3c_read_some(descriptor.number, memory.start, memory.count)
    let start = ce3_clock_ns()
    if got > 0 {
      let rest = e3c_read_full(descriptor.number, memory.start + got, memory.count - got)
      got = rest < 0 ? rest : got + rest
    }
    if got < 0 { throw .report(path, errno: Int32(truncatingIfNeeded: -got)) }
    if e3c_stop_asked() != 0 { return .end }
    guard got <= Self.limit else {
      throw .report(path, "longer than 64 MiB; a stream of frames needs --pixel-format")
    }
    let bytes = UnsafeRawBufferPointer(start: memory.start, count: got)
    try requireOne(bytes, isStream: true)
    return decode(bytes, capture: ce3_clock_ns() - start, body)
  }

  /// Refuses several pictures, of which only the first would be answered. A smaller one behind a JPEG is noted, and so is an animation.
  private func requireOne(_ bytes: UnsafeRawBufferPointer, isStream: Bool) throws(Failure) {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    switch e3p_look_behind(start, bytes.count, isStream ? 1 : 0) {
    case E3P_WITH_OTHERS where bytes[0] == 0xFF:
      throw .report(path, "several JPEG pictures, one after the other: --pixel-format mjpeg reads such a stream")
    case E3P_WITH_OTHERS:
      throw .report(
        path, "several pictures, one after the other: give each as a file, or a film with --pixel-format y4m")
    case E3P_WITH_SMALLER:
      _ = Failure.report(path, "note: a smaller picture follows, as a preview does; only the first one is answered")
    case E3P_ANIMATED: _ = Failure.report(path, "note: an animation, of which only the first picture is answered")
    default: break
    }
  }

  private mutating func decode(
    _ bytes: UnsafeRawBufferPointer, capture: UInt64 = 0, _ body: (SourceFrame) -> Void
  ) -> SourceStep {
    do { return try decoder.decode(bytes, path: path, capture: capture, body) } catch { return .broken }
  }
}
