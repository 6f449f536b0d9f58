import E3DataSets
import E3Host

/// The standard corruptions: what light, optics, sensors and codecs do to pictures. Each has five severities.
///
/// Parameters are those of CIFAR-10-C (Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
/// Corruptions and Perturbations"); lengths are given for a picture whose smaller side is 32 pixels and grow with it.
/// Rotation, which they do not have, has the angles below. Bytes are changed at the data set's own size, before the
/// model's preprocessing, and rounded to bytes again. What is random depends on the corruption, the severity and
/// the image's number alone, so that every machine measures the same pictures.
public enum Corruption: String, Sendable, CaseIterable {
  /// Independent noise on every value, standard deviation 0.04, 0.06, 0.08, 0.09, 0.10 of the full range.
  case noise
  /// Gaussian blur of standard deviation 0.4, 0.6, 0.7, 0.8, 1.0 pixels (at 32).
  case blur
  /// Contrast about each channel's mean times 0.75, 0.5, 0.4, 0.3, 0.15.
  case contrast
  /// The value of HSV raised by 0.05, 0.10, 0.15, 0.20, 0.30 of the full range.
  case brightness
  /// Turned about the centre by 5, 10, 15, 20, 30 degrees to a random side, bilinear, the edges continued.
  case rotation
  /// JPEG at libjpeg's quality 80, 65, 58, 50, 40, colour 4:2:0.
  case jpeg

  /// Number of severities; they count from 1.
  public static let severities = 5

  /// Name for people.
  public var title: String { self == .jpeg ? "JPEG" : rawValue }

  /// A corrupted copy of `picture`.
  ///
  /// - Parameters:
  ///   - severity: 1 to 5.
  ///   - index: the image's number in its data set.
  /// - Throws: when JPEG is out of memory or cannot have this size.
  /// - Precondition: `severity` is one.
  public func apply(to picture: Picture, severity: Int, index: Int) throws(FileError) -> Picture {
    precondition((1...Self.severities).contains(severity), "no such severity")
    let level = severity - 1
    var generator = SplitMix64(state: seed(severity: severity, index: index))
    switch self {
    case .noise:
      return picture.addingNoise(deviation: [0.04, 0.06, 0.08, 0.09, 0.10][level], from: &generator)
    case .blur:
      let scale = Double(min(picture.height, picture.width)) / 32
      return picture.blurred(deviation: [0.4, 0.6, 0.7, 0.8, 1.0][level] * scale)
    case .contrast: return picture.withContrast([0.75, 0.5, 0.4, 0.3, 0.15][level])
    case .brightness: return picture.brightened(by: [0.05, 0.10, 0.15, 0.20, 0.30][level])
    case .rotation:
      let turn = Turn.severities[level]
      return picture.turned(generator.next() & 1 == 0 ? turn : turn.reversed)
    case .jpeg: return try picture.throughJPEG(quality: [80, 65, 58, 50, 40][level])
    }
  }

  private func seed(severity: Int, index: Int) -> UInt64 {
    let place = UInt64(Self.allCases.firstIndex(of: self) ?? 0) * UInt64(Self.severities) + UInt64(severity)
    return place << 48 ^ UInt64(truncatingIfNeeded: index)
  }
}

extension SplitMix64 {
  /// About normal, of mean 0 and deviation 1: twelve uniform numbers less 6. Not by way of a logarithm or a sine, whose
  /// last bits differ between C libraries.
  mutating func nextNormal() -> Double {
    var sum: UInt64 = 0
    for _ in 0..<3 {
      let bits = next()
      sum += (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    }
    // Sixteen bits stand for the middle of their step, so that the mean is 0.
    return (Double(sum) + 6) / 65536 - 6
  }
}
