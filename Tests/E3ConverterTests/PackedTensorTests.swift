import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Format
@testable import E3Host
@testable import E3Models
@testable import E3Reference

/// Every extent of a packed file holds its tensor, in the place and layout that FORMAT.md says.
@Suite("Packed tensors")
struct PackedTensorTests {
  private let folder: TemporaryFolder
  private let source: SourceModel
  private let packed: MappedModel
  private var file: ModelFile { packed.file }
  private var shape: ModelShape { packed.file.shape }

  init() throws {
    folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"])
    source = try SourceModel(checkpoint: checkpoint, config: config)
    packed = try MappedModel(path: folder["model.e3"])
  }

  private func expectEqual(_ view: LinearView, _ names: LinearNames, expert: Int? = nil) throws {
    let kernel = try expert.map { try source.values(of: names.kernel, at: $0) } ?? source.values(of: names.kernel)
    let bias = try expert.map { try source.values(of: names.bias, at: $0) } ?? source.values(of: names.bias)
    let decoded = DecodedLinear(view)
    for input in 0..<(kernel.count / bias.count) {
      for output in bias.indices {
        #expect(decoded.matches(kernel[input * bias.count + output], input: input, output: output))
      }
    }
    #expect(Array(decoded.bias[..<bias.count]) == bias)
  }

  @Test("patch embedding and representation layer are the checkpoint's, to half a step")
  func plainLayers() throws {
    try expectEqual(file.linear(.patchEmbedding), ParameterNames.embedding)
    try expectEqual(file.linear(.preLogits), ParameterNames.preLogits)
  }

  @Test("a dense block has its MLP, a MoE block all experts in order")
  func mlps() throws {
    let names = ParameterNames.block(1).mlp
    try expectEqual(file.mlp(block: 1).expand, names.dense0)
    try expectEqual(file.mlp(block: 1).contract, names.dense1)
    for block in [0, 2] {
      for expert in 0..<6 {
        let names = ParameterNames.block(block).experts
        try expectEqual(file.expert(block: block, index: expert).expand, names.dense0, expert: expert)
        try expectEqual(file.expert(block: block, index: expert).contract, names.dense1, expert: expert)
      }
    }
  }

  @Test("queries, keys and values lie head by head, each head padded to sixteen columns")
  func queryKeyValue() throws {
    let names = ParameterNames.block(1).attention
    let decoded = DecodedLinear(file.linear(.queryKeyValue, block: 1))
    for (part, projection) in [names.query, names.key, names.value].enumerated() {
      let kernel = try source.values(of: projection.kernel)  // [15][3][5]
      let bias = try source.values(of: projection.bias)
      for head in 0..<3 {
        for column in 0..<16 {
          let output = part * 48 + head * 16 + column
          for input in 0..<15 {
            let expected = column < 5 ? kernel[input * 15 + head * 5 + column] : 0
            #expect(decoded.matches(expected, input: input, output: output))
          }
          #expect(decoded.bias[output] == (column < 5 ? bias[head * 5 + column] : 0))
        }
      }
    }
  }

  @Test("the output projection has sixteen inputs for each head")
  func attentionOutput() throws {
    let names = ParameterNames.block(2).attention.out
    let kernel = try source.values(of: names.kernel)  // [3][5][15]
    let decoded = DecodedLinear(file.linear(.attentionOutput, block: 2))
    for input in 0..<48 {
      for output in 0..<15 {
        let expected = input % 16 < 5 ? kernel[(input / 16 * 5 + input % 16) * 15 + output] : 0
        #expect(decoded.matches(expected, input: input, output: output))
      }
    }
    #expect(Array(decoded.bias[..<15]) == (try source.values(of: names.bias)))
  }

  @Test("routers are dealt to members; norms, head and positions are stored as they are")
  func floats() throws {
    let router = try source.values(of: ParameterNames.block(2).router)  // [15][3][2]
    for member in 0..<3 {
      let view = file.router(block: 2, member: member)
      for input in 0..<15 {
        let row = (0..<16).map { view.panels[input * 16 + $0] }
        #expect(
          row == [router[input * 6 + member * 2], router[input * 6 + member * 2 + 1]] + [Float](repeating: 0, count: 14)
        )
      }
    }
    let norm = file.floats(.norm1, block: 0)
    #expect((0..<15).map { norm[$0] } == (try source.values(of: ParameterNames.block(0).norm1.scale)))
    #expect((0..<15).map { norm[16 + $0] } == (try source.values(of: ParameterNames.block(0).norm1.bias)))

    let head = try source.values(of: ParameterNames.head.kernel)  // [9][5]
    #expect((0..<9).allSatisfy { i in (0..<5).allSatisfy { file.head.panels[i * 16 + $0] == head[i * 5 + $0] } })
    let bias = try #require(file.head.bias)
    #expect((0..<5).map { bias[$0] } == (try source.values(of: ParameterNames.head.bias)))

    let positions = try source.values(of: ParameterNames.positionEmbedding)  // [1][7][15]
    let token = try source.values(of: ParameterNames.classToken)
    let table = file.floats(.positionEmbedding)
    for row in 0..<7 {
      for i in 0..<15 { #expect(table[row * 16 + i] == positions[row * 15 + i] + (row == 0 ? token[i] : 0)) }
    }
  }

  @Test("the map head's query is the normalised projection of its probe")
  func mapQuery() throws {
    let (checkpoint, config) = try folder.randomModel(SampleConfig.map)
    try pack(checkpoint: checkpoint, config: config, output: folder["map.e3"])
    let source = try SourceModel(checkpoint: checkpoint, config: config)
    let packed = try MappedModel(path: folder["map.e3"])
    let names = ParameterNames.mapAttention
    let probe = try source.values(of: ParameterNames.mapProbe)
    let kernel = try source.values(of: names.query.kernel)
    let bias = try source.values(of: names.query.bias)
    let scale = try source.values(of: names.queryNorm)
    for head in 0..<2 {
      let query = (0..<6).map { d in
        (0..<12).reduce(bias[head * 6 + d]) { $0 + probe[$1] * kernel[$1 * 12 + head * 6 + d] }
      }
      let mean = query.reduce(0, +) / 6
      let variance = query.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 6
      for d in 0..<6 {
        let expected = (query[d] - mean) / (variance + 1e-6).squareRoot() * scale[d]
        #expect(abs(packed.file.floats(.mapQuery)[head * 16 + d] - expected) < 1e-4)
      }
    }
  }
}
