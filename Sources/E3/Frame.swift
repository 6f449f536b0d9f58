import CE3

/// A camera image of any size. It borrows its pixels; the compiler keeps it from outliving them.
///
/// The pixels that count are those of the rectangle `crop`, turned by `transform`. A frame is checked when it is run:
/// `frameFormat`, `frameSize` and `frameStride` name what is wrong with one. The equivalent of `e3_frame`.
public struct Frame: ~Escapable {
  var frame: e3_frame

  /// A frame of one plane.
  ///
  /// - Parameters:
  ///   - format: A format of one plane.
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
  ///   - format: ``PixelFormat/nv12``, ``PixelFormat/nv21`` or ``PixelFormat/nv16``.
  ///   - width: in pixels.
  ///   - height: in pixels.
  ///   - luma: A byte per pixel.
  ///   - lumaStride: Bytes from one line of `luma` to the next; 0: lines are adjacent.
  ///   - chroma: Two bytes for every second pixel of a line.
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

  /// A frame of a luma plane and two planes of chroma.
  ///
  /// - Parameters:
  ///   - format: ``PixelFormat/i420`` or ``PixelFormat/yv12``.
  ///   - width: in pixels.
  ///   - height: in pixels.
  ///   - luma: A byte per pixel.
  ///   - lumaStride: Bytes from one line of `luma` to the next; 0: lines are adjacent.
  ///   - firstChroma: A byte for every second pixel of every second line: U for `i420`, V for `yv12`.
  ///   - secondChroma: Likewise: V for `i420`, U for `yv12`.
  ///   - chromaStride: Bytes from one line of a plane of chroma to the next; 0: lines are adjacent.
  @_lifetime(copy luma, copy firstChroma, copy secondChroma)
  public init(
    _ format: PixelFormat, width: Int, height: Int, luma: RawSpan, lumaStride: Int = 0, firstChroma: RawSpan,
    secondChroma: RawSpan, chromaStride: Int = 0
  ) {
    frame = Self.frame(format, width: width, height: height)
    (frame.planes.0, frame.sizes.0) = luma.withUnsafeBytes { ($0.baseAddress, $0.count) }
    (frame.planes.1, frame.sizes.1) = firstChroma.withUnsafeBytes { ($0.baseAddress, $0.count) }
    (frame.third_plane, frame.third_size) = secondChroma.withUnsafeBytes { ($0.baseAddress, $0.count) }
    (frame.strides.0, frame.strides.1, frame.third_stride) = (lumaStride, chromaStride, chromaStride)
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

// MARK: What the samples mean, and which of them count

extension Frame {
  /// What the smallest and the largest sample mean.
  public var range: ColorRange {
    get { ColorRange(rawValue: frame.range) ?? .formatDefault }
    set { frame.range = newValue.rawValue }
  }

  /// How U and V become red, green and blue.
  public var matrix: ColorMatrix {
    get { ColorMatrix(rawValue: frame.matrix) ?? .formatDefault }
    set { frame.matrix = newValue.rawValue }
  }

  /// How the picture is turned after the rectangle was cut out.
  public var transform: Transform {
    get { Transform(rawValue: frame.transform) ?? .none }
    set { frame.transform = newValue.rawValue }
  }

  /// Cuts out a rectangle, in pixels of the planes. Odd values are allowed; all zeros mean the whole frame.
  ///
  /// - Parameters:
  ///   - x: of the left column.
  ///   - y: of the upper line.
  ///   - width: in pixels.
  ///   - height: in pixels.
  public mutating func crop(x: Int, y: Int, width: Int, height: Int) {
    // A frame has fewer pixels than the largest number, so a clamped value is refused as the value is.
    (frame.crop_x, frame.crop_y) = (UInt32(clamping: x < 0 ? Int.max : x), UInt32(clamping: y < 0 ? Int.max : y))
    frame.crop_width = UInt32(clamping: width < 0 ? Int.max : width)
    frame.crop_height = UInt32(clamping: height < 0 ? Int.max : height)
  }
}
