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
  }

  public var resize: Resize
  public var filter: Filter
  /// The part in the middle that is kept: the image size of the model that the metadata belong to.
  public var crop: Grid
  /// Of pixels in 0...1, one value per channel or one for all.
  public var mean, deviation: [Float]

  public init(resize: Resize, filter: Filter, crop: Grid, mean: [Float], deviation: [Float]) {
    (self.resize, self.filter, self.crop) = (resize, filter, crop)
    (self.mean, self.deviation) = (mean, deviation)
  }
}
