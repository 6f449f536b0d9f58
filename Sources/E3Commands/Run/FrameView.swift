import CE3

/// A rectangle of pixels.
struct Rectangle {
  var x = 0
  var y = 0
  var width = 0
  var height = 0
}

/// What of a frame is looked at, and how it is turned.
struct FrameView {
  static var mostRegions: Int { 16 }

  /// Pixels, before turning; an answer for each of the first ``regionCount``. None: the whole frame.
  private var regions = InlineArray<16, Rectangle>(repeating: Rectangle())
  private(set) var regionCount = 0
  /// Degrees clockwise.
  var rotation = 0
  /// After the rotation: left and right, top and bottom change places.
  var flip: Flip?

  enum Flip {
    case horizontal, vertical
  }

  var isWhole: Bool { regionCount == 0 && transform == E3_TRANSFORM_NONE }

  /// Answers of a frame.
  var answerCount: Int { max(regionCount, 1) }

  /// The rectangle of an answer; nil: the whole frame.
  func region(_ answer: Int) -> Rectangle? { answer < regionCount ? regions[answer] : nil }

  /// False when there are too many.
  mutating func add(_ region: Rectangle) -> Bool {
    guard regionCount < Self.mostRegions else { return false }
    regions[regionCount] = region
    regionCount += 1
    return true
  }

  /// One of `E3_TRANSFORM_*`.
  private var transform: Int {
    switch (rotation, flip) {
    case (90, nil): E3_TRANSFORM_ROTATE_90
    case (180, nil): E3_TRANSFORM_ROTATE_180
    case (270, nil): E3_TRANSFORM_ROTATE_270
    case (90, .horizontal), (270, .vertical): E3_TRANSFORM_TRANSPOSE
    case (90, .vertical), (270, .horizontal): E3_TRANSFORM_TRANSVERSE
    case (180, .horizontal), (0, .vertical): E3_TRANSFORM_FLIP_VERTICAL
    case (180, .vertical), (0, .horizontal): E3_TRANSFORM_FLIP_HORIZONTAL
    default: E3_TRANSFORM_NONE
    }
  }

  /// Makes `frame` the picture of one answer.
  func apply(_ answer: Int, to frame: inout e3_frame) {
    if let region = region(answer) {
      (frame.crop_x, frame.crop_y) = (UInt32(region.x), UInt32(region.y))
      (frame.crop_width, frame.crop_height) = (UInt32(region.width), UInt32(region.height))
    }
    frame.transform = e3_transform(transform)
  }
}
