import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Format

@Suite("Channels between a norm and its readers")
struct ChannelScalesTests {
  @Test(
    "a channel that a norm makes larger and its readers take back is packed as if nothing had been",
    arguments: [64, 1 / 256], [SampleConfig.ensemble, SampleConfig.map])
  func outlier(factor: Float, config: String) throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(config)
    let source = try SourceModel(checkpoint: checkpoint, config: config)
    let map = source.config.classifier == .map
    var norms: [NormNames] = map ? [ParameterNames.encoderNorm, ParameterNames.mapNorm] : []
    // Kernels with the channel first, and those of experts, with the expert before it.
    var readers =
      map
      ? [ParameterNames.mapAttention.key, ParameterNames.mapAttention.value, ParameterNames.mapMLP.dense0].map(\.kernel)
      : []
    var ofExperts: [String] = []
    for index in 0..<source.config.layerCount {
      let block = ParameterNames.block(index)
      norms += [block.norm0, block.norm1]
      readers += [block.attention.query, block.attention.key, block.attention.value].map(\.kernel)
      readers += [block.mlp.dense0.kernel, block.router]
      ofExperts.append(block.experts.dense0.kernel)
    }
    let parameters = norms.flatMap { [$0.scale, $0.bias] }
    let edited = try folder.editedCheckpoint(checkpoint) { name, shape, values in
      guard let name else { return }
      func multiply(_ channel: Int, of count: Int, in range: Range<Int>, by factor: Float) {
        let width = range.count / count
        for index in range.lowerBound + channel * width..<range.lowerBound + (channel + 1) * width {
          values[index] *= factor
        }
      }
      if parameters.contains(name) { multiply(7, of: shape[0], in: values.indices, by: factor) }
      if readers.contains(name) { multiply(7, of: shape[0], in: values.indices, by: 1 / factor) }
      if ofExperts.contains(name) {
        for expert in 0..<shape[0] {
          let size = values.count / shape[0]
          multiply(7, of: shape[1], in: expert * size..<(expert + 1) * size, by: 1 / factor)
        }
      }
    }
    try pack(checkpoint: checkpoint, config: config, output: folder["plain.e3"])
    try pack(checkpoint: edited, config: config, output: folder["edited.e3"])
    let (plain, other) = (try folder.bytes("plain.e3"), try folder.bytes("edited.e3"))
    for index in 0..<Int(plain.header.extent_count) where plain[extent: index].kind < UInt32(ExtentKind.labels.rawValue)
    {
      #expect(plain[extent: index].checksum == other[extent: index].checksum, "kind \(plain[extent: index].kind)")
    }
  }

  @Test("factors are powers of two, and 1 for channels that are not far from the others")
  func factors() {
    let scales = ChannelScales(
      normScale: [1, 2, 100, 1, 0.001, 0, 1], normBias: [0, 0, 100, 0.1, 0, 0, 0],
      weightSquares: [1, 0.5, 0.01, 1, 4, 1, 0])
    #expect(scales.factors[0] == 1 && scales.factors[1] == 1 && scales.factors[3] == 1)
    #expect(scales.factors[2] >= 8 && scales.factors[4] <= 1.0 / 8)
    #expect(scales.factors[5] == 1 && scales.factors[6] == 1, "nothing to compare")
    #expect(scales.factors.allSatisfy { $0.significand == 1 })
    let weights: [Float] = (0..<14).map { Float($0) + 0.3 }
    let back = scales.multiplying(weights).indices.map { scales.multiplying(weights)[$0] / scales.factors[$0 / 2] }
    #expect(back == weights)
  }
}
