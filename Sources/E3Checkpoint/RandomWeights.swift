import E3Host

/// Writes a `.safetensors` checkpoint of random weights for the model of a configuration file, to measure with.
///
/// The scales are those of a trained network: activations keep their size from block to block, attention is neither
/// uniform nor one-hot, tokens spread over the experts, logits differ by a few units. The same seed gives the same
/// bytes on every machine.
///
/// - Parameter progress: Is told the share of the values that is written, 0 to 1.
/// - Throws: a configuration that cannot be used or leaves something open; an output that cannot be written.
public func writeRandomWeights(
  config path: String, output: String, seed: UInt64 = 0, options: ModelOptions = ModelOptions(),
  progress: (Double) -> Void = { _ in }
) throws(FileError) {
  try requireOutput(output, besides: [path])
  let config = try ModelConfig(path: path, options: options)
  let parameters = config.parameters
  let writer = try SafetensorsWriter(path: output, tensors: parameters.map { ($0.name, $0.shape) })
  // Each size is below 2^21 and a tensor has at most four axes, so that only the sum can be surprising.
  let total = parameters.reduce(0.0) { $0 + $1.shape.reduce(1.0) { $0 * Double($1) } }
  var written = 0.0
  for parameter in parameters {
    var values = RandomTensor(parameter, seed: seed)
    while let block = values.nextBlock() {
      try writer.append(block)
      written += Double(block.count)
      progress(written / total)
    }
  }
  try writer.finish()
}

/// The 64-bit FNV-1a hash of `text`. Source: RFC 9923.
private func fowlerNollVo(_ text: String) -> UInt64 {
  text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

/// The values of one tensor, block by block.
private struct RandomTensor {
  private var generator: SplitMix64
  private var next = 0
  private let count: Int
  private let mean: Float
  /// One per output: channels of trained layers differ in scale.
  private let deviations: [Float]

  /// Values in a block: 4 MiB.
  private static let blockSize = 1 << 20

  init(_ parameter: Parameter, seed: UInt64) {
    count = parameter.shape.reduce(1, *)
    // A stream of its own for each name, so that a tensor does not depend on those before it.
    var generator = SplitMix64(state: seed ^ fowlerNollVo(parameter.name))
    let statistics = WeightStatistics(parameter)
    mean = statistics.mean
    deviations = (0..<statistics.outputs).map { _ in
      statistics.deviation * (1 + statistics.spread * generator.uniform())
    }
    self.generator = generator
  }

  mutating func nextBlock() -> [Float]? {
    guard next < count else { return nil }
    let size = min(Self.blockSize, count - next)
    var column = next % deviations.count
    let block = [Float](unsafeUninitializedCapacity: size) { buffer, initialized in
      var generator = self.generator
      for i in 0..<size {
        buffer[i] = mean + deviations[column] * generator.bell()
        column = column + 1 == deviations.count ? 0 : column + 1
      }
      self.generator = generator
      initialized = size
    }
    next += size
    return block
  }
}

/// Mean and deviation of a tensor's values.
private struct WeightStatistics {
  var mean: Float = 0
  var deviation: Float
  /// Deviations of outputs differ by up to this share.
  var spread: Float = 0.3
  /// Period of the outputs in the tensor.
  var outputs: Int

  init(_ parameter: Parameter) {
    let parts = parameter.name.split(separator: "/").map(String.init)
    let shape = parameter.shape
    outputs = shape.last ?? 1
    func kernel(_ gain: Float, inputs: Int) -> Float { gain / Float(inputs).squareRoot() }
    switch (parts.last ?? "", parts.dropLast().last ?? "") {
    case ("scale", _): (mean, deviation, spread) = (1, 0.15, 0)
    case ("bias", "head"): deviation = 0.5
    case ("bias", _): deviation = 0.05
    case ("kernel", "embedding"): deviation = kernel(1.5, inputs: shape.dropLast().reduce(1, *))
    // Scores of deviation 2 after the division by sqrt(D).
    case ("kernel", "query"), ("kernel", "key"): deviation = kernel(1.4, inputs: shape[0])
    case ("kernel", "value"): deviation = kernel(1, inputs: shape[0])
    case ("kernel", "out"): deviation = kernel(0.7, inputs: shape[0] * shape[1])
    case ("kernel", "dense"):
      deviation = kernel(1.5, inputs: shape[0])
      spread = 0
    // Logits of deviation 3: neither flat nor certain.
    case ("kernel", "head"): deviation = kernel(5, inputs: shape[0])
    case ("kernel", _): deviation = kernel(1, inputs: shape[shape.count - 2])
    // Class token, positions and probe: as large as the embedded patches, so that tokens stay apart.
    default: (deviation, spread) = (0.7, 0)
    }
  }
}

extension SplitMix64 {
  /// Between -1 and 1.
  fileprivate mutating func uniform() -> Float { Float(Int64(bitPattern: next()) >> 40) * 0x1p-23 }

  /// Bell-shaped with mean 0 and deviation 1: the sum of four uniform numbers of 16 bits, whose variance is 2^32 / 3.
  fileprivate mutating func bell() -> Float {
    let bits = next()
    let sum = Int32(bits & 0xFFFF) + Int32(bits >> 16 & 0xFFFF) + Int32(bits >> 32 & 0xFFFF) + Int32(bits >> 48)
    return Float(sum - 131_070) * 2.642_9e-05
  }
}
