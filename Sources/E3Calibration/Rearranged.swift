import E3DataSets
import E3Format
import E3Host

extension DataSetImage {
  /// The image with its four quarters exchanged: the matter of a known image in a form that is none. In the middle of
  /// odd sizes a line or column stays.
  ///
  /// - Parameters:
  ///   - shape: Of the model that the image is for.
  ///   - seed: Gives the order of the quarters, none of which stays in its place.
  func rearranged(for shape: ModelShape, seed: UInt64) -> DataSetImage {
    var order = [0, 1, 2, 3]
    var random = SplitMix64(state: seed)
    // Sattolo's algorithm: a permutation of one cycle.
    for last in (1...3).reversed() { order.swapAt(last, Int(random.next() % UInt64(last))) }
    switch self {
    case .picture(let picture):
      let pixels = exchanged(picture.pixels, picture.height, picture.width, picture.channels, order)
      return .picture(
        Picture(height: picture.height, width: picture.width, channels: picture.channels, pixels: pixels))
    case .tensor(let values):
      guard values.count == shape.imageValues else { return self }
      return .tensor(exchanged(values, shape.imageHeight, shape.imageWidth, shape.channels, order))
    }
  }
}

/// `[height][width][channels]` with quarter `i` taken from quarter `order[i]`.
private func exchanged<Value>(
  _ values: [Value], _ height: Int, _ width: Int, _ channels: Int, _ order: [Int]
) -> [Value] {
  var result = values
  let (lines, columns) = (height / 2, width / 2)
  func start(_ quarter: Int, _ line: Int) -> Int {
    let row = quarter < 2 ? line : height - lines + line
    return (row * width + (quarter % 2 == 0 ? 0 : width - columns)) * channels
  }
  for (quarter, source) in order.enumerated() {
    for line in 0..<lines {
      let (to, from) = (start(quarter, line), start(source, line))
      result.replaceSubrange(to..<to + columns * channels, with: values[from..<from + columns * channels])
    }
  }
  return result
}
