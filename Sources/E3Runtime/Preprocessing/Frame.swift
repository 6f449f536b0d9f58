import CE3
import CE3Kernels
import E3Format

/// A camera frame whose every pixel is known to be readable.
///
/// The view refers to the caller's planes, which must stay unchanged while it is used.
struct Frame {
  /// What the pixel loops read.
  let image: e3k_image

  var width: Int { Int(image.width) }
  var height: Int { Int(image.height) }

  /// Checks the caller's frame against its own format, sizes and strides.
  ///
  /// - Throws: `nullArgument` (also for a plane that the format needs), `structSize`, `frameFormat`, `frameSize`,
  ///   `frameStride`.
  init(validating frame: UnsafePointer<e3_frame>?) throws(E3Error) {
    guard let frame else { throw .nullArgument }
    // Only `struct_size` may be read before it says that the rest is there.
    let size = UnsafeRawPointer(frame).load(as: UInt32.self)
    guard size >= UInt32(E3_FRAME_FIRST_SIZE) else { throw .structSize }
    // Members that the caller's version does not have stay zero, which is their default.
    var known = e3_frame()
    withUnsafeMutableBytes(of: &known) { known in
      known.copyMemory(
        from: UnsafeRawBufferPointer(start: UnsafeRawPointer(frame), count: min(Int(size), known.count)))
    }
    try self.init(validating: known)
  }

  private init(validating frame: e3_frame) throws(E3Error) {
    let limit = UInt32(E3_MAX_FRAME_SIDE)
    guard let format = PixelFormat(rawValue: frame.format) else { throw .frameFormat }
    guard frame.range == 0, frame.matrix == 0 else { throw .frameColor }
    guard (frame.crop_x, frame.crop_y, frame.crop_width, frame.crop_height) == (0, 0, 0, 0) else { throw .frameCrop }
    guard frame.transform == 0 else { throw .frameTransform }
    guard frame.width >= 1, frame.height >= 1, frame.width <= limit, frame.height <= limit,
      frame.width % format.horizontalMultiple == 0, frame.height % format.verticalMultiple == 0
    else { throw .frameSize }
    let lineBytes = Int(frame.width) * format.bytesPerPixel
    let first = try Plane(frame.planes.0, frame.strides.0, frame.sizes.0, lineBytes, Int(frame.height))
    var second: Plane?
    if format == .nv12 {
      second = try Plane(frame.planes.1, frame.strides.1, frame.sizes.1, lineBytes, Int(frame.height) / 2)
    }
    image = e3k_image(
      format: frame.format, width: frame.width, height: frame.height, planes: (first.bytes, second?.bytes),
      strides: (first.stride, second?.stride ?? 0))
  }

  /// The prepared pixels of a model's golden input: red, green, blue or grey bytes [height][width][channels], adjacent.
  init(pixels: UnsafePointer<UInt8>, shape: ModelShape) {
    let format: PixelFormat = shape.channels == 3 ? .rgb24 : .gray8
    image = e3k_image(
      format: format.rawValue, width: shape.config.image_width, height: shape.config.image_height,
      planes: (pixels, nil), strides: (shape.imageWidth * shape.channels, 0))
  }
}

/// One plane of a frame: `lines` lines of `lineBytes` bytes, `stride` bytes apart, inside `size` bytes.
private struct Plane {
  let bytes: UnsafePointer<UInt8>
  let stride: Int

  init(_ plane: UnsafeRawPointer?, _ stride: Int, _ size: Int, _ lineBytes: Int, _ lines: Int) throws(E3Error) {
    guard let plane else { throw .nullArgument }
    // C sizes arrive as Int: a value above its range is negative here and fails the comparisons.
    let stride = stride == 0 ? lineBytes : stride
    guard stride >= lineBytes else { throw .frameStride }
    let (skipped, overflow) = stride.multipliedReportingOverflow(by: lines - 1)
    guard !overflow, size >= lineBytes, skipped <= size - lineBytes else { throw .frameStride }
    bytes = plane.assumingMemoryBound(to: UInt8.self)
    self.stride = stride
  }
}

/// Pixel formats of `e3_pixel_format`.
private enum PixelFormat {
  case rgb24, gray8, yuyv, nv12

  init?(rawValue: e3_pixel_format) {
    switch Int(rawValue) {
    case E3_PIXEL_RGB24: self = .rgb24
    case E3_PIXEL_GRAY8: self = .gray8
    case E3_PIXEL_YUYV: self = .yuyv
    case E3_PIXEL_NV12: self = .nv12
    default: return nil
    }
  }

  var rawValue: e3_pixel_format {
    switch self {
    case .rgb24: e3_pixel_format(E3_PIXEL_RGB24)
    case .gray8: e3_pixel_format(E3_PIXEL_GRAY8)
    case .yuyv: e3_pixel_format(E3_PIXEL_YUYV)
    case .nv12: e3_pixel_format(E3_PIXEL_NV12)
    }
  }

  /// Bytes of a pixel in each plane (the chroma plane of NV12 has as many bytes in a line as the luma plane).
  var bytesPerPixel: Int {
    switch self {
    case .rgb24: 3
    case .yuyv: 2
    case .gray8, .nv12: 1
    }
  }

  /// What the width must be a multiple of, for chroma shared by neighbours.
  var horizontalMultiple: UInt32 { self == .yuyv || self == .nv12 ? 2 : 1 }

  /// What the height must be a multiple of.
  var verticalMultiple: UInt32 { self == .nv12 ? 2 : 1 }
}
