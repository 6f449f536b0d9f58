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

  @Test("a layer answers scaled rows as it answers the rows")
  func offsets() {
    var rows = ChannelMoments(width: 3)
    for row in [[1, -4, 0], [3, -4.5, 0], [5, -5, 0]] as [[Float]] { rows.add(row[...]) }
    let spread = ChannelSpread(around: rows.means, rows)
    #expect(spread.offsets == [3, -4.5, 0])
    for (square, expected) in zip(spread.squares, [8.0 / 3, 0.5 / 3, 0]) { #expect(abs(square - expected) < 1e-12) }
    let scales = ChannelScales(spread, weightSquares: [1, 4, 1])
    #expect(scales.offsets == spread.offsets && scales.factors[2] == 1)
    let weights: [Float] = [0.5, -1, 2, 0.25, 7, 3]
    let row: [Float] = [4, -4.25, 1]
    let (scaled, bias) = (scales.shifting(row), scales.restoring([1, 2], of: weights))
    for output in 0..<2 {
      let expected = (0..<3).reduce(Float(output + 1)) { $0 + row[$1] * weights[$1 * 2 + output] }
      let answer = (0..<3).reduce(bias[output]) { $0 + scaled[$1] * scales.multiplying(weights)[$1 * 2 + output] }
      #expect(abs(answer - expected) < 1e-5)
    }
  }

  @Test("offsets are nearer to the pooled token the later the block, and that token's own where no other is read")
  func pooledToken() {
    var (first, others) = (ChannelMoments(width: 1), ChannelMoments(width: 1))
    for value in [4, 6] as [Float] { first.add([value]) }
    for value in [-1, 0, 1] as [Float] { others.add([value]) }
    let shares = (0..<12).map { ChannelSpread.share(block: $0, of: 12) }
    #expect(shares == shares.sorted() && shares[0] == 1.0 / 33 && shares[11] == 0.8)
    #expect(ChannelSpread.share(block: 0, of: 1) == 0.8)
    let both = ChannelSpread(first: first, others: others, share: 0.5, firstOnly: false)
    #expect(both.offsets == [2.5] && abs(both.squares[0] - (7.25 + 6.25 + 2.0 / 3) / 2) < 1e-12)
    let alone = ChannelSpread(first: first, others: others, share: 0.5, firstOnly: true)
    #expect(alone.offsets == [5] && abs(alone.squares[0] - (1 + 2.0 / 3) / 2) < 1e-12)
    let single = ChannelSpread(first: first, others: ChannelMoments(width: 1), share: 0.5, firstOnly: false)
    #expect(single.offsets == [5] && single.squares == [1])
  }
}
