import CE3

/// What the command line says about frames: how they lie, and what of them is looked at.
struct CaptureRequest {
  var pixels: StreamPixels?
  var size: (width: Int, height: Int)?
  /// Bytes from one line of the first plane to the next; 0: lines are adjacent, or as a camera says.
  var stride = 0
  /// Lines of the first plane, with those below the picture; 0: none are.
  var planeHeight = 0
  /// One of `E3_RANGE_*`.
  var range = E3_RANGE_DEFAULT
  /// One of `E3_MATRIX_*`.
  var matrix = E3_MATRIX_DEFAULT
  var view = FrameView()

  private var hasLayout: Bool { size != nil || stride != 0 || planeHeight != 0 }
  private var hasColour: Bool { range != E3_RANGE_DEFAULT || matrix != E3_MATRIX_DEFAULT }

  /// What is wrong whatever the frames come from.
  func validate() throws(Failure) {
    if let size, let crop = view.crop {
      guard crop.x + crop.width <= size.width, crop.y + crop.height <= size.height
      else { throw .usage("--crop leaves the frame") }
    }
    guard let pixels else { return }
    if pixels == .mjpeg {
      guard stride == 0 else { throw .usage("--stride is of no use with mjpeg") }
      guard planeHeight == 0 else { throw .usage("--plane-height is of no use with mjpeg") }
      guard !hasColour else { throw .usage("pictures say themselves what their colours are") }
      return
    }
    guard matrix == E3_MATRIX_DEFAULT || pixels.hasChroma
    else { throw .usage("--color-matrix is for formats with U and V") }
    guard pixels.chroma != .planes || stride % 2 == 0 else { throw .usage("this pixel format needs an even --stride") }
    guard planeHeight % pixels.chromaLines == 0
    else { throw .usage("this pixel format needs an even --plane-height") }
    guard let size else { return }
    guard !pixels.hasChroma || size.width % 2 == 0, size.height % pixels.chromaLines == 0
    else { throw .usage("this pixel format needs an even --size") }
    guard stride == 0 || stride >= size.width * pixels.pixelBytes
    else { throw .usage("--stride is shorter than a line of pixels") }
    guard planeHeight == 0 || planeHeight >= size.height
    else { throw .usage("--plane-height is less than the lines of the frame") }
  }

  /// The format of a stream that is no camera; nil: FRAME is a picture.
  func stream() throws(Failure) -> StreamFormat? {
    guard let pixels else {
      guard size == nil, stride == 0 else { throw .usage("--size and --stride need --pixel-format") }
      guard !hasLayout else { throw .usage("--plane-height needs --pixel-format") }
      guard !hasColour else { throw .usage("--color-range and --color-matrix need --pixel-format, or a camera") }
      return nil
    }
    if pixels == .mjpeg { return StreamFormat(pixels: pixels, width: 0, height: 0) }
    guard let size else { throw .usage("--pixel-format needs --size WxH") }
    var format = StreamFormat(pixels: pixels, width: size.width, height: size.height)
    if stride != 0 { format.stride = stride }
    if planeHeight != 0 { format.planeHeight = planeHeight }
    // At most three planes of that many bytes, whatever the width of an Int.
    guard UInt64(format.stride) * UInt64(format.planeHeight) <= UInt64(Int.max) / 3
    else { throw .usage("--stride and --plane-height make frames too large for this machine") }
    format.range = range
    if matrix != E3_MATRIX_DEFAULT { format.matrix = matrix }
    return format
  }
}
