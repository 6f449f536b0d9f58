import CE3
import CE3Kernels
import E3Format

/// A camera frame whose every pixel is known to be readable: a rectangle of the caller's planes, turned.
///
/// The view refers to the caller's planes, which must stay unchanged while it is used.
struct Frame {
  /// What the pixel loops read.
  private(set) var image: e3k_image

  /// Pixels across the picture, after rectangle and transform.
  var width: Int { Int(image.width) }
  /// Lines of the picture, after rectangle and transform.
  var height: Int { Int(image.height) }

  /// Checks the caller's frame against its own format, sizes and strides.
  ///
  /// - Throws: `nullArgument` (also for a plane that the format needs), `structSize`, `frameFormat`, `frameSize`,
  ///   `frameStride`, `frameColor`, `frameCrop`, `frameTransform`.
  init(validating frame: UnsafePointer<e3_frame>?) throws(E3Error) {
    guard let frame else { throw .nullArgument }
    // Only `struct_size` may be read before it says that the rest is there.
    let size = UnsafeRawPointer(frame).load(as: UInt32.self)
    guard size >= UInt32(E3_FRAME_FIRST_SIZE) else { throw .structSize }
    try requireZeros(frame, from: MemoryLayout<e3_frame>.size, to: size)
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
    guard let format = PixelFormat(frame.format) else { throw .frameFormat }
    guard frame.width >= 1, frame.height >= 1, frame.width <= limit, frame.height <= limit,
      frame.width % format.horizontalMultiple == 0, frame.height % format.verticalMultiple == 0
    else { throw .frameSize }
    let (width, height) = (Int(frame.width), Int(frame.height))
    let first = try Plane(frame.planes.0, frame.strides.0, frame.sizes.0, width * format.pixelBytes, height)
    var (second, third): (Plane?, Plane?)
    if let chroma = format.chroma {
      let (bytes, lines) = (width / 2 * chroma.pairBytes, height / Int(format.verticalMultiple))
      second = try Plane(frame.planes.1, frame.strides.1, frame.sizes.1, bytes, lines)
      if chroma.isPlanar { third = try Plane(frame.third_plane, frame.third_stride, frame.third_size, bytes, lines) }
    }
    image = e3k_image()
    image.format = frame.format
    image.plane_width = frame.width
    image.planes = (first.bytes, second?.bytes, third?.bytes)
    image.strides = (first.stride, second?.stride ?? 0, third?.stride ?? 0)
    guard let colour = ColourConversion(range: frame.range, matrix: frame.matrix, hasChroma: format.hasChroma)
    else { throw .frameColor }
    colour.set(&image)
    guard frame.reserved == 0 else { throw .frameTransform }
    try setRectangle(frame)
    try setTransform(frame.transform)
  }

  /// The prepared pixels of a model's golden input: red, green, blue or grey bytes [height][width][channels], adjacent.
  init(pixels: UnsafePointer<UInt8>, shape: ModelShape) {
    image = e3k_image()
    image.format = e3_pixel_format(shape.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8)
    image.plane_width = shape.config.image_width
    (image.width, image.height) = (shape.config.image_width, shape.config.image_height)
    image.planes.0 = pixels
    image.strides.0 = shape.imageWidth * shape.channels
    ColourConversion.none.set(&image)
  }

  private mutating func setRectangle(_ frame: e3_frame) throws(E3Error) {
    if (frame.crop_x, frame.crop_y, frame.crop_width, frame.crop_height) == (0, 0, 0, 0) {
      (image.width, image.height) = (frame.width, frame.height)
      return
    }
    guard frame.crop_width >= 1, frame.crop_height >= 1, frame.crop_width <= frame.width,
      frame.crop_height <= frame.height, frame.crop_x <= frame.width - frame.crop_width,
      frame.crop_y <= frame.height - frame.crop_height
    else { throw .frameCrop }
    (image.left, image.top) = (frame.crop_x, frame.crop_y)
    (image.width, image.height) = (frame.crop_width, frame.crop_height)
  }

  private mutating func setTransform(_ transform: e3_transform) throws(E3Error) {
    switch Int(transform) {
    case E3_TRANSFORM_NONE: break
    case E3_TRANSFORM_ROTATE_90: (image.transposed, image.flip_y) = (1, 1)
    case E3_TRANSFORM_ROTATE_180: (image.flip_x, image.flip_y) = (1, 1)
    case E3_TRANSFORM_ROTATE_270: (image.transposed, image.flip_x) = (1, 1)
    case E3_TRANSFORM_FLIP_HORIZONTAL: image.flip_x = 1
    case E3_TRANSFORM_FLIP_VERTICAL: image.flip_y = 1
    case E3_TRANSFORM_TRANSPOSE: image.transposed = 1
    case E3_TRANSFORM_TRANSVERSE: (image.transposed, image.flip_x, image.flip_y) = (1, 1, 1)
    default: throw .frameTransform
    }
    if image.transposed != 0 { swap(&image.width, &image.height) }
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
