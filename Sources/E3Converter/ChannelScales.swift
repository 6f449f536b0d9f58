import E3Checkpoint

/// Factors for the channels between a LayerNorm, or attention's values, and the layers that read them: the former are
/// divided by them, the layers' weights multiplied. Before that an offset is taken from the former, which the layers'
/// biases get back.
///
/// All channels of a row share one int8 scale, and so do all inputs of an output. A channel that is much larger than
/// the others, or has much larger weights, takes their precision. With the square root of activation over weight as
/// factor both are of one size (Xiao et al. 2023, SmoothQuant). A channel's activation is estimated from the norm
/// alone, as sqrt(scale² + bias²): what is normalised has variance 1. Such factors are powers of two, so nothing else is
/// rounded, and 1 for channels that differ less than fourfold from the others, about which the estimate says too
/// little. Images tell it better, and the offsets: a row has one range for all its channels, so what a channel has in
/// all rows would only widen it.
struct ChannelScales {
  /// One for each channel.
  let factors: [Float]
  /// One for each channel; zeros without images.
  let offsets: [Float]

  /// - Parameters:
  ///   - squares: For each channel the mean of the squares of its weights in all layers.
  init(normScale: [Float], normBias: [Float], weightSquares squares: [Double]) {
    let exponents: [Double?] = squares.indices.map { channel in
      let (scale, bias) = (Double(normScale[channel]), Double(normBias[channel]))
      let ratio = (scale * scale + bias * bias) / squares[channel]
      return ratio.isNormal ? Self.binaryLogarithm(ratio) / 4 : nil
    }
    // The median: what a channel that stands out does not move.
    let known = exponents.compactMap { $0 }.sorted()
    let usual = known.isEmpty ? 0 : known[known.count / 2]
    factors = exponents.map { exponent in
      let power = min(max(((exponent ?? usual) - usual).rounded(), -Self.limit), Self.limit)
      return abs(power) < 2 ? 1 : Float(sign: .plus, exponent: Int(power), significand: 1)
    }
    offsets = [Float](repeating: 0, count: factors.count)
  }

  /// Factors for all channels, from what they are on images. They are fourth roots of ratios, around 1.
  init(_ channels: ChannelSpread, weightSquares: [Double]) {
    let ratios: [Double?] = channels.squares.indices.map { channel in
      let ratio = channels.squares[channel] / weightSquares[channel]
      return ratio.isNormal ? ratio : nil
    }
    offsets = channels.offsets
    let known = ratios.compactMap { $0 }
    let usual = (known.reduce(0) { $0 + Self.binaryLogarithm($1) / 4 } / Double(max(known.count, 1))).rounded()
    let (least, most) = (Double(sign: .plus, exponent: -Int(Self.limit), significand: 1), Double(1 << Int(Self.limit)))
    factors = ratios.map { ratio in
      guard let root = ratio?.squareRoot().squareRoot() else { return 1 }
      return Float(min(max(root * Double(sign: .plus, exponent: -Int(usual), significand: 1), least), most))
    }
  }

  /// Largest exponent of a factor: far from where floats end.
  private static let limit = 16.0

  /// log2 of a normal number, exact enough to round to a power of two, and the same on every machine.
  private static func binaryLogarithm(_ x: Double) -> Double { Double(x.exponent) + (x.significand - 1) }

  /// The norm's scale, or the weights of the layer to values: `[...][channels]`.
  func dividing(_ values: [Float]) -> [Float] { values.indices.map { values[$0] / factors[$0 % factors.count] } }

  /// The norm's bias, or that of the layer to values; or rows: `[...][channels]`.
  func shifting(_ values: [Float]) -> [Float] {
    values.indices.map { (values[$0] - offsets[$0 % offsets.count]) / factors[$0 % factors.count] }
  }

  /// The bias of a layer with the weights `[channels][outputs]`, which are not multiplied yet.
  func restoring(_ bias: [Float], of weights: [Float]) -> [Float] {
    precondition(weights.count == offsets.count * bias.count)
    var sums = bias.map(Double.init)
    for (channel, offset) in offsets.enumerated() where offset != 0 {
      for output in sums.indices { sums[output] += Double(offset) * Double(weights[channel * bias.count + output]) }
    }
    return sums.map(Float.init)
  }

  /// Weights `[channels][...]`.
  func multiplying(_ weights: [Float]) -> [Float] {
    var weights = weights
    let width = weights.count / factors.count
    for (channel, factor) in factors.enumerated() where factor != 1 {
      for index in channel * width..<(channel + 1) * width { weights[index] *= factor }
    }
    return weights
  }
}

/// Adds the squares of weights `[channels][...]` to `squares`, divided by how many there are of a channel.
func addWeightSquares(of weights: [Float], to squares: inout [Double]) {
  let width = weights.count / squares.count
  for channel in squares.indices {
    var sum = 0.0
    for index in channel * width..<(channel + 1) * width { sum += Double(weights[index]) * Double(weights[index]) }
    squares[channel] += sum / Double(width)
  }
}
