import CE3
import CE3Board

/// How the bytes of raw frames lie, as the command line names it: a format of `e3.h`, or JPEG pictures in a row.
struct StreamPixels: Equatable {
  /// One of `E3_PIXEL_*`; 0 for `mjpeg`, -1 for `y4m`.
  let format: Int

  /// JPEG pictures one after the other.
  static var mjpeg: Self { Self(format: 0) }
  /// Frames with a header that says how they lie.
  static var y4m: Self { Self(format: -1) }

  init(format: Int) { self.format = format }

  /// Nil for a name that is not known.
  init?(_ name: UnsafePointer<CChar>) {
    if CString.equal(name, "y4m") {
      self = .y4m
      return
    }
    for format in 0...E3_PIXEL_GRAY16 where CString.equal(name, Self(format: format).name) {
      self.format = format
      return
    }
    return nil
  }

  /// As the command line has it.
  var name: UnsafePointer<CChar> {
    e3c_pixel_name(format > 0 ? UInt32(format) : UInt32(E3C_CAMERA_MJPEG))
  }

  /// Whether the pictures or the header say what a frame is.
  var isSelfDescribing: Bool { format <= 0 }

  /// Bytes of a pixel in the first plane; 0 for `mjpeg` and `y4m`.
  var pixelBytes: Int {
    switch format {
    case ...0: 0
    case E3_PIXEL_RGB24, E3_PIXEL_BGR24: 3
    case E3_PIXEL_BGRX32...E3_PIXEL_XBGR32: 4
    case E3_PIXEL_GRAY10...E3_PIXEL_GRAY16, E3_PIXEL_YUYV, E3_PIXEL_UYVY, E3_PIXEL_YVYU: 2
    default: 1
    }
  }

  /// U and V, where they lie behind the first plane.
  enum Chroma {
    /// One plane of pairs, its lines as long as those of the first plane.
    case pairs
    /// Two planes, their lines half as long.
    case planes
  }

  var chroma: Chroma? {
    switch format {
    case E3_PIXEL_NV12, E3_PIXEL_NV21, E3_PIXEL_NV16: .pairs
    case E3_PIXEL_I420, E3_PIXEL_YV12: .planes
    default: nil
    }
  }

  /// Whether there are U and V, shared by two pixels of a line.
  var hasChroma: Bool {
    chroma != nil || format == E3_PIXEL_YUYV || format == E3_PIXEL_UYVY || format == E3_PIXEL_YVYU
  }

  /// Whether frames of this size exist.
  func admits(width: Int, height: Int) -> Bool { (!hasChroma || width % 2 == 0) && height % chromaLines == 0 }

  /// Lines of the first plane that share one line of U and V.
  var chromaLines: Int { chroma == nil || format == E3_PIXEL_NV16 ? 1 : 2 }
}
