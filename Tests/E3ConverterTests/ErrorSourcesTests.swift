import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Evaluation
@testable import E3Format
@testable import E3Host
@testable import E3Models
@testable import E3Reference

/// Where compare says that int8 loses.
@Suite("Sources of errors")
struct ErrorSourcesTests {
  private static let dense = """
    {"name":"VisionTransformer","image_size":[16,16],"num_classes":8,"patch_size":[4,4],"hidden_size":32,
     "classifier":"gap","encoder":{"num_layers":3,"num_heads":2,"mlp_dim":64}}
    """

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tensor(of model: MappedModel, count: Int) throws -> String {
    let shape = model.file.shape
    let values = (0..<count * shape.imageValues).map { index -> Float in Float((index * 7919) % 2001) / 1000 - 1 }
    try NumpyArray.write(
      values, shape: [count, shape.imageHeight, shape.imageWidth, shape.channels], path: folder["images.npy"])
    return folder["images.npy"]
  }

  @Test(
    "rows rounded in float give what the runtime gives",
    arguments: [
      Self.dense, SampleConfig.ensemble.replacing("\"representation_size\":9,", with: ""),
    ])
  func simulation(_ config: String) throws {
    let model = try folder.randomModel(config)
    try pack(checkpoint: model.checkpoint, config: model.config, output: folder["model.e3"])
    let packed = try MappedModel(path: folder["model.e3"])
    let source = try SourceModel(
      checkpoint: model.checkpoint, config: model.config, options: packed.file.shape.modelOptions)
    let images = try ImageTensor(path: tensor(of: packed, count: 4), for: source.config)
    let shape = packed.file.shape
    let steps = EncoderSteps(PackedParameters(source: source, packed: packed, network: 0))
    let rounding = RowRounding(
      Set(RowRounding.Source.allCases), headSize: shape.headSize, tokenCount: shape.tokenCount)
    func passed(_ steps: EncoderSteps, _ visitor: (any RowVisitor)?) throws -> Matrix {
      var x = try steps.embedded(images.values[...], count: 4, visitor: visitor)
      for block in 0..<shape.layerCount { x = try steps.block(block, x, images: 4, visitor: visitor) }
      return x
    }
    let (float, simulated) = (try passed(EncoderSteps(source), nil), try passed(steps, rounding))
    #expect(float != simulated)
    // What follows the blocks is float in both.
    var session = try ModelSession(packed)
    var (away, beside) = (0.0, 0.0)
    for image in 0..<4 {
      let runtime = try session.memberLogits(Array(images[image])).joined()
      let sequences = float.rows / 4
      for (encoder, isFloat) in [(float, true), (simulated, false)] {
        let rows = Matrix(
          rows: sequences, columns: encoder.columns,
          values: (0..<sequences).flatMap { encoder[image * sequences + $0] })
        let logits = try ReferenceModel(source).head(rows, images: 1, observer: nil, visitor: nil).values
        let distance = zip(runtime, logits).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        if isFloat { away += distance } else { beside += distance }
      }
    }
    // In the ensemble's last block, of which one token is read, the runtime rounds other rows.
    #expect(beside < away / 10, "\(beside) and \(away)")
  }

  @Test("a block with one very large hidden value is named, and a sound model has no warning")
  func named() throws {
    let model = try folder.randomModel(Self.dense)
    try pack(checkpoint: model.checkpoint, config: model.config, output: folder["model.e3"])
    let images = try tensor(of: MappedModel(path: folder["model.e3"]), count: 10)
    let sound = try compare(
      checkpoint: model.checkpoint, config: model.config, model: folder["model.e3"], tensor: images)
    #expect(sound.warnings.isEmpty)
    #expect(sound.sources.map(\.images) == [8] && sound.sources.first?.blocks.count == 4)
    let (kernel, bias) = ("Encoder/encoderblock_1/Mlp/Dense_0/kernel", "Encoder/encoderblock_1/Mlp/Dense_0/bias")
    let edited = try folder.editedCheckpoint(model.checkpoint) { name, _, values in
      if name == kernel { for input in 0..<32 { values[input * 64 + 5] *= 2000 } }
      if name == bias { values[5] = 3000 }
      if name == "Encoder/encoderblock_1/Mlp/Dense_1/kernel" {
        for output in 0..<32 { values[5 * 32 + output] /= 5000 }
      }
    }
    try pack(checkpoint: edited, config: model.config, output: folder["edited.e3"])
    let found = try compare(checkpoint: edited, config: model.config, model: folder["edited.e3"], tensor: images)
    #expect(found.warnings.contains { $0.hasPrefix("block 1: hidden rounded to int8 is only ") }, "\(found.warnings)")
    let quietest = found.sources.first?.blocks.flatMap(\.decibels).min { $0.value < $1.value }
    #expect(quietest?.source == "hidden")
  }

  @Test("routers have margins and flips, and every source a number")
  func routers() throws {
    let ensemble = SampleConfig.ensemble.replacing("\"num_selected_experts\":2", with: "\"num_selected_experts\":1")
    let model = try folder.randomModel(ensemble)
    try pack(checkpoint: model.checkpoint, config: model.config, output: folder["model.e3"])
    let images = try tensor(of: MappedModel(path: folder["model.e3"]), count: 3)
    let sources = try #require(
      compare(checkpoint: model.checkpoint, config: model.config, model: folder["model.e3"], tensor: images).sources
        .first)
    #expect(sources.blocks.map { $0.router != nil } == [false, true, false, true])
    for router in sources.blocks.compactMap(\.router) {
      #expect(router.smallestMargin >= 0 && router.smallestMargin <= router.percentileMargin)
      #expect(router.percentileMargin < 1 && (0..<0.5).contains(router.flipped))
    }
    for block in sources.blocks {
      #expect(block.decibels.allSatisfy { $0.value > 10 } && block.all <= (block.decibels.map(\.value).min() ?? 0) + 3)
    }
    #expect(sources.text.contains("probabilities") && sources.json.description.contains("\"percentile_margin\""))
  }
}
