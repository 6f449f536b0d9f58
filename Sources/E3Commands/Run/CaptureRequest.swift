import CE3
import CE3Board

/// What the command line says about frames: how they lie, and what of them is looked at.
struct CaptureRequest {
  var pixels: StreamPixels?
  var size: (width: Int, height: Int)?
  /// Bytes from one line of the first plane to the next; 0: lines are adjacent, or as a camera says.
  var stride = 0
  /// The same of U and V; 0: in proportion.
  var chromaStride = 0
  /// Lines of the first plane, with those below the picture; 0: none are.
  var planeHeight = 0
  /// One of `E3_RANGE_*`.
  var range = E3_RANGE_DEFAULT
  /// One of `E3_MATRIX_*`.
  var matrix = E3_MATRIX_DEFAULT
  var view = FrameView()

  private var hasColour: Bool { range != E3_RANGE_DEFAULT || matrix != E3_MATRIX_DEFAULT }

  /// What is wrong whatever the frames come from.
  func validate() throws(Failure) {
    if let size {
      for index in 0..<view.regionCount {
        guard let region = view.region(index) else { continue }
        guard region.x + region.width <= size.width, region.y + region.height <= size.height
        else { throw .usage("--crop leaves the frame") }
      }
    }
    guard let pixels else { return }
    if pixels.isSelfDescribing { return try validateSelfDescribing(pixels) }
    guard matrix == E3_MATRIX_DEFAULT || pixels.hasChroma
    else { throw .usage("--color-matrix is for formats with U and V") }
    guard chromaStride == 0 || pixels.chroma != nil
    else { throw .usage("--chroma-stride is for formats with planes of U and V") }
    guard pixels.chroma != .planes || stride % 2 == 0 || chromaStride != 0 else { throw Self.odd("--stride", pixels) }
    guard planeHeight % pixels.chromaLines == 0 else { throw Self.odd("--plane-height", pixels) }
    guard let size else { return }
    guard pixels.admits(width: size.width, height: size.height) else { throw Self.odd("--size", pixels, isSize: true) }
    guard stride == 0 || stride >= size.width * pixels.pixelBytes
    else { throw .usage("--stride is shorter than a line of pixels") }
    guard chromaStride == 0 || chromaStride >= (pixels.chroma == .planes ? size.width / 2 : size.width)
    else { throw .usage("--chroma-stride is shorter than a line of U and V") }
    guard planeHeight == 0 || planeHeight >= size.height
    else { throw .usage("--plane-height is less than the lines of the frame") }
  }

  private func validateSelfDescribing(_ pixels: StreamPixels) throws(Failure) {
    guard stride == 0 else { throw .usage("--stride is of no use with mjpeg and y4m") }
    guard chromaStride == 0 else { throw .usage("--chroma-stride is of no use with mjpeg and y4m") }
    guard planeHeight == 0 else { throw .usage("--plane-height is of no use with mjpeg and y4m") }
    guard pixels == .y4m || !hasColour else { throw .usage("pictures say themselves what their colours are") }
  }

  /// `OPTION must be even for FORMAT`, and which numbers of a size.
  private static func odd(_ option: StaticString, _ pixels: StreamPixels, isSize: Bool = false) -> Failure {
    .usage(option) { errors in
      errors.write(" must be even for ")
      errors.write(cString: pixels.name)
      if isSize { errors.write(pixels.chromaLines == 1 ? ": its width" : ": its width and its height") }
    }
  }

  /// The format of a stream that is no camera; nil: FRAME is a picture.
  func stream() throws(Failure) -> StreamFormat? {
    guard let pixels else {
      guard size == nil, stride == 0 else { throw .usage("--size and --stride need --pixel-format") }
      guard planeHeight == 0 else { throw .usage("--plane-height needs --pixel-format") }
      guard chromaStride == 0 else { throw .usage("--chroma-stride needs --pixel-format") }
      guard !hasColour else { throw .usage("--color-range and --color-matrix need --pixel-format, or a camera") }
      return nil
    }
    if pixels == .mjpeg { return StreamFormat(pixels: pixels, width: size?.width ?? 0, height: size?.height ?? 0) }
    if pixels == .y4m {
      guard size == nil else { throw .usage("y4m says itself what its --size is") }
      var format = StreamFormat(pixels: pixels, width: 0, height: 0)
      (format.range, format.matrix) = (range, matrix)
      return format
    }
    guard let size else { throw .usage("--pixel-format needs --size WxH") }
    var format = StreamFormat(pixels: pixels, width: size.width, height: size.height)
    if stride != 0 { format.setStride(stride) }
    if chromaStride != 0 { format.chromaStride = chromaStride }
    if planeHeight != 0 { format.planeHeight = planeHeight }
    // At most three planes of that many bytes, whatever the width of an Int.
    guard UInt64(max(format.stride, format.chromaStride)) * UInt64(format.planeHeight) <= UInt64(Int.max) / 3
    else { throw .usage("--stride and --plane-height make frames too large for this machine") }
    format.range = range
    if matrix != E3_MATRIX_DEFAULT { format.matrix = matrix }
    return format
  }
}
