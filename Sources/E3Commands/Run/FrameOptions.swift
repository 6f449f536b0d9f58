import CE3
import CE3Pictures

/// Arguments of the options about frames.
enum FrameOptions {
  /// `WIDTHxHEIGHT`.
  static func size(_ argument: UnsafePointer<CChar>?) throws(Failure) -> (width: Int, height: Int) {
    let sides = 1...Int(E3_MAX_FRAME_SIDE)
    guard let argument, let width = CString.number(argument, until: UInt8(ascii: "x")), sides.contains(width.value),
      argument[width.length] != 0, let height = CString.number(argument + width.length + 1),
      sides.contains(height.value)
    else { throw .usage("--size takes WIDTHxHEIGHT, sides from 1 to 16384, not", argument) }
    return (width.value, height.value)
  }

  /// `X,Y,WIDTH,HEIGHT`.
  static func crop(_ argument: UnsafePointer<CChar>?) throws(Failure) -> Rectangle {
    let most = Int(E3_MAX_FRAME_SIDE)
    var numbers = InlineArray<4, Int>(repeating: 0)
    var rest = argument
    for index in 0..<4 {
      let isLast = index == 3
      guard let text = rest, let number = CString.number(text, until: isLast ? 0 : UInt8(ascii: ",")),
        number.value <= most, index < 2 || number.value >= 1, isLast || text[number.length] != 0
      else { throw .usage("--crop takes X,Y,WIDTH,HEIGHT in pixels, up to 16384, not", argument) }
      numbers[index] = number.value
      rest = text + number.length + 1
    }
    return Rectangle(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
  }

  static func pixels(_ argument: UnsafePointer<CChar>?) throws(Failure) -> StreamPixels {
    if let argument, let pixels = StreamPixels(argument) {
      if pixels == .mjpeg, e3p_reads_jpeg() == 0 {
        throw .usage("--pixel-format mjpeg") { $0.write(" is not in this build, which reads no JPEG (--no-pictures)") }
      }
      return pixels
    }
    throw .usage(
      """
      --pixel-format takes rgb24, bgr24, bgrx32, rgbx32, xrgb32, xbgr32, gray8, gray10, gray12, gray16, yuyv, uyvy, \
      yvyu, nv12, nv21, nv16, i420, yv12, mjpeg or y4m, not
      """, argument)
  }

  static func range(_ argument: UnsafePointer<CChar>?) throws(Failure) -> Int {
    if let argument {
      if CString.equal(argument, "full") { return E3_RANGE_FULL }
      if CString.equal(argument, "limited") { return E3_RANGE_LIMITED }
    }
    throw .usage("--color-range takes full or limited, not", argument)
  }

  static func matrix(_ argument: UnsafePointer<CChar>?) throws(Failure) -> Int {
    if let argument {
      if CString.equal(argument, "bt601") { return E3_MATRIX_BT601 }
      if CString.equal(argument, "bt709") { return E3_MATRIX_BT709 }
      if CString.equal(argument, "bt2020") { return E3_MATRIX_BT2020 }
    }
    throw .usage("--color-matrix takes bt601, bt709 or bt2020, not", argument)
  }

  static func rotation(_ argument: UnsafePointer<CChar>?) throws(Failure) -> Int {
    if let argument {
      if CString.equal(argument, "90") { return 90 }
      if CString.equal(argument, "180") { return 180 }
      if CString.equal(argument, "270") { return 270 }
    }
    throw .usage("--rotate takes 90, 180 or 270 degrees clockwise, not", argument)
  }

  static func flip(_ argument: UnsafePointer<CChar>?) throws(Failure) -> FrameView.Flip {
    if let argument {
      if CString.equal(argument, "horizontal") { return .horizontal }
      if CString.equal(argument, "vertical") { return .vertical }
    }
    throw .usage("--flip takes horizontal or vertical, not", argument)
  }
}
