import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Reference

/// Random weights must exercise a model as trained ones do, or figures measured with them mean little.
@Suite("Random weights in a forward pass")
struct RandomRoutingTests {
  private final class Recorder: ForwardObserver {
    var routing: [Int: [[Int]]] = [:]
    var deviations: [Int: Float] = [:]

    func observe(_ name: Intermediate, _ values: Matrix) {
      guard case .block(let index) = name else { return }
      let squares = values.values.reduce(0) { $0 + $1 * $1 }
      deviations[index] = (squares / Float(values.values.count)).squareRoot()
    }

    func observe(_ routing: Routing, block: Int) { self.routing[block] = routing.experts }
  }

  @Test("tokens spread over the experts, activations keep their size, logits tell classes apart")
  func behaviour() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(
      """
      {"name":"VisionTransformerMoeEnsemble","image_size":[96,96],"num_classes":50,"patch_size":[16,16],
       "hidden_size":128,"classifier":"token","representation_size":128,"encoder":{"num_layers":6,"num_heads":4,
       "mlp_dim":512,"moe":{"num_experts":8,"layers":[3,5],"ensemble_size":2,"router":{"num_selected_experts":1}}}}
      """)
    let recorder = Recorder()
    let model = ReferenceModel(try SourceModel(checkpoint: checkpoint, config: config))
    var random = SplitMix(state: 1)
    let images = (0..<(4 * 96 * 96 * 3)).map { _ in random.float }
    let logits = try model.logits(images[...], count: 4, observer: recorder)
    for (block, deviation) in recorder.deviations { #expect((0.5...5).contains(deviation), "block \(block)") }
    for (block, experts) in recorder.routing {
      var counts = [Int](repeating: 0, count: 8)
      for expert in experts.joined() { counts[expert] += 1 }
      #expect(counts.allSatisfy { (1..<126).contains($0) }, "block \(block): \(counts) of 148 tokens for each member")
    }
    for row in 0..<logits.rows {
      let mean = logits[row].reduce(0, +) / 50
      #expect((2...12).contains((logits[row].max() ?? 0) - mean))
    }
  }
}
