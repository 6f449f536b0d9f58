/// In which unit the means and deviations of pixels are written: of pixels in 0...1, as most libraries have them, or of
/// bytes.
package enum PixelUnit {
  /// Values beyond this are no pixels that a network was trained on: the constants have another unit.
  package static let largestPlausibleValue: Float = 32

  /// Largest value of the pixels the constants are of: 1 or 255; nil when they are plausible for neither.
  package static func largest(mean: [Float], deviation: [Float]) -> Float? {
    let isShare = (mean + deviation).allSatisfy { abs($0) <= 1 }
    let largest: Float = isShare ? 1 : 255
    if !isShare, isMixed(mean: mean, deviation: deviation) { return nil }
    return reach(of: largest, mean: mean, deviation: deviation) <= largestPlausibleValue ? largest : nil
  }

  /// Whether a mean other than 0 is of pixels in 0...1, and a deviation or another mean of bytes.
  package static func isMixed(mean: [Float], deviation: [Float]) -> Bool {
    mean.contains { $0 != 0 && abs($0) <= 1 } && (mean + deviation).contains { abs($0) > 1 }
  }

  /// Largest magnitude of a value, were the pixels in 0...`largest`. One constant stands for all channels.
  package static func reach(of largest: Float, mean: [Float], deviation: [Float]) -> Float {
    var reach: Float = 0
    for channel in 0..<max(mean.count, deviation.count) {
      let (mean, deviation) = (mean[min(channel, mean.count - 1)], deviation[min(channel, deviation.count - 1)])
      reach = max(reach, max(abs(mean), abs(largest - mean)) / deviation)
    }
    return reach
  }
}
