import CE3
import CE3Kernels

/// The 18 pixel formats.
let allPixelFormats = Array(E3_PIXEL_RGB24...E3_PIXEL_GRAY16)

/// A frame with the bytes of its planes.
struct TestFrame {
  var format: Int
  var width: Int, height: Int
  var planes: [[UInt8]]
  var strides = [0, 0, 0]
  var range = E3_RANGE_DEFAULT
  var matrix = E3_MATRIX_DEFAULT
  /// x, y, width, height; all zero: the whole frame.
  var crop = (0, 0, 0, 0)
  var transform = E3_TRANSFORM_NONE

  /// Calls `body` with the frame as the C interface has it; `sizes` are those of the planes.
  ///
  /// - Parameter starts: addresses to use instead of the planes' own.
  func withFrame<Result>(
    starts: [UnsafeRawPointer]? = nil, _ body: (UnsafePointer<e3_frame>) throws -> Result
  ) rethrows -> Result {
    try planes[0].withUnsafeBytes { first in
      try (planes.count > 1 ? planes[1] : []).withUnsafeBytes { second in
        try (planes.count > 2 ? planes[2] : []).withUnsafeBytes { third in
          let own = [first.baseAddress, second.baseAddress, third.baseAddress]
          let address = { index in index < planes.count ? starts?[index] ?? own[index] : nil }
          var frame = e3_frame()
          frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
          frame.format = e3_pixel_format(format)
          (frame.width, frame.height) = (UInt32(width), UInt32(height))
          frame.planes = (address(0), address(1))
          frame.strides = (strides[0], strides[1])
          frame.sizes = (first.count, second.count)
          (frame.third_plane, frame.third_stride, frame.third_size) = (address(2), strides[2], third.count)
          (frame.range, frame.matrix) = (e3_color_range(range), e3_color_matrix(matrix))
          (frame.crop_x, frame.crop_y) = (UInt32(crop.0), UInt32(crop.1))
          (frame.crop_width, frame.crop_height) = (UInt32(crop.2), UInt32(crop.3))
          frame.transform = e3_transform(transform)
          return try body(&frame)
        }
      }
    }
  }

  /// Red, green, blue bytes without padding.
  static func rgb(_ pixels: Array3<UInt8>) -> TestFrame {
    TestFrame(format: E3_PIXEL_RGB24, width: pixels.width, height: pixels.height, planes: [pixels.values])
  }

  /// Grey bytes without padding.
  static func grey(_ pixels: Array3<UInt8>) -> TestFrame {
    TestFrame(format: E3_PIXEL_GRAY8, width: pixels.width, height: pixels.height, planes: [pixels.values])
  }

  /// Random content; the lines of each plane carry `padding` extra bytes, the last line none.
  static func random(
    _ format: Int, width: Int, height: Int, padding: Int = 0, using generator: inout some RandomNumberGenerator
  ) -> TestFrame {
    var frame = TestFrame(format: format, width: width, height: height, planes: [])
    for (index, plane) in planeSizes(format, width: width, height: height).enumerated() {
      frame.strides[index] = plane.line + padding
      frame.planes.append(
        (0..<frame.strides[index] * (plane.lines - 1) + plane.line).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        })
    }
    return frame
  }
}

/// Bytes of a line and lines of each plane.
func planeSizes(_ format: Int, width: Int, height: Int) -> [(line: Int, lines: Int)] {
  switch format {
  case E3_PIXEL_GRAY8: [(width, height)]
  case E3_PIXEL_RGB24, E3_PIXEL_BGR24: [(3 * width, height)]
  case E3_PIXEL_BGRX32, E3_PIXEL_RGBX32, E3_PIXEL_XRGB32, E3_PIXEL_XBGR32: [(4 * width, height)]
  case E3_PIXEL_NV12, E3_PIXEL_NV21: [(width, height), (width, height / 2)]
  case E3_PIXEL_NV16: [(width, height), (width, height)]
  case E3_PIXEL_I420, E3_PIXEL_YV12: [(width, height), (width / 2, height / 2), (width / 2, height / 2)]
  default: [(2 * width, height)]
  }
}
