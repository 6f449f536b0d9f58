import CE3

/// How the pixels of a frame lie in memory.
public enum PixelFormat: UInt32, Sendable {
  /// One plane: red, green, blue bytes.
  case rgb24 = 1
  /// One plane: a byte per pixel.
  case gray8 = 2
  /// One plane: Y0 U Y1 V, BT.601 limited range; even width.
  case yuyv = 3
  /// Two planes: Y, then interleaved U V at half size, BT.601 limited range; even width and height.
  case nv12 = 4
}

/// A camera image of any size. It borrows its pixels; the compiler keeps it from outliving them.
///
/// A frame is checked when it is run: `frameFormat`, `frameSize` and `frameStride` name what is wrong with one. The
/// equivalent of `e3_frame`.
public struct Frame: ~Escapable {
  var frame: e3_frame

  /// A frame of one plane.
  ///
  /// - Parameters:
  ///   - format: ``PixelFormat/rgb24``, ``PixelFormat/gray8`` or ``PixelFormat/yuyv``.
  ///   - width: in pixels.
  ///   - height: in pixels.
  ///   - pixels: The plane's bytes, first line first. At least `stride` x (height - 1) and a line.
  ///   - stride: Bytes from one line to the next; 0: lines are adjacent.
  @_lifetime(copy pixels)
  public init(_ format: PixelFormat, width: Int, height: Int, pixels: RawSpan, stride: Int = 0) {
    frame = Self.frame(format, width: width, height: height)
    (frame.planes.0, frame.sizes.0) = pixels.withUnsafeBytes { ($0.baseAddress, $0.count) }
    frame.strides.0 = stride
  }

  /// A frame of a luma plane and a plane of interleaved chroma.
  ///
  /// - Parameters:
  ///   - format: ``PixelFormat/nv12``.
  ///   - width: in pixels.
  ///   - height: in pixels.
  ///   - luma: A byte per pixel.
  ///   - lumaStride: Bytes from one line of `luma` to the next; 0: lines are adjacent.
  ///   - chroma: U and V of every second pixel of every second line.
  ///   - chromaStride: Bytes from one line of `chroma` to the next; 0: lines are adjacent.
  @_lifetime(copy luma, copy chroma)
  public init(
    _ format: PixelFormat, width: Int, height: Int, luma: RawSpan, lumaStride: Int = 0, chroma: RawSpan,
    chromaStride: Int = 0
  ) {
    frame = Self.frame(format, width: width, height: height)
    (frame.planes.0, frame.sizes.0) = luma.withUnsafeBytes { ($0.baseAddress, $0.count) }
    (frame.planes.1, frame.sizes.1) = chroma.withUnsafeBytes { ($0.baseAddress, $0.count) }
    (frame.strides.0, frame.strides.1) = (lumaStride, chromaStride)
  }

  private static func frame(_ format: PixelFormat, width: Int, height: Int) -> e3_frame {
    var frame = e3_frame()
    frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
    frame.format = format.rawValue
    // No side is zero or above E3_MAX_FRAME_SIDE, so neither is a clamped one.
    frame.width = UInt32(clamping: width)
    frame.height = UInt32(clamping: height)
    return frame
  }
}
