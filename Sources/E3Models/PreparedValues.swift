import E3DataSets
import E3Format

/// What is odd about the prepared values of data sets for a model, in a line; nil where nothing is. What no model takes
/// at all, ``requirePixels(_:within:of:name:)`` refuses, and nothing is said of it here.
///
/// Values leave a range a little where pictures were resized as floats, or noise was added. Cost: reads at most 256 images
/// of each set.
///
/// - Parameters:
///   - bounds: What the bytes 0 and 255 become.
///   - model: What the line calls the model.
package func valueRemark(
  on sets: [DataSet], bounds: (low: Float, high: Float), model: String
) -> String? {
  for set in sets where set.holdsValues {
    guard let seen = valueBounds(of: set, bounds) else { continue }
    let slack = (bounds.high - bounds.low) / 10
    let leaves = seen.low < bounds.low - slack || seen.high > bounds.high + slack
    let isHalf = set.count > 1 && bounds.low < 0 && bounds.high > 0 && seen.low >= 0
    guard leaves || isHalf else { continue }
    let found = leaves ? "" : ", none below 0"
    return "\(set.path): its values are \(seen.low) to \(seen.high)\(found), but \(model) takes \(bounds.low) to "
      + "\(bounds.high): bring them to that range, or give the pictures or their bytes, which are brought there as the "
      + "model's recipe says"
  }
  return nil
}

/// The smallest and the largest value of a set; nil where one cannot be read, or will be refused.
private func valueBounds(
  of set: DataSet, _ bounds: (low: Float, high: Float)
) -> (low: Float, high: Float)? {
  var (low, high) = (Float.infinity, -Float.infinity)
  for index in stride(from: 0, to: set.count, by: (set.count + 255) / 256) {
    guard case .tensor(let values)? = try? set.image(at: index) else { return nil }
    let isRefused = values.withUnsafeBufferPointer {
      PixelRange.firstOutside($0, low: bounds.low, high: bounds.high) != nil
    }
    if isRefused { return nil }
    (low, high) = values.reduce(into: (low, high)) { $0 = (min($0.0, $1), max($0.1, $1)) }
  }
  return low <= high ? (low, high) : nil
}

extension ModelShape {
  /// Whether the recipes of both make the same values of the same bytes.
  package func preparesPixels(as other: ModelShape) -> Bool {
    guard channels == other.channels else { return false }
    return zip(channelBounds, other.channelBounds).allSatisfy { mine, others in
      let slack = (mine.high - mine.low) / 1024
      return abs(mine.low - others.low) <= slack && abs(mine.high - others.high) <= slack
    }
  }

  /// What the bytes 0 and 255 become, channel by channel.
  private var channelBounds: [(low: Float, high: Float)] {
    guard valueMapping == .norm else {
      return Array(repeating: (config.value_low, config.value_high), count: channels)
    }
    let (mean, deviation) = (config.value_mean, config.value_deviation)
    let all = [(mean.0, deviation.0), (mean.1, deviation.1), (mean.2, deviation.2)]
    return all.prefix(channels).map { (-$0 / $1, (255 - $0) / $1) }
  }
}
