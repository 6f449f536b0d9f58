/// How the training prepared its images, as the checkpoint's metadata say.
public struct SourcePreprocessing: Equatable, Sendable {
  /// Pillow's filters, which antialias when they shrink.
  public enum Filter: String, Sendable, CaseIterable {
    case nearest, box, bilinear, hamming, bicubic, lanczos
  }

  /// How a picture is brought to the size that is cropped.
  public enum Resize: Equatable, Sendable {
    /// The shorter side becomes so many pixels; the ratio of the sides is kept.
    case shorterSide(Int)
    /// Both sides are given; the ratio is not kept.
    case exact(Grid)
    /// The smallest size that covers both sides; the ratio is kept.
    case cover(Grid)
  }

  /// Where the crop lies when it cannot lie in the middle.
  public enum CropRounding: Sendable {
    /// Half a pixel is rounded down: Hugging Face.
    case down
    /// Half a pixel is rounded to the even one: torchvision and timm.
    case halfToEven
  }

  public var resize: Resize
  public var filter: Filter
  /// The part in the middle that is kept: the image size of the model that the metadata belong to.
  public var crop: Grid
  public var cropRounding: CropRounding
  /// Of pixels in 0...1, one value per channel or one for all.
  public var mean, deviation: [Float]
  /// Largest value of the pixels that mean and deviation are of as the metadata write them.
  public var largest: Float
  /// Whether pixels are normalised, with ``mean`` and ``deviation`` of the metadata.
  public var normalises: Bool

  public init(
    resize: Resize, filter: Filter, crop: Grid, cropRounding: CropRounding, mean: [Float], deviation: [Float],
    largest: Float = 1, normalises: Bool = true
  ) {
    (self.resize, self.filter, self.crop, self.cropRounding) = (resize, filter, crop, cropRounding)
    (self.mean, self.deviation, self.largest, self.normalises) = (mean, deviation, largest, normalises)
  }
}
