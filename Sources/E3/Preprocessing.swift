import CE3

/// How a frame becomes the model's image, as the file states it. The equivalent of `e3_preprocessing`.
public struct Preprocessing: Sendable {
  /// How a frame is brought to the image's size.
  public enum Resize: UInt32, Sendable {
    /// Bilinear to the image's size, cut to bytes.
    case stretch = 0
    /// Area, the shorter side to `resizeHeight`, then the centre.
    case areaAndCentre = 1
    /// Bilinear to the image's size, not cut to bytes.
    case stretchFloat = 2
    /// As Pillow resizes with ``Preprocessing/pillowFilter`` and ``Preprocessing/fit``, then the centre.
    case pillow = 3
  }

  /// What size the frame gets before the centre is taken.
  public enum Fit: UInt32, Sendable {
    /// Exactly `resizeHeight` x `resizeWidth`.
    case exact = 0
    /// The shorter side becomes `resizeHeight`.
    case shorterSide = 1
    /// `resizeHeight` x `resizeWidth` is covered.
    case cover = 2
  }

  private let stored: e3_preprocessing

  init(_ stored: e3_preprocessing) { self.stored = stored }

  /// How a frame is brought to the image's size; nil for a way that this module has no name for.
  public var resize: Resize? { Resize(rawValue: stored.resize) }
  /// Height before the centre is taken; 0 for the bilinear ways.
  public var resizeHeight: Int { Int(stored.resize_height) }
  /// Width before the centre is taken; 0 for the bilinear ways.
  public var resizeWidth: Int { Int(stored.resize_width) }
  /// What size a frame gets; nil unless it is resized as Pillow does.
  public var fit: Fit? { resize == .pillow ? Fit(rawValue: stored.fit) : nil }
  /// Pillow's number of the filter; nil unless it is resized as Pillow does.
  public var pillowFilter: Int? { resize == .pillow ? Int(stored.filter) : nil }
  /// Whether half a pixel of the centre's offset is rounded to the even one, as torchvision and timm do, and not down; nil
  /// unless it is resized as Pillow does.
  public var roundsCropToEven: Bool? { resize == .pillow ? stored.crop_rounding != 0 : nil }
  /// Whether the two passes go in the order of Pillow 13, and not across first; nil unless it is resized as Pillow does.
  public var ordersPassesAsPillow13: Bool? { resize == .pillow ? stored.pass_order != 0 : nil }
  /// Whether a byte x becomes (x - mean) / deviation. Else it becomes low + (x / 255) * (high - low).
  public var isNormalized: Bool { stored.normalized != 0 }
  /// The value of a byte 0; 0 when values are normalised.
  public var low: Float { stored.low }
  /// The value of a byte 255; 0 when values are normalised.
  public var high: Float { stored.high }
  /// Mean of each channel, in units of the bytes; 0 unless values are normalised.
  public var mean: (Float, Float, Float) { stored.mean }
  /// Deviation of each channel, in units of the bytes; 0 unless values are normalised.
  public var deviation: (Float, Float, Float) { stored.deviation }
}
