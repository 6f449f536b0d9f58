import E3DataSets
import E3Host

extension Picture {
  /// Every byte through `change`, which sees values of 0 to 255 and may leave that range.
  private func mapped(_ change: (Double, _ channel: Int) -> Double) -> Picture {
    Picture(
      height: height, width: width, channels: channels,
      pixels: pixels.enumerated().map { byte(change(Double($0.element), $0.offset % channels)) })
  }

  /// Normal noise on every value; `deviation` is a share of the full range.
  func addingNoise(deviation: Double, from generator: inout SplitMix64) -> Picture {
    mapped { value, _ in value + 255 * deviation * generator.nextNormal() }
  }

  /// The distance from the channel's mean times `factor`.
  func withContrast(_ factor: Double) -> Picture {
    let means = (0..<channels).map { channel in
      let sum = stride(from: channel, to: pixels.count, by: channels).reduce(0) { $0 + Int(pixels[$1]) }
      return Double(sum) / Double(height * width)
    }
    return mapped { value, channel in means[channel] + (value - means[channel]) * factor }
  }

  /// The value of HSV, a pixel's largest channel, raised by `amount` of the full range; hue and saturation stay.
  func brightened(by amount: Double) -> Picture {
    var changed = pixels
    for start in stride(from: 0, to: pixels.count, by: channels) {
      let range = start..<start + channels
      let value = Double(pixels[range].max() ?? 0)
      let raised = min(value + 255 * amount, 255)
      for index in range { changed[index] = byte(value > 0 ? Double(pixels[index]) * raised / value : raised) }
    }
    return Picture(height: height, width: width, channels: channels, pixels: changed)
  }
}

/// The nearest byte.
func byte(_ value: Double) -> UInt8 { UInt8(min(max(value.rounded(), 0), 255)) }
