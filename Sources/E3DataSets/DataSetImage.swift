import E3Host

/// One image of a data set.
public enum DataSetImage: Sendable, Equatable {
  /// Bytes as a camera gives them, of any size: the model's own preprocessing prepares them.
  case picture(Picture)
  /// Values that are already prepared: `[height][width][channels]` in the model's value range.
  case tensor([Float])
}

/// A picture of bytes.
public struct Picture: Sendable, Equatable {
  /// Pixels of a column and of a row.
  public let height, width: Int
  /// 1 (grey) or 3 (red, green, blue).
  public let channels: Int
  /// `[height][width][channels]`.
  public let pixels: [UInt8]

  /// - Precondition: the sizes are positive, `channels` is 1 or 3, and `pixels` has as many bytes as they say.
  public init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
    precondition(height > 0 && width > 0 && (channels == 1 || channels == 3), "no such picture")
    precondition(elementCount(of: [height, width, channels]) == pixels.count, "\(pixels.count) bytes of pixels")
    (self.height, self.width, self.channels, self.pixels) = (height, width, channels, pixels)
  }
}
