import CE3

/// How the bytes of raw frames lie, as the command line names it: a format of `e3.h`, or JPEG pictures in a row.
struct StreamPixels: Equatable {
  /// One of `E3_PIXEL_*`; 0 for `mjpeg`.
  let format: Int

  /// JPEG pictures one after the other.
  static var mjpeg: Self { Self(format: 0) }

  init(format: Int) { self.format = format }

  /// Nil for a name that is not known.
  init?(_ name: UnsafePointer<CChar>) {
    for format in 0...E3_PIXEL_GRAY16 where CString.equal(name, Self(format: format).name) {
      self.format = format
      return
    }
    return nil
  }

  private var name: StaticString {
    switch format {
    case E3_PIXEL_RGB24: "rgb24"
    case E3_PIXEL_GRAY8: "gray8"
    case E3_PIXEL_YUYV: "yuyv"
    case E3_PIXEL_NV12: "nv12"
    case E3_PIXEL_UYVY: "uyvy"
    case E3_PIXEL_YVYU: "yvyu"
    case E3_PIXEL_NV21: "nv21"
    case E3_PIXEL_NV16: "nv16"
    case E3_PIXEL_I420: "i420"
    case E3_PIXEL_YV12: "yv12"
    case E3_PIXEL_BGR24: "bgr24"
    case E3_PIXEL_BGRX32: "bgrx32"
    case E3_PIXEL_RGBX32: "rgbx32"
    case E3_PIXEL_XRGB32: "xrgb32"
    case E3_PIXEL_XBGR32: "xbgr32"
    case E3_PIXEL_GRAY10: "gray10"
    case E3_PIXEL_GRAY12: "gray12"
    case E3_PIXEL_GRAY16: "gray16"
    default: "mjpeg"
    }
  }

  /// Bytes of a pixel in the first plane; 0 for `mjpeg`.
  var pixelBytes: Int {
    switch format {
    case 0: 0
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

  /// Lines of the first plane that share one line of U and V.
  var chromaLines: Int { chroma == nil || format == E3_PIXEL_NV16 ? 1 : 2 }
}
