import CE3

/// An answer with what it is the answer to.
struct ShownAnswer {
  let answer: Answer
  /// The frame's number.
  let frame: UInt64
  /// What is looked at, and how it is turned.
  let view: FrameView
  /// What of the frame it is the answer to; nil: all of it.
  let region: Rectangle?
  /// The decision over the last frames; nil: none was asked for.
  var smoothed: SmoothedAnswer?

  init(_ answer: Answer, frame: UInt64, view: FrameView, region: Int) {
    (self.answer, self.frame, self.view, self.region) = (answer, frame, view, view.region(region))
  }
}

extension Rectangle {
  /// `[X,Y,WIDTH,HEIGHT]`.
  func write(to stream: TextStream) {
    stream.write("[")
    stream.write(x)
    stream.write(",")
    stream.write(y)
    stream.write(",")
    stream.write(width)
    stream.write(",")
    stream.write(height)
    stream.write("]")
  }
}
