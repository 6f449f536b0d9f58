import E3Checkpoint
import E3Goldens
import E3Host
import E3Reference
import E3TestSupport
import Testing

@Suite("Models of other libraries") struct LibraryTests {
  /// Logits of the checkpoint at `path`.
  private func logits(_ path: String, config: String? = nil, inputs: String) throws -> [Float] {
    let source = try SourceModel(checkpoint: path, config: config)
    let images = try ImageTensor(path: inputs, for: source.config)
    return try ReferenceModel(source).logits(images.values[...], count: images.count).values
  }

  @Test("logits are those of PyTorch, of a deviation of 2 to 3, to 1e-4", arguments: Goldens.libraryModels)
  func sameLogits(_ model: Goldens.LibraryModel) throws {
    let expected = try NumpyArray(path: model.logits).values
    let mean = expected.reduce(0, +) / Float(expected.count)
    let deviation = (expected.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(expected.count)).squareRoot()
    #expect((2...3).contains(deviation))
    #expect(largestDifference(try logits(model.folder, inputs: model.inputs), expected) <= tolerance)
  }

  @Test("there are at least ten architectures")
  func count() { #expect(Goldens.libraryModels.count >= 10) }

  @Test("the names of newer versions in memory give the same as those in files")
  func memoryNames() throws {
    let folder = "\(Goldens.libraryDirectory)/hf_Dinov2ForImageClassification"
    let inputs = "\(Goldens.libraryDirectory)/inputs.npy"
    #expect(
      try logits("\(folder)/memory.pt", inputs: inputs) == logits("\(folder)/model.safetensors", inputs: inputs))
  }

  @Test("npz of big_vision: a training state and blocks stacked by scan give what the plain file gives")
  func bigVision() throws {
    let plain = "\(Goldens.smallDirectory)/vit_token"
    let expected = try NumpyArray(path: "\(plain)/expected/logits.npy").values
    for name in ["train", "stacked"] {
      let found = try logits(
        "\(Goldens.libraryDirectory)/big_vision/\(name).npz", config: "\(plain)/config.json",
        inputs: "\(plain)/inputs.npy")
      #expect(largestDifference(found, expected) <= tolerance, "\(name)")
    }
  }

  @Test("epsilon, activation and pooling are not what is left when the configuration is")
  func defaults() throws {
    let dinov2 = try SourceModel(
      checkpoint: "\(Goldens.libraryDirectory)/hf_Dinov2WithRegistersForImageClassification", config: nil)
    #expect(dinov2.config.classifier == .tokenAndPatchMean && dinov2.config.registerCount == 4)
    #expect(dinov2.config.activation == .gelu && dinov2.config.normEpsilon == 1e-6)
    let vit = try SourceModel(checkpoint: "\(Goldens.libraryDirectory)/hf_ViTForImageClassification", config: nil)
    #expect(vit.config.normEpsilon == 1e-12 && vit.config.classifier == .token)
    let siglip = try SourceModel(
      checkpoint: "\(Goldens.libraryDirectory)/timm_vit_base_patch32_siglip_gap_256", config: nil)
    #expect(siglip.config.activation == .geluTanh && siglip.config.classifier == .patchMean)
    #expect(siglip.config.finalNorm == .beforePooling && !siglip.config.hasClassToken)
    let distilled = try SourceModel(
      checkpoint: "\(Goldens.libraryDirectory)/timm_deit_tiny_distilled_patch16_224/model_best.pth.tar", config: nil)
    #expect(distilled.config.classifier == .tokenPair && distilled.config.headInputSize == 32)
  }
}
