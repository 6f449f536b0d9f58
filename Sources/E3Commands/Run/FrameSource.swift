import CE3

/// A frame with the time that it has taken so far, in nanoseconds.
struct SourceFrame {
  var pixels: e3_frame
  /// From the moment that the camera took it, or that the first bytes of a stream came, until all of it was here.
  var capture: UInt64 = 0
  /// Of decoding a picture.
  var decoding: UInt64 = 0
  /// What was decoded; empty where the pixels came as they are.
  var encoded = UnsafeRawBufferPointer(start: nil, count: 0)
}

/// What a source has next.
enum SourceStep {
  /// The body was called with a frame.
  case frame
  /// There was a frame, but it could not be decoded; reported already.
  case broken
  /// There was a frame, and its deadline passed while it was decoded.
  case late
  /// The source ended, or a stop was asked for.
  case end
}

/// Frames one after the other: a picture file, a raw stream, a camera.
protocol FrameSource: ~Copyable {
  /// Frames come one after the other and are answered with a line each.
  static var isLive: Bool { get }

  /// Damaged frames belong to its life: they are reported, and the run succeeds.
  static var toleratesDamage: Bool { get }

  /// Whether no frame follows, as far as that is known without waiting.
  var isOver: Bool { get }

  /// Whether nothing is left to read, as far as that is known without waiting.
  var hasEnded: Bool { get }

  /// Calls `body` with the next frame, whose pixels hold until `body` returns.
  ///
  /// - Throws: when nothing can follow either; reported already.
  mutating func next(_ body: (SourceFrame) -> Void) throws(Failure) -> SourceStep
}

extension FrameSource where Self: ~Copyable {
  var isOver: Bool { false }
  var hasEnded: Bool { false }
}
