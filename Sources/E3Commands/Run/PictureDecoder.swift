import CE3
import CE3Board
import CE3Pictures
import CE3Threads

/// Decodes pictures into memory that it keeps for the next one.
struct PictureDecoder: ~Copyable {
  private var memory: Memory?
  private var settings: e3p_settings
  /// Nanoseconds that a frame may take from the scene on; 0: any number.
  private let deadline: UInt64

  var maxPixels: UInt32 { settings.max_pixels }

  init(_ options: Options) {
    memory = nil
    settings = options.pictures
    deadline = options.deadline
  }

  /// Calls `body` with the decoded picture, and returns `.frame`; `.end` when a stop was asked for meanwhile, `.late` when
  /// the deadline passed.
  ///
  /// - Parameter position: its number, in a stream of pictures.
  /// - Parameter size: what it must have; nil: any.
  /// - Parameter capture: of the frame, in nanoseconds.
  /// - Throws: when the picture is damaged; reported.
  mutating func decode(
    _ bytes: UnsafeRawBufferPointer, path: UnsafePointer<CChar>, position: UInt64? = nil,
    size: (width: UInt32, height: UInt32)? = nil, capture: UInt64 = 0, _ body: (SourceFrame) -> Void
  ) throws(Failure) -> SourceStep {
    let start = ce3_clock_ns()
    let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var message = InlineArray<256, CChar>(repeating: 0)
    var header = e3p_header()
    var stopped: SourceStep?
    e3c_limit_work(deadline == 0 ? 0 : capture < deadline ? start + deadline - capture : 1)
    var span = message.mutableSpan
    let failed: Failure? = span.withUnsafeMutableBufferPointer { message in
      if e3p_read_header(data, bytes.count, &settings, &header, message.baseAddress) != 0 {
        return Self.report(path, position, message.baseAddress)
      }
      if let size, size != (header.width, header.height) {
        return Self.reportSize(path, position, (header.width, header.height), expected: size)
      }
      let needed = e3p_pixel_bytes(&header)
      if (memory?.count ?? 0) < needed {
        memory = nil
        memory = Memory(count: needed)
      }
      guard let pixels = memory?.start else { return .report(path, "out of memory for the pixels") }
      let start = pixels.assumingMemoryBound(to: UInt8.self)
      if e3p_decode(data, bytes.count, &settings, &header, start, message.baseAddress) != 0 {
        stopped = e3c_stop_asked() != 0 ? .end : e3c_was_late() != 0 ? .late : nil
        return stopped != nil ? nil : Self.report(path, position, message.baseAddress)
      }
      return nil
    }
    if let failed { throw failed }
    if let stopped { return stopped }
    guard let pixels = memory?.start else { return .end }
    let format = header.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8
    var frame = e3_frame(format: format, width: header.width, height: header.height)
    frame.planes.0 = UnsafeRawPointer(pixels)
    frame.sizes.0 = e3p_pixel_bytes(&header)
    body(SourceFrame(pixels: frame, capture: capture, decoding: ce3_clock_ns() - start, encoded: bytes))
    return .frame
  }

  private static func reportSize(
    _ path: UnsafePointer<CChar>, _ position: UInt64?, _ size: (width: UInt32, height: UInt32),
    expected: (width: UInt32, height: UInt32)
  ) -> Failure {
    .fault(E3C_WRONG_SIZE, path, "picture ") { errors in
      errors.write(position ?? 0)
      errors.write(" has ")
      errors.write(size: size)
      errors.write(" pixels, not ")
      errors.write(size: expected)
    }
  }

  /// Reports the text of the decoder; in a stream with the number of the picture.
  private static func report(
    _ path: UnsafePointer<CChar>, _ position: UInt64?, _ text: UnsafePointer<CChar>?
  ) -> Failure {
    guard let position else {
      e3c_count(E3C_UNDECODABLE, 1)
      return .report(path, cString: text)
    }
    return .fault(E3C_UNDECODABLE, path, "picture ") { errors in
      errors.write(position)
      errors.write(": ")
      errors.write(cString: text)
    }
  }
}
