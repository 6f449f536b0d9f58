import E3TestSupport
import Testing
@testable import E3Checkpoint

@Suite("Random weights")
struct RandomWeightsTests {
  @Test("a seed gives the same bytes, another seed gives others")
  func seeds() throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(SampleConfig.ensemble, to: "config.json")
    for (name, seed) in [("a", 3), ("b", 3), ("c", 4)] as [(String, UInt64)] {
      try writeRandomWeights(config: config, output: folder["\(name).safetensors"], seed: seed)
    }
    #expect(try folder.bytes("a.safetensors") == folder.bytes("b.safetensors"))
    #expect(try folder.bytes("a.safetensors") != folder.bytes("c.safetensors"))
  }

  @Test("kernels are bell-shaped around zero with a deviation of one over the root of their inputs")
  func statistics() throws {
    let folder = try TemporaryFolder()
    let wide = SampleConfig.map.replacing("\"hidden_size\":12", with: "\"hidden_size\":256")
      .replacing("\"mlp_dim\":16", with: "\"mlp_dim\":512")
    let (path, _) = try folder.randomModel(wide)
    let values = try Checkpoint(path: path).read("Encoder/encoderblock_0/Mlp/Dense_0/kernel")
    let mean = values.reduce(0, +) / Float(values.count)
    let deviation = (values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot()
    #expect(abs(mean) < 0.001)
    #expect((0.9...1.15).contains(deviation * 16), "\(deviation)")
  }

  @Test("a configuration that leaves a size open is refused, without an output")
  func openConfiguration() throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(
      SampleConfig.map.replacing("\"hidden_size\":12,", with: ""), to: "config.json")
    let message = fault { try writeRandomWeights(config: config, output: folder["random.safetensors"]) }
    #expect(message == "\(config): hidden_size is missing")
    #expect(folder.names == ["config.json"])
  }
}
