import CE3
import E3Format

extension ModelShape {
  /// Hash of prepared values, `[height][width][channels]`, as the bytes that they come from: equal for a picture and for
  /// floats that somebody made of it, which may differ from the runtime's in their last bits.
  func contentHash(of values: [Float]) -> UInt64 {
    let bytes = values.indices.map { Int16(exactly: byte(of: values[$0], channel: $0 % channels).rounded()) ?? .max }
    return bytes.withUnsafeBytes { XXH64.hash($0) }
  }

  /// The byte that becomes `value` in a channel; between two where more than one pixel went into it.
  private func byte(of value: Float, channel: Int) -> Float {
    guard valueMapping == .norm else {
      return 255 * (value - config.value_low) / (config.value_high - config.value_low)
    }
    let (mean, deviation) = (config.value_mean, config.value_deviation)
    return switch channel {
    case 0: value * deviation.0 + mean.0
    case 1: value * deviation.1 + mean.1
    default: value * deviation.2 + mean.2
    }
  }
}
