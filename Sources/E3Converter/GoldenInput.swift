import E3Format

/// The image that every packed model is tested with: the pattern depends on the image size alone.
struct GoldenInput {
  /// Of the first network; the image is that of all.
  let shape: ModelShape
  /// Of all networks.
  let memberCount: Int

  /// `[height][width][channels]`. A gradient along each axis in a different channel, so that orientation and channel
  /// order show, with hashed noise of 64 levels on top, so that no two patches are alike.
  var pixels: [UInt8] {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(shape.imageValues)
    for y in 0..<shape.imageHeight {
      for x in 0..<shape.imageWidth {
        let vertical = y * 191 / shape.imageHeight
        let horizontal = x * 191 / shape.imageWidth
        let gradients = [vertical, horizontal, 191 - (vertical + horizontal) / 2]
        for channel in 0..<shape.channels {
          pixels.append(UInt8(gradients[channel] + Self.noise((y * shape.imageWidth + x) * 3 + channel)))
        }
      }
    }
    return pixels
  }

  /// The pixels in the model's value range: FORMAT.md, section "Preprocessing".
  var values: [Float] {
    let config = shape.config
    let mean = [config.value_mean.0, config.value_mean.1, config.value_mean.2]
    let deviation = [config.value_deviation.0, config.value_deviation.1, config.value_deviation.2]
    let span = config.value_high - config.value_low
    return pixels.enumerated().map { index, pixel in
      let channel = index % shape.channels
      switch shape.valueMapping {
      case .range: return config.value_low + Float(pixel) / 255 * span
      default: return (Float(pixel) - mean[channel]) / deviation[channel]
      }
    }
  }

  /// Length of the section: the pixels padded to a multiple of 64, then `[M][C]` logits.
  var sectionLength: Int { logitsOffset + 4 * memberCount * shape.classCount }

  /// Where the logits start in the section.
  var logitsOffset: Int { (shape.imageValues + 63) / 64 * 64 }

  /// 0 to 63. The finaliser of MurmurHash3.
  private static func noise(_ index: Int) -> Int {
    var hash = UInt32(truncatingIfNeeded: index)
    hash = (hash ^ hash >> 16) &* 0x85EB_CA6B
    hash = (hash ^ hash >> 13) &* 0xC2B2_AE35
    return Int((hash ^ hash >> 16) & 63)
  }
}
