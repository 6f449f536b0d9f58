import CE3

/// What the command line says about raw frames; a camera is asked for it.
struct CaptureRequest {
  var pixels: StreamFormat.Pixels?
  var size: (width: Int, height: Int)?
  /// 0: lines are adjacent.
  var stride = 0
}

/// How the frames of a raw stream lie in its bytes.
struct StreamFormat {
  enum Pixels {
    case rgb24, gray8, yuyv, nv12
    /// JPEG pictures one after the other.
    case mjpeg
  }

  let pixels: Pixels
  /// Pixels; 0 for `mjpeg`, whose pictures say it themselves.
  let width: Int, height: Int
  /// Bytes from one line to the next.
  let stride: Int

  init(pixels: Pixels, width: Int, height: Int, stride: Int) {
    (self.pixels, self.width, self.height, self.stride) = (pixels, width, height, stride)
  }

  /// Nil when the command line names no pixel format.
  init?(_ request: CaptureRequest) throws(Failure) {
    let (size, stride) = (request.size, request.stride)
    guard let pixels = request.pixels else {
      guard size == nil, stride == 0 else { throw .usage("--size and --stride need --pixel-format") }
      return nil
    }
    self.pixels = pixels
    if pixels == .mjpeg {
      guard stride == 0 else { throw .usage("--stride is of no use with mjpeg") }
      (width, height, self.stride) = (0, 0, 0)
      return
    }
    guard let size else { throw .usage("--pixel-format needs --size WxH") }
    let odd = size.width % 2 != 0 || (pixels == .nv12 && size.height % 2 != 0)
    guard !odd || pixels == .rgb24 || pixels == .gray8 else { throw .usage("this pixel format needs an even --size") }
    (width, height) = (size.width, size.height)
    let line = pixels == .rgb24 ? width * 3 : pixels == .yuyv ? width * 2 : width
    guard stride == 0 || stride >= line else { throw .usage("--stride is shorter than a line of pixels") }
    self.stride = stride == 0 ? line : stride
  }

  /// Bytes of one frame: whole lines of `stride` bytes, for NV12 those of the luma and then of the chroma.
  var frameBytes: Int { stride * height * (pixels == .nv12 ? 3 : 2) / 2 }

  private var pixelFormat: Int {
    switch pixels {
    case .rgb24, .mjpeg: E3_PIXEL_RGB24
    case .gray8: E3_PIXEL_GRAY8
    case .yuyv: E3_PIXEL_YUYV
    case .nv12: E3_PIXEL_NV12
    }
  }

  /// The frame whose `frameBytes` bytes start at `bytes`.
  func frame(_ bytes: UnsafeRawPointer) -> e3_frame {
    let luma = stride * height
    var frame = e3_frame(format: pixelFormat, width: UInt32(width), height: UInt32(height))
    frame.planes = (bytes, pixels == .nv12 ? bytes + luma : nil)
    frame.strides = (stride, pixels == .nv12 ? stride : 0)
    frame.sizes = (luma, frameBytes - luma)
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
