import CE3
import CE3Kernels

/// What the planes of an `e3_pixel_format` must hold.
struct PixelFormat {
  /// Bytes of a pixel in plane 0.
  let pixelBytes: Int
  /// Planes of U and V beside plane 0.
  var chroma: Chroma?
  /// Whether there are U and V.
  var hasChroma = false
  /// What the width must be a multiple of, for chroma shared by neighbours.
  var horizontalMultiple: UInt32 { hasChroma ? 2 : 1 }
  /// What the height must be a multiple of.
  var verticalMultiple: UInt32 = 1

  struct Chroma {
    /// Bytes that two pixels of a line share in one plane.
    let pairBytes: Int
    /// Whether U and V have a plane each.
    let isPlanar: Bool
  }

  init?(_ format: e3_pixel_format) {
    switch Int(format) {
    case E3_PIXEL_GRAY8: pixelBytes = 1
    case E3_PIXEL_GRAY10, E3_PIXEL_GRAY12, E3_PIXEL_GRAY16: pixelBytes = 2
    case E3_PIXEL_RGB24, E3_PIXEL_BGR24: pixelBytes = 3
    case E3_PIXEL_BGRX32, E3_PIXEL_RGBX32, E3_PIXEL_XRGB32, E3_PIXEL_XBGR32: pixelBytes = 4
    case E3_PIXEL_YUYV, E3_PIXEL_UYVY, E3_PIXEL_YVYU: (pixelBytes, hasChroma) = (2, true)
    case E3_PIXEL_NV16:
      (pixelBytes, hasChroma) = (1, true)
      chroma = Chroma(pairBytes: 2, isPlanar: false)
    case E3_PIXEL_NV12, E3_PIXEL_NV21:
      (pixelBytes, hasChroma, verticalMultiple) = (1, true, 2)
      chroma = Chroma(pairBytes: 2, isPlanar: false)
    case E3_PIXEL_I420, E3_PIXEL_YV12:
      (pixelBytes, hasChroma, verticalMultiple) = (1, true, 2)
      chroma = Chroma(pairBytes: 1, isPlanar: true)
    default: return nil
    }
  }
}

/// How samples become 0...255, in units of 2^-16: `e3k_image` says how they are used, FORMAT.md where they come from.
struct ColourConversion {
  private var (gain, bias): (Int32, Int32) = (65536, 32768)
  private var (redV, greenU, greenV, blueU): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)

  /// Samples are what they say.
  static var none: Self { Self() }

  private init() {}

  /// Nil for a range or a matrix that is not known.
  init?(range: e3_color_range, matrix: e3_color_matrix, hasChroma: Bool) {
    guard range <= UInt32(E3_RANGE_FULL), matrix <= UInt32(E3_MATRIX_BT2020) else { return nil }
    let isLimited = Int(range) == E3_RANGE_LIMITED || (Int(range) == E3_RANGE_DEFAULT && hasChroma)
    if isLimited {
      gain = 76309
      bias = 32768 - 16 * 76309
    }
    guard hasChroma else { return }
    switch Int(matrix) {
    case E3_MATRIX_BT709:
      (redV, greenU, greenV, blueU) = isLimited ? (117489, -13975, -34925, 138438) : (103206, -12276, -30679, 121609)
    case E3_MATRIX_BT2020:
      (redV, greenU, greenV, blueU) = isLimited ? (110014, -12277, -42626, 140363) : (96639, -10784, -37444, 123299)
    default:
      (redV, greenU, greenV, blueU) = isLimited ? (104597, -25675, -53279, 132201) : (91881, -22553, -46802, 116130)
    }
  }

  func set(_ image: inout e3k_image) {
    (image.gain, image.bias) = (gain, bias)
    (image.red_v, image.green_u, image.green_v, image.blue_u) = (redV, greenU, greenV, blueU)
  }
}
