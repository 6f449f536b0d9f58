import CE3
import CE3Board
import CE3Pictures
import CE3Threads

/// A Video4Linux2 camera. Always gives the newest frame: what it took while the previous one was classified is skipped.
///
/// Damaged frames are skipped and reported, one line at a time; a camera that gives nothing else for
/// `E3C_CAMERA_PATIENCE_SECONDS`, or that is gone, ends the run.
struct Camera: FrameSource, ~Copyable {
  static var isLive: Bool { true }
  static var toleratesDamage: Bool { true }

  private static var mjpeg: UInt32 { UInt32(E3C_CAMERA_MJPEG) }

  private let path: UnsafePointer<CChar>
  private let device: OpaquePointer
  /// Whether somebody waits for it when it is gone: then that is one of many things that happen.
  private let isAwaited: Bool
  /// Size of the frames.
  private let size: (width: UInt32, height: UInt32)
  /// Nil for MJPEG.
  private let layout: CameraLayout?
  private var decoder: PictureDecoder
  private var count: UInt64 = 0
  /// Since when no picture could be decoded; nil: the last one could.
  private var undecodable: UInt64?

  /// Opens the camera with what was asked for, the driver's choice where nothing was; nil: `failure` says why not.
  init?(_ path: UnsafePointer<CChar>, _ options: Options, _ failure: inout e3c_failure) {
    let request = options.capture
    var picture = e3c_camera_picture()
    picture.format = request.pixels.map { $0 == .mjpeg ? Self.mjpeg : UInt32($0.format) } ?? UInt32(E3C_CAMERA_ANY)
    (picture.width, picture.height) = (UInt32(request.size?.width ?? 0), UInt32(request.size?.height ?? 0))
    (picture.stride, picture.plane_height) = (UInt32(request.stride), UInt32(request.planeHeight))
    (picture.range, picture.matrix) = (UInt32(request.range), UInt32(request.matrix))
    let device = options.board.withControls { controls in
      withUnsafePointer(to: controls) { e3c_camera_open(path, &picture, $0, &failure) }
    }
    guard let device else { return nil }
    layout = picture.format == Self.mjpeg ? nil : CameraLayout(picture)
    size = (picture.width, picture.height)
    decoder = PictureDecoder(options)
    isAwaited = options.board.reconnects
    self.path = path
    self.device = device
  }

  deinit { e3c_camera_close(device) }

  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep {
    var frame = e3c_camera_frame()
    var failure = e3c_failure()
    let state = e3c_camera_next(device, &frame, &failure)
    if frame.damaged > 0 { reportDamaged(frame.damaged) }
    if state == 0 { return .end }
    guard state > 0, let start = frame.planes.0 else {
      throw isAwaited ? .limited(path, "") { failure.write(to: $0) } : .report(path, "") { failure.write(to: $0) }
    }
    defer { count += 1 }
    let now = ce3_clock_ns()
    guard let layout else {
      return try decode(UnsafeRawBufferPointer(start: start, count: frame.sizes.0), now - frame.captured, now, body)
    }
    body(SourceFrame(pixels: layout.frame(frame), capture: now - frame.captured))
    return .frame
  }

  /// One MJPEG frame.
  private mutating func decode(
    _ bytes: UnsafeRawBufferPointer, _ capture: UInt64, _ now: UInt64, _ body: (SourceFrame) -> Void
  ) throws(Failure) -> SourceStep {
    let step: SourceStep
    do {
      step = try decoder.decode(bytes, path: path, position: count, size: size, capture: capture, body)
    } catch {
      let since = undecodable ?? now
      undecodable = since
      if now - since < UInt64(E3C_CAMERA_PATIENCE_SECONDS) * 1_000_000_000 { return .broken }
      throw .report(path, "no picture of the camera could be decoded for five seconds")
    }
    undecodable = nil
    return step
  }

  /// They were counted when they came.
  private func reportDamaged(_ count: UInt32) {
    _ = Failure.limited(path, count == 1 ? "1 damaged frame" : "") { errors in
      if count > 1 {
        errors.write(count)
        errors.write(" damaged frames")
      }
      errors.write(" skipped")
    }
  }
}

extension e3c_failure {
  func write(to stream: TextStream) {
    if let what { stream.write(cString: what) }
    if what != nil, error != 0 { stream.write(": ") }
    if error != 0 { stream.write(cString: e3c_error_text(error)) }
  }
}
