import CE3

/// The picture of a frame as the documents define it, pixel by pixel in plain integers, to compare the runtime with.
extension TestFrame {
  /// Whether the frame has U and V.
  var hasChroma: Bool { (E3_PIXEL_YUYV...E3_PIXEL_YV12).contains(format) }

  private func byte(_ plane: Int, _ line: Int, _ offset: Int) -> Int {
    Int(planes[plane][line * strides[plane] + offset])
  }

  /// Y, U, V of pixel (x, y) of the planes.
  private func yuv(_ x: Int, _ y: Int) -> (Int, Int, Int) {
    let pair = x / 2
    switch format {
    case E3_PIXEL_YUYV: return (byte(0, y, 2 * x), byte(0, y, 4 * pair + 1), byte(0, y, 4 * pair + 3))
    case E3_PIXEL_UYVY: return (byte(0, y, 2 * x + 1), byte(0, y, 4 * pair), byte(0, y, 4 * pair + 2))
    case E3_PIXEL_YVYU: return (byte(0, y, 2 * x), byte(0, y, 4 * pair + 3), byte(0, y, 4 * pair + 1))
    case E3_PIXEL_NV12: return (byte(0, y, x), byte(1, y / 2, 2 * pair), byte(1, y / 2, 2 * pair + 1))
    case E3_PIXEL_NV21: return (byte(0, y, x), byte(1, y / 2, 2 * pair + 1), byte(1, y / 2, 2 * pair))
    case E3_PIXEL_NV16: return (byte(0, y, x), byte(1, y, 2 * pair), byte(1, y, 2 * pair + 1))
    case E3_PIXEL_I420: return (byte(0, y, x), byte(1, y / 2, pair), byte(2, y / 2, pair))
    default: return (byte(0, y, x), byte(2, y / 2, pair), byte(1, y / 2, pair))
    }
  }

  /// Red, green, blue of pixel (x, y) of the planes, or three times grey; nil with U and V.
  private func samples(_ x: Int, _ y: Int) -> [Int]? {
    switch format {
    case E3_PIXEL_RGB24: return (0..<3).map { byte(0, y, 3 * x + $0) }
    case E3_PIXEL_BGR24: return (0..<3).map { byte(0, y, 3 * x + 2 - $0) }
    case E3_PIXEL_RGBX32: return (0..<3).map { byte(0, y, 4 * x + $0) }
    case E3_PIXEL_BGRX32: return (0..<3).map { byte(0, y, 4 * x + 2 - $0) }
    case E3_PIXEL_XRGB32: return (0..<3).map { byte(0, y, 4 * x + 1 + $0) }
    case E3_PIXEL_XBGR32: return (0..<3).map { byte(0, y, 4 * x + 3 - $0) }
    case E3_PIXEL_GRAY8: return [Int](repeating: byte(0, y, x), count: 3)
    case E3_PIXEL_GRAY10, E3_PIXEL_GRAY12, E3_PIXEL_GRAY16:
      let limit = format == E3_PIXEL_GRAY10 ? 1023 : format == E3_PIXEL_GRAY12 ? 4095 : 65535
      let word = min(byte(0, y, 2 * x) + 256 * byte(0, y, 2 * x + 1), limit)
      let unit = (limit + 1) / 256
      let grey = isLimited ? min((2 * word + unit) / (2 * unit), 255) : (2 * 255 * word + limit) / (2 * limit)
      return [Int](repeating: grey, count: 3)
    default: return nil
    }
  }

  private var isLimited: Bool { range == E3_RANGE_LIMITED || (range == E3_RANGE_DEFAULT && hasChroma) }

  private func expanded(_ sample: Int) -> Int { isLimited ? 76309 * (sample - 16) + 32768 : 65536 * sample + 32768 }

  private func byte(_ value: Int) -> UInt8 { UInt8(min(max(value >> 16, 0), 255)) }

  /// What U and V count: red by V, green by U and V, blue by U.
  var chromaFactors: (Int, Int, Int, Int) {
    switch (matrix, isLimited) {
    case (E3_MATRIX_BT709, true): (117489, -13975, -34925, 138438)
    case (E3_MATRIX_BT709, false): (103206, -12276, -30679, 121609)
    case (E3_MATRIX_BT2020, true): (110014, -12277, -42626, 140363)
    case (E3_MATRIX_BT2020, false): (96639, -10784, -37444, 123299)
    case (_, true): (104597, -25675, -53279, 132201)
    case (_, false): (91881, -22553, -46802, 116130)
    }
  }

  private func rgb(_ x: Int, _ y: Int) -> [UInt8] {
    if let samples = samples(x, y) { return samples.map { byte(expanded($0)) } }
    let (luma, u, v) = yuv(x, y)
    let (redV, greenU, greenV, blueU) = chromaFactors
    let base = expanded(luma)
    return [
      byte(base + redV * (v - 128)), byte(base + greenU * (u - 128) + greenV * (v - 128)),
      byte(base + blueU * (u - 128)),
    ]
  }

  private func grey(_ x: Int, _ y: Int) -> UInt8 {
    guard let samples = samples(x, y) else { return byte(expanded(yuv(x, y).0)) }
    let pixel = samples.map { Int(byte(expanded($0))) }
    // Grey stays itself: its luma is 65536 times it.
    return byte(19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 32768)
  }

  /// Columns and lines of the planes that the picture shows, line by line.
  private var positions: (width: Int, height: Int, at: [(Int, Int)]) {
    let (left, top, width, height) = crop == (0, 0, 0, 0) ? (0, 0, self.width, self.height) : crop
    let turns = [E3_TRANSFORM_ROTATE_90, E3_TRANSFORM_ROTATE_270, E3_TRANSFORM_TRANSPOSE, E3_TRANSFORM_TRANSVERSE]
    let turned = turns.contains(transform)
    let (outWidth, outHeight) = turned ? (height, width) : (width, height)
    let (right, bottom) = (left + width - 1, top + height - 1)
    let at = (0..<outHeight).flatMap { y in
      (0..<outWidth).map { x in
        switch transform {
        case E3_TRANSFORM_ROTATE_90: (left + y, bottom - x)
        case E3_TRANSFORM_ROTATE_180: (right - x, bottom - y)
        case E3_TRANSFORM_ROTATE_270: (right - y, top + x)
        case E3_TRANSFORM_FLIP_HORIZONTAL: (right - x, top + y)
        case E3_TRANSFORM_FLIP_VERTICAL: (left + x, bottom - y)
        case E3_TRANSFORM_TRANSPOSE: (left + y, top + x)
        case E3_TRANSFORM_TRANSVERSE: (right - y, bottom - x)
        default: (left + x, top + y)
        }
      }
    }
    return (outWidth, outHeight, at)
  }

  /// The same picture as red, green, blue bytes.
  var converted: TestFrame {
    let (width, height, at) = positions
    return .rgb(Array3(height: height, width: width, channels: 3, values: at.flatMap { rgb($0.0, $0.1) }))
  }

  /// The same picture as grey bytes.
  var grey: TestFrame {
    let (width, height, at) = positions
    return .grey(Array3(height: height, width: width, channels: 1, values: at.map { grey($0.0, $0.1) }))
  }
}
