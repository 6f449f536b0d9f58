import CE3

/// What a source has next.
enum SourceStep {
  /// The body was called with a frame.
  case frame
  /// There was a frame, but it could not be decoded; reported already.
  case broken
  case end
}

/// Frames one after the other: a picture file, a raw stream, a camera.
protocol FrameSource: ~Copyable {
  /// Calls `body` with the next frame, whose pixels hold until `body` returns.
  ///
  /// - Throws: when nothing can follow either; reported already.
  mutating func next(_ body: (e3_frame) -> Void) throws(Failure) -> SourceStep
}
