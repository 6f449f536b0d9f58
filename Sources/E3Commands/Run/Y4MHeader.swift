import CE3

/// The first line of a YUV4MPEG2 stream: `YUV4MPEG2 W640 H480 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED`.
///
/// Source: https://linux.die.net/man/5/yuv4mpeg and ffmpeg's `yuv4mpegenc.c`, whose `C` and `XCOLORRANGE` these are.
enum Y4MHeader {
  /// The format of the frames.
  ///
  /// - Parameter line: The header without its line feed.
  /// - Parameter asked: Range and matrix that the command line names; they are believed more.
  /// - Throws: names the field that is not understood; reported.
  static func format(
    _ line: UnsafeRawBufferPointer, asked: StreamFormat, path: UnsafePointer<CChar>
  ) throws(Failure) -> StreamFormat {
    guard line.starts(with: "YUV4MPEG2"), line.count == 9 || line[9] == UInt8(ascii: " ")
    else { throw .report(path, "the stream does not begin with YUV4MPEG2") }
    var (width, height) = (0, 0)
    var (pixels, range) = (E3_PIXEL_I420, E3_RANGE_DEFAULT)
    var given: UInt32 = 0
    var start = 9
    while start < line.count {
      var end = start + 1
      while end < line.count, line[end] != UInt8(ascii: " ") { end += 1 }
      let field = UnsafeRawBufferPointer(rebasing: line[start + 1..<end])
      start = end
      if field.isEmpty { continue }
      let value = UnsafeRawBufferPointer(rebasing: field[1...])
      var isUnderstood = true
      switch field[0] {
      case UInt8(ascii: "W"): isUnderstood = side(value, &width)
      case UInt8(ascii: "H"): isUnderstood = side(value, &height)
      case UInt8(ascii: "I"): isUnderstood = value.equals("p") || value.equals("?")
      case UInt8(ascii: "C"): isUnderstood = chroma(value, &pixels)
      case UInt8(ascii: "X"): isUnderstood = extra(value, &range)
      case UInt8(ascii: "A"): isUnderstood = isSquare(value)
      case UInt8(ascii: "F"): break  // the rate: no matter here
      default: isUnderstood = false
      }
      // Of two widths one would be wrong.
      let own = UInt32(1) << UInt32(field[0] & 31)
      if field[0] != UInt8(ascii: "X") {
        if given & own != 0 { isUnderstood = false }
        given |= own
      }
      if !isUnderstood { throw refused(field, path) }
    }
    guard width > 0, height > 0 else { throw .report(path, "the y4m header does not say its width and height") }
    let kind = StreamPixels(format: pixels)
    guard kind.admits(width: width, height: height) else {
      throw .report(path, "frames of ") { errors in
        errors.write(size: (UInt32(width), UInt32(height)))
        errors.write(
          " pixels; width and height must be even where U and V are shared: ffmpeg -vf 'crop=trunc(iw/2)*2:trunc(ih/2)*2'"
        )
      }
    }
    var format = StreamFormat(pixels: kind, width: width, height: height)
    format.range = asked.range != E3_RANGE_DEFAULT ? asked.range : range
    if kind.hasChroma, asked.matrix != E3_MATRIX_DEFAULT { format.matrix = asked.matrix }
    return format
  }

  /// The shape of a pixel, `1:1` or any other that is square; `0:0` is not known, as most cameras' is.
  private static func isSquare(_ value: UnsafeRawBufferPointer) -> Bool {
    guard value.count >= 3, value.count % 2 == 1, value[value.count / 2] == UInt8(ascii: ":") else { return false }
    for index in 0..<value.count / 2 where value[index] != value[value.count / 2 + 1 + index] { return false }
    return true
  }

  private static func side(_ value: UnsafeRawBufferPointer, _ side: inout Int) -> Bool {
    guard !value.isEmpty, value.count <= 5 else { return false }
    var number = 0
    for byte in value {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return false }
      number = 10 * number + Int(byte - UInt8(ascii: "0"))
    }
    side = number
    return (1...Int(E3_MAX_FRAME_SIDE)).contains(number)
  }

  /// 4:2:0, wherever its samples of U and V are said to sit, and grey.
  private static func chroma(_ value: UnsafeRawBufferPointer, _ pixels: inout Int) -> Bool {
    if value.equals("420") || value.equals("420jpeg") || value.equals("420mpeg2") || value.equals("420paldv") {
      pixels = E3_PIXEL_I420
    } else if value.equals("mono") {
      pixels = E3_PIXEL_GRAY8
    } else if value.equals("mono10") {
      pixels = E3_PIXEL_GRAY10
    } else if value.equals("mono12") {
      pixels = E3_PIXEL_GRAY12
    } else if value.equals("mono16") {
      pixels = E3_PIXEL_GRAY16
    } else {
      return false
    }
    return true
  }

  /// Comments pass; a range is one of two, and a layout, which mjpegtools write in place of `C`, 4:2:0.
  private static func extra(_ value: UnsafeRawBufferPointer, _ range: inout Int) -> Bool {
    guard value.starts(with: "COLORRANGE=") else {
      return !value.starts(with: "YSCSS=") || value.equals("YSCSS=420") || value.equals("YSCSS=420JPEG")
        || value.equals("YSCSS=420MPEG2") || value.equals("YSCSS=420PALDV")
    }
    guard range == E3_RANGE_DEFAULT else { return false }  // given twice
    if value.equals("COLORRANGE=FULL") {
      range = E3_RANGE_FULL
    } else if value.equals("COLORRANGE=LIMITED") {
      range = E3_RANGE_LIMITED
    } else {
      return false
    }
    return true
  }

  /// What a frame's own line may say: that it is progressive, and comments.
  static func checkFrame(_ line: UnsafeRawBufferPointer, path: UnsafePointer<CChar>) throws(Failure) {
    var start = 0
    while start < line.count {
      var end = start + 1
      while end < line.count, line[end] != UInt8(ascii: " ") { end += 1 }
      let field = UnsafeRawBufferPointer(rebasing: line[start + 1..<end])
      start = end
      // Three letters of `I`: how it is shown, in time, and how its U and V were made; some write the header's one.
      guard
        field.isEmpty || field[0] == UInt8(ascii: "X") || field.equals("Ip")
          || (field[0] == UInt8(ascii: "I") && field.ends(with: "pp"))
      else { throw refused(field, path) }
    }
  }

  private static func refused(_ field: UnsafeRawBufferPointer, _ path: UnsafePointer<CChar>) -> Failure {
    .report(path, "the field '") { errors in
      for byte in field { errors.write(byte: (0x21..<0x7F).contains(byte) ? byte : UInt8(ascii: "?")) }
      switch field[0] {
      case UInt8(ascii: "C"): errors.write("' of the y4m header is not read; ffmpeg makes what is by -pix_fmt yuv420p")
      case UInt8(ascii: "I"): errors.write("' of the y4m stream is interlaced video, which is not read")
      case UInt8(ascii: "A"):
        errors.write(
          "' of the y4m header: pixels are not square; ffmpeg -vf scale=iw*sar:ih,setsar=1 makes them so"
        )
      default: errors.write("' of the y4m stream is not understood, or given twice")
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && starts(with: text) }

  fileprivate func starts(with text: StaticString) -> Bool {
    text.withUTF8Buffer { text in
      guard count >= text.count else { return false }
      for index in 0..<text.count where self[index] != text[index] { return false }
      return true
    }
  }

  fileprivate func ends(with text: StaticString) -> Bool {
    let rest = count - text.utf8CodeUnitCount
    return rest >= 0 && UnsafeRawBufferPointer(rebasing: self[rest...]).equals(text)
  }
}
