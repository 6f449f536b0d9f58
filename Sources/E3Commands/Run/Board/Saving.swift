import CE3
import CE3Board
import CE3Threads

/// Keeps frames as they came in a folder, each with a JSON object beside it that says what it is and its answer.
struct Saving {
  private let options: SaveOptions
  /// From when on the next frame of a stream may be kept.
  private var due: UInt64 = 0

  init(_ options: SaveOptions) throws(Failure) {
    self.options = options
    let error = e3c_begin_store(options.folder, UInt64(options.frames), UInt64(options.mebibytes) << 20)
    if error == 0 { return }
    throw .report(options.folder, "") { errors in
      errors.write(cString: e3c_error_text(error))
      if error == busy { errors.write("; another process keeps its frames there") }
    }
  }

  /// Whether a frame with this decision is to be kept now.
  mutating func wants(_ decision: e3_decision, isLive: Bool) -> Bool {
    guard options.includes(decision) else { return false }
    if !isLive { return true }
    let now = ce3_clock_ns()
    guard now >= due else { return false }
    due = now + options.interval
    return true
  }

  /// Keeps a frame; `writeAnswer` writes its answer as JSON. Returns whether it could be.
  func keep(_ frame: SourceFrame, jsonBytes: Int, _ writeAnswer: (TextStream) -> Void) -> Bool {
    let kind = SavedKind(frame)
    var error = e3c_store_frame(UInt64(kind.byteCount + jsonBytes))
    if error == 0 {
      error = write(CString.pointer("json")) { stream in
        kind.writeDescription(stream)
        writeAnswer(stream)
        stream.write("}\n")
      }
      if error == 0 { error = write(kind.form) { kind.writePixels($0) } }
      e3c_end_stored(error == 0 ? 1 : 0)
    }
    e3c_count(error == 0 ? E3C_SAVED : E3C_UNSAVED, 1)
    if error == 0 { return true }
    _ = Failure.limited(options.folder, "a frame could not be kept: ") { errors in
      errors.write(cString: e3c_error_text(error))
    }
    return false
  }

  private func write(_ form: UnsafePointer<CChar>, _ body: (TextStream) -> Void) -> Int32 {
    let error = e3c_begin_stored(form)
    if error != 0 { return error }
    body(.file)
    return e3c_end_file(Int32(E3C_KEEP_SURE))
  }
}

/// EBUSY, which the module of the C library has and an embedded build does not.
private var busy: Int32 { 16 }

/// The bytes of a frame that is kept: a picture as it came, or raw pixels without padding.
private struct SavedKind {
  let frame: SourceFrame
  /// The end of the file's name.
  let form: UnsafePointer<CChar>

  init(_ frame: SourceFrame) {
    self.frame = frame
    let bytes = frame.encoded
    let name: StaticString? =
      bytes.isEmpty ? nil : bytes[0] == 0xFF ? "jpg" : bytes[0] == 0x89 ? "png" : "pnm"
    form = name.map { CString.pointer($0) } ?? e3c_pixel_name(frame.pixels.format)
  }

  private var pixels: StreamPixels { StreamPixels(format: Int(frame.pixels.format)) }

  var byteCount: Int {
    if !frame.encoded.isEmpty { return frame.encoded.count }
    return StreamFormat(pixels: pixels, width: Int(frame.pixels.width), height: Int(frame.pixels.height)).frameBytes
  }

  /// Everything of the object but the answer.
  func writeDescription(_ stream: TextStream) {
    let out = JSONStream(stream: stream)
    out.open("file")
    stream.write("\"e3-")
    let number = e3c_stored_number()
    var digits = 1
    var rest = number / 10
    while rest > 0 { (digits, rest) = (digits + 1, rest / 10) }
    stream.write("0", times: 10 - digits)
    stream.write(number)
    stream.write(".")
    stream.write(cString: form)
    stream.write("\"")
    out.key("time")
    stream.write("\"")
    e3c_put_time(stream.stream)
    stream.write("\"")
    if frame.encoded.isEmpty {
      let pixels = frame.pixels
      out.key("pixel_format")
      stream.write("\"")
      stream.write(cString: form)
      stream.write("\"")
      out.key("size")
      stream.write("\"")
      stream.write(size: (pixels.width, pixels.height))
      stream.write("\"")
      out.key("color_range")
      let isLimited =
        Int(pixels.range) == E3_RANGE_LIMITED || (Int(pixels.range) == E3_RANGE_DEFAULT && self.pixels.hasChroma)
      stream.write(isLimited ? "\"limited\"" : "\"full\"")
      if self.pixels.hasChroma {
        out.key("color_matrix")
        switch Int(pixels.matrix) {
        case E3_MATRIX_BT709: stream.write("\"bt709\"")
        case E3_MATRIX_BT2020: stream.write("\"bt2020\"")
        default: stream.write("\"bt601\"")
        }
      }
    }
    out.key("answer")
  }

  func writePixels(_ stream: TextStream) {
    if !frame.encoded.isEmpty { return stream.write(frame.encoded) }
    let (width, height) = (Int(frame.pixels.width), Int(frame.pixels.height))
    write(stream, frame.pixels.planes.0, frame.pixels.strides.0, width * pixels.pixelBytes, height)
    guard let chroma = pixels.chroma else { return }
    let (bytes, lines) = (chroma == .planes ? width / 2 : width, height / pixels.chromaLines)
    write(stream, frame.pixels.planes.1, frame.pixels.strides.1, bytes, lines)
    if chroma == .planes { write(stream, frame.pixels.third_plane, frame.pixels.third_stride, bytes, lines) }
  }

  private func write(_ stream: TextStream, _ plane: UnsafeRawPointer?, _ stride: Int, _ bytes: Int, _ lines: Int) {
    guard let plane else { return }
    for line in 0..<lines {
      stream.write(UnsafeRawBufferPointer(start: plane + line * (stride == 0 ? bytes : stride), count: bytes))
    }
  }
}
