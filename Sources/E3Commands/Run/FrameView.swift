import CE3

/// What of a frame is looked at, and how it is turned.
struct FrameView {
  /// Pixels, before turning; nil: the whole frame.
  var crop: (x: Int, y: Int, width: Int, height: Int)?
  /// Degrees clockwise.
  var rotation = 0
  /// After the rotation: left and right, top and bottom change places.
  var flip: Flip?

  enum Flip {
    case horizontal, vertical
  }

  var isWhole: Bool { crop == nil && transform == E3_TRANSFORM_NONE }

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

  func apply(to frame: inout e3_frame) {
    if let crop {
      (frame.crop_x, frame.crop_y) = (UInt32(crop.x), UInt32(crop.y))
      (frame.crop_width, frame.crop_height) = (UInt32(crop.width), UInt32(crop.height))
    }
    frame.transform = e3_transform(transform)
  }
}
