import E3Checkpoint
import E3Goldens
import E3Host
import E3Reference
import Testing

/// Largest absolute difference that float32 rounding may make, as the issue and the semantics state it.
let tolerance: Float = 1e-4

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
}

@Suite struct GoldenTests {
  @Test(
    "every golden value is reached in every form of the checkpoint: logits, probabilities, routing, all between",
    arguments: Goldens.cases)
  func allValues(_ golden: Goldens.Case) throws {
    let source = try SourceModel(
      checkpoint: golden.checkpoint, config: golden.config, options: ModelOptions(capacity: .config))
    let config = source.config
    let images = try NumpyArray(path: golden.inputs)
    let recorder = Recorder()
    let logits = try ReferenceModel(source).logits(images.values[...], count: images.shape[0], observer: recorder)
    let expectedLogits = try NumpyArray(path: #require(golden.expected("logits"))).values
    #expect(largestDifference(logits.values, expectedLogits) <= tolerance)

    func check(_ name: Intermediate, _ file: String) throws {
      guard let path = golden.expected(file) else { return }
      let expected = try NumpyArray(path: path).values
      let found = try #require(recorder.values[name])
      // The reference repeats the tokens before the first block with experts, the savings here after its attention.
      let repeats = expected.count / found.values.count
      let imageSize = found.values.count / images.shape[0]
      let values = (0..<images.shape[0]).flatMap { image in
        (0..<repeats).flatMap { _ in found.values[image * imageSize..<(image + 1) * imageSize] }
      }
      #expect(largestDifference(values, expected) <= tolerance, "\(file)")
    }
    try check(.patchEmbeddings, "patch_embeddings")
    try check(.embedded, "embedded")
    for index in 0..<config.layerCount {
      try check(.norm0(block: index), "block_\(index)_ln0")
      try check(.attention(block: index), "block_\(index)_attn")
      try check(.norm1(block: index), "block_\(index)_ln1")
      try check(.experts(block: index), "moe_\(index)_out")
      try check(.block(index), "block_\(index)")
      if let routing = recorder.routing[index] { try checkRouting(routing, block: index, golden) }
    }
    try check(.encoderOutput, "encoder_output")
    try check(.pooled, "pooled")
    try check(.representation, "pre_logits")
    try checkProbabilities(logits, config: config, golden)
  }

  private func checkRouting(_ routing: Routing, block: Int, _ golden: Goldens.Case) throws {
    func expected(_ name: String) throws -> [Float] {
      try NumpyArray(path: #require(golden.expected("moe_\(block)_\(name)"))).values
    }
    let logits = try expected("router_logits")
    #expect(largestDifference(routing.logits.values, logits) <= tolerance)
    #expect(largestDifference(routing.gates.values, try expected("gates")) <= tolerance)
    #expect(largestDifference(routing.weights.flatMap { $0 }, try expected("weight")) <= tolerance)

    let (experts, slots) = (try expected("expert"), try expected("slot"))
    let perMember = routing.logits.columns
    let count = routing.experts.first?.count ?? 0
    for (row, chosen) in routing.experts.enumerated() {
      let sorted = logits[row * perMember..<(row + 1) * perMember].sorted(by: >)
      let margin = (0..<min(count, perMember - 1)).map { sorted[$0] - sorted[$0 + 1] }.min() ?? .infinity
      guard margin > 1e-4 else { continue }
      #expect(chosen.map(Float.init) == Array(experts[row * count..<(row + 1) * count]), "block \(block) row \(row)")
      #expect(routing.slots?[row].map(Float.init) == Array(slots[row * count..<(row + 1) * count]), "row \(row)")
    }
  }

  private func checkProbabilities(_ logits: Matrix, config: ModelConfig, _ golden: Goldens.Case) throws {
    let predictions = stride(from: 0, to: logits.rows, by: config.memberCount).map { row in
      EnsembleAnswer(memberLogits: (row..<row + config.memberCount).map { Array(logits[$0]) })
    }
    let probabilities = try NumpyArray(path: #require(golden.expected("probs"))).values
    #expect(largestDifference(predictions.flatMap(\.probabilities), probabilities) <= tolerance)
    if let path = golden.expected("member_probs") {
      let found = predictions.flatMap { $0.memberProbabilities.flatMap { $0 } }
      #expect(largestDifference(found, try NumpyArray(path: path).values) <= tolerance)
    }
    if let path = golden.expected("pred") {
      #expect(predictions.map { Float($0.topClass) } == (try NumpyArray(path: path).values))
    }
  }
}
