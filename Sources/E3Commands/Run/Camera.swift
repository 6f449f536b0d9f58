import CE3
import CE3System

/// A Video4Linux2 camera. Always gives the newest frame: what it took while the previous one was classified is skipped.
struct Camera: FrameSource, ~Copyable {
  private let path: UnsafePointer<CChar>
  private var device: e3c_camera
  /// Nil for MJPEG.
  private let format: StreamFormat?
  private var decoder = PictureDecoder()
  private var count: UInt64 = 0

  /// Opens the camera with what was asked for; the driver's choice where nothing was.
  init(_ path: UnsafePointer<CChar>, _ request: CaptureRequest) throws(Failure) {
    var device = e3c_camera()
    var what: UnsafePointer<CChar>?
    var error: Int32 = 0
    let size = request.size ?? (0, 0)
    let wanted = Self.deviceFormat(request.pixels)
    guard e3c_camera_open(path, wanted, UInt32(size.0), UInt32(size.1), &device, &what, &error) == 0
    else { throw Self.report(path, what, error) }
    let pixels = Self.pixels(device.format)
    format =
      pixels == .mjpeg
      ? nil
      : StreamFormat(
        pixels: pixels, width: Int(device.width), height: Int(device.height), stride: Int(device.stride))
    self.path = path
    self.device = device
  }

  deinit {
    var device = device
    e3c_camera_close(&device)
  }

  mutating func next(_ body: (e3_frame) -> Void) throws(Failure) -> SourceStep {
    var bytes = 0
    var what: UnsafePointer<CChar>?
    var error: Int32 = 0
    guard let start = e3c_camera_next(&device, &bytes, &what, &error) else { throw Self.report(path, what, error) }
    defer { count += 1 }
    guard let format else {
      let picture = UnsafeRawBufferPointer(start: start, count: bytes)
      do { try decoder.decode(picture, path: path, position: count, body) } catch { return .broken }
      return .frame
    }
    guard bytes >= format.frameBytes else {
      _ = Failure.report(path, "frame ") { errors in
        errors.write(count)
        errors.write(" has ")
        errors.write(bytes)
        errors.write(" bytes, its size needs ")
        errors.write(format.frameBytes)
      }
      return .broken
    }
    body(format.frame(start))
    return .frame
  }

  private static func report(
    _ path: UnsafePointer<CChar>, _ what: UnsafePointer<CChar>?, _ error: Int32
  ) -> Failure {
    .report(path, "") { errors in
      errors.write(cString: what)
      if what != nil, error != 0 { errors.write(": ") }
      if error != 0 { errors.write(cString: e3c_error_text(error)) }
    }
  }

  private static func deviceFormat(_ pixels: StreamFormat.Pixels?) -> e3c_camera_format {
    switch pixels {
    case .rgb24: E3C_CAMERA_RGB24
    case .gray8: E3C_CAMERA_GRAY8
    case .yuyv: E3C_CAMERA_YUYV
    case .nv12: E3C_CAMERA_NV12
    case .mjpeg: E3C_CAMERA_MJPEG
    case nil: E3C_CAMERA_ANY
    }
  }

  private static func pixels(_ format: e3c_camera_format) -> StreamFormat.Pixels {
    switch format {
    case E3C_CAMERA_RGB24: .rgb24
    case E3C_CAMERA_GRAY8: .gray8
    case E3C_CAMERA_NV12: .nv12
    case E3C_CAMERA_MJPEG: .mjpeg
    default: .yuyv
    }
  }
}
