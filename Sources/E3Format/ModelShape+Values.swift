import CE3

extension ModelShape {
  /// The smallest and the largest value that the recipe makes of a byte, over all channels.
  public var valueBounds: (low: Float, high: Float) {
    guard valueMapping == .norm else { return (config.value_low, config.value_high) }
    let (mean, deviation) = (config.value_mean, config.value_deviation)
    let lows = (-mean.0 / deviation.0, -mean.1 / deviation.1, -mean.2 / deviation.2)
    let highs = ((255 - mean.0) / deviation.0, (255 - mean.1) / deviation.1, (255 - mean.2) / deviation.2)
    guard channels > 1 else { return (lows.0, highs.0) }
    return (min(lows.0, min(lows.1, lows.2)), max(highs.0, max(highs.1, highs.2)))
  }
}

/// Prepared values that cannot be a model's pixels: most likely bytes, or values of another range.
package enum PixelRange {
  /// The first value far outside of `low ... high`, by more than one and a half times its width; nil where there is
  /// none. Noise and sharpening leave the range a little.
  package static func firstOutside(_ values: UnsafeBufferPointer<Float>, low: Float, high: Float) -> Float? {
    let slack = (high - low) * 1.5
    for value in values where (value < low - slack || value > high + slack) && value.isFinite { return value }
    return nil
  }
}
