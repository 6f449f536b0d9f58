import CE3

/// How the frames of a raw stream lie in its bytes: whole lines, plane after plane.
struct StreamFormat {
  let pixels: StreamPixels
  /// Pixels; 0 for a `mjpeg` whose pictures may have any size.
  let width: Int, height: Int
  /// Bytes from one line of the first plane to the next; even where U and V have a plane each.
  var stride: Int
  /// Bytes from one line of U and V to the next; 0 where they have no planes.
  var chromaStride: Int
  /// Lines of the first plane: `height` and those of padding; those of U and V are as many, or half as many.
  var planeHeight: Int
  /// One of `E3_RANGE_*`.
  var range = E3_RANGE_DEFAULT
  /// One of `E3_MATRIX_*`.
  var matrix = E3_MATRIX_DEFAULT

  /// Lines of high definition.
  static var highDefinition: Int { 720 }

  /// Frames without padding, in the colours that are usual for their size.
  init(pixels: StreamPixels, width: Int, height: Int) {
    (self.pixels, self.width, self.height) = (pixels, width, height)
    (stride, chromaStride, planeHeight) = (0, 0, height)
    setStride(width * pixels.pixelBytes)
    if pixels.hasChroma { matrix = height >= Self.highDefinition ? E3_MATRIX_BT709 : E3_MATRIX_BT601 }
  }

  private var chromaPlanes: Int { pixels.chroma == nil ? 0 : pixels.chroma == .planes ? 2 : 1 }
  /// Lines of that many bytes; those of U and V in proportion.
  mutating func setStride(_ bytes: Int) {
    stride = bytes
    chromaStride = pixels.chroma == nil ? 0 : pixels.chroma == .planes ? bytes / 2 : bytes
  }

  private var chromaBytes: Int { chromaStride * (planeHeight / pixels.chromaLines) }

  /// Bytes of one frame.
  var frameBytes: Int { stride * planeHeight + chromaPlanes * chromaBytes }

  /// The frame whose `frameBytes` bytes start at `bytes`.
  func frame(_ bytes: UnsafeRawPointer) -> e3_frame {
    var frame = e3_frame(format: pixels.format, width: UInt32(width), height: UInt32(height))
    let first = stride * planeHeight
    frame.planes.0 = bytes
    (frame.strides.0, frame.sizes.0) = (stride, first)
    if chromaPlanes > 0 {
      frame.planes.1 = bytes + first
      (frame.strides.1, frame.sizes.1) = (chromaStride, chromaBytes)
    }
    if chromaPlanes > 1 {
      frame.third_plane = bytes + first + chromaBytes
      (frame.third_stride, frame.third_size) = (chromaStride, chromaBytes)
    }
    frame.range = e3_color_range(range)
    frame.matrix = e3_color_matrix(matrix)
    return frame
  }
}

extension e3_frame {
  /// A frame of this format and size, its planes yet to be told.
  init(format: Int, width: UInt32, height: UInt32) {
    self.init()
    struct_size = UInt32(MemoryLayout<e3_frame>.size)
    self.format = e3_pixel_format(format)
    (self.width, self.height) = (width, height)
  }
}
