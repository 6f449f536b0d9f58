import E3Goldens
import Testing

@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Reference

@Suite("Compare")
struct CompareTests {
  private func golden(_ name: String) throws -> Goldens.Case {
    try #require(Goldens.cases.first { $0.name == name })
  }

  @Test("a packed model is near its checkpoint")
  func near() throws {
    let folder = try TemporaryFolder()
    let golden = try golden("e3_token/e3_token.safetensors")
    try pack(checkpoint: golden.checkpoint, config: golden.config, output: folder["model.e3"])
    let comparison = try compare(
      checkpoint: golden.checkpoint, config: golden.config, model: folder["model.e3"], tensor: golden.inputs)
    #expect(comparison.images == 3)
    #expect(comparison.meanTotalVariation <= 0.07 && comparison.maxLogitDifference > 0)
    #expect(comparison.meanLogitDifference <= comparison.maxLogitDifference)
    #expect(comparison.topAgreement == 1 - Float(comparison.disagreeing.count) / 3)
  }

  @Test("a model of another shape, and a tensor of another size, are refused")
  func refused() throws {
    let folder = try TemporaryFolder()
    let packed = try golden("e3_token/e3_token.safetensors")
    try pack(checkpoint: packed.checkpoint, config: packed.config, output: folder["model.e3"])
    let other = try golden("vmoe_map/vmoe_map.safetensors")
    let message = fault {
      _ = try compare(
        checkpoint: other.checkpoint, config: other.config, model: folder["model.e3"], tensor: other.inputs)
    }
    #expect(message != nil)
    let larger = try golden("vmoe_first/vmoe_first.safetensors").inputs
    let tensor = fault {
      _ = try compare(
        checkpoint: packed.checkpoint, config: packed.config, model: folder["model.e3"], tensor: larger)
    }
    #expect(tensor?.contains("\(larger): shape") == true)
  }

  @Test("differences are measured as defined")
  func definition() {
    let reference = [Prediction(memberLogits: [[0, 0], [0, 0]]), Prediction(memberLogits: [[9, 0], [9, 0]])]
    let int8 = [Prediction(memberLogits: [[0, 1], [0, 0]]), Prediction(memberLogits: [[0, 9], [0, 9]])]
    let comparison = Comparison(reference: reference, int8: int8)
    #expect(comparison.maxLogitDifference == 9)
    #expect(comparison.meanLogitDifference == 37.0 / 8)
    #expect(comparison.disagreeing == [0, 1])
    #expect(abs(comparison.maxTotalVariation - 0.99975) < 1e-4)
  }
}
