/// How the bytes of a frame lie, in the order of memory. "x" is a byte of no meaning.
///
/// Formats with U and V share one sample of them among two pixels of a line, and "4:2:0" also among two lines: the
/// frame's width, and with 4:2:0 its height, are even.
public enum PixelFormat: UInt32, Sendable {
  /// One plane: R G B.
  case rgb24 = 1
  /// One plane: a byte per pixel.
  case gray8 = 2
  /// One plane: Y U Y V.
  case yuyv = 3
  /// 4:2:0, two planes: Y, then U V.
  case nv12 = 4
  /// One plane: U Y V Y.
  case uyvy = 5
  /// One plane: Y V Y U.
  case yvyu = 6
  /// 4:2:0, two planes: Y, then V U.
  case nv21 = 7
  /// Two planes: Y, then U V on every line.
  case nv16 = 8
  /// 4:2:0, three planes: Y, U, V.
  case i420 = 9
  /// 4:2:0, three planes: Y, V, U.
  case yv12 = 10
  /// One plane: B G R.
  case bgr24 = 11
  /// One plane: B G R x.
  case bgrx32 = 12
  /// One plane: R G B x.
  case rgbx32 = 13
  /// One plane: x R G B.
  case xrgb32 = 14
  /// One plane: x B G R.
  case xbgr32 = 15
  /// One plane: little-endian 16-bit words of 10 bits; a word above 1023 counts as 1023.
  case gray10 = 16
  /// One plane: little-endian 16-bit words of 12 bits; a word above 4095 counts as 4095.
  case gray12 = 17
  /// One plane: little-endian 16-bit words.
  case gray16 = 18
}

/// What the smallest and the largest sample mean.
public enum ColorRange: UInt32, Sendable {
  /// Limited for formats with U and V, full for the others.
  case formatDefault = 0
  /// Y, R, G, B and grey 16 to 235, U and V 16 to 240.
  case limited = 1
  /// 0 to 255.
  case full = 2
}

/// How U and V become red, green and blue; without meaning for formats that have none.
public enum ColorMatrix: UInt32, Sendable {
  /// BT.601 for every size; `e3-run` and Python take BT.709 from 720 lines on.
  case formatDefault = 0
  /// BT.601: JPEG, standard definition.
  case bt601 = 1
  /// BT.709: high definition.
  case bt709 = 2
  /// BT.2020: ultra-high definition, not constant luminance.
  case bt2020 = 3
}

/// How a picture is turned.
public enum Transform: UInt32, Sendable {
  /// As it is.
  case none = 0
  /// A quarter clockwise.
  case rotate90 = 1
  /// Upside down.
  case rotate180 = 2
  /// A quarter against the clock.
  case rotate270 = 3
  /// Left and right change places.
  case flipHorizontal = 4
  /// Top and bottom change places.
  case flipVertical = 5
  /// Columns become lines.
  case transpose = 6
  /// The same mirrored in the other diagonal.
  case transverse = 7
}
