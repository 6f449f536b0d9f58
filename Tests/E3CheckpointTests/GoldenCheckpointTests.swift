import E3Checkpoint
import E3Goldens
import Testing

struct GoldenCheckpointTests {
  @Test("every golden checkpoint, in every form, gives every tensor of its configuration", arguments: Goldens.cases)
  func everyTensor(_ golden: Goldens.Case) throws {
    let model = try SourceModel(checkpoint: golden.checkpoint, config: golden.config)
    for parameter in model.config.parameters {
      let values = try model.values(of: parameter.name)
      #expect(values.count == parameter.shape.reduce(1, *))
      let first = parameter.shape[0]
      let slices = try (0..<first).flatMap { try model.values(of: parameter.name, at: $0) }
      if first <= 16 { #expect(slices == values) }
    }
  }

  @Test("all forms of one checkpoint hold the same values")
  func sameValues() throws {
    let groups = Dictionary(grouping: Goldens.cases) { $0.folder }
    for cases in groups.values {
      let models = try cases.map { try SourceModel(checkpoint: $0.checkpoint, config: $0.config) }
      for parameter in models[0].config.parameters {
        let values = try models[0].values(of: parameter.name)
        for model in models.dropFirst() { #expect(try model.values(of: parameter.name) == values, "\(parameter.name)") }
      }
    }
  }
}
