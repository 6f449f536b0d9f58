import E3Goldens
import E3TestSupport
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Format
@testable import E3Host
@testable import E3Models
@testable import E3Reference

@Suite("Packing")
struct PackTests {
  @Test("every golden checkpoint packs, verifies and answers as the reference does", arguments: Goldens.cases)
  func goldens(_ golden: Goldens.Case) throws {
    let folder = try TemporaryFolder()
    let options = ModelOptions(capacity: try usesCapacity(golden) ? .reference : .none)
    try pack(
      checkpoint: golden.checkpoint, config: golden.config, output: folder["model.e3"],
      options: PackOptions(model: options))
    let packed = try verify(model: folder["model.e3"])
    guard let expected = golden.expected("probs") else { return }
    let probabilities = try NumpyArray(path: expected).values
    let images = try NumpyArray(path: golden.inputs)
    var session = try ModelSession(packed)
    let (count, classes) = (images.shape[0], packed.file.shape.classCount)
    var variation: Float = 0
    for image in 0..<count {
      let size = images.values.count / count
      let logits = try session.memberLogits(Array(images.values[image * size..<(image + 1) * size]))
      let found = EnsembleAnswer(memberLogits: logits)
      let reference = Array(probabilities[image * classes..<(image + 1) * classes])
      variation += zip(found.probabilities, reference).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
      let sorted = reference.sorted(by: >)
      if sorted.count > 1, sorted[0] - sorted[1] > 0.1 {
        #expect(reference[found.topClass] == sorted[0], "image \(image)")
      }
    }
    #expect(variation / Float(count) <= 0.07)
  }

  /// Whether the golden answers of a configuration were computed with dropped assignments, one image per group.
  private func usesCapacity(_ golden: Goldens.Case) throws -> Bool {
    let config = try SourceModel(
      checkpoint: golden.checkpoint, config: golden.config, options: ModelOptions(capacity: .config)
    ).config
    guard let capacity = config.experts?.capacity else { return false }
    return capacity.groupSize == config.tokenCount * config.memberCount
  }

  @Test("the same input gives the same bytes, whatever the folders are called")
  func reproducible() throws {
    let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
    for folder in [first, second] {
      let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
      try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"])
    }
    #expect(try first.bytes("model.e3") == second.bytes("model.e3"))
    #expect(first.names == ["config.json", "model.e3", "random.safetensors"], "no temporary file is left")
  }

  @Test("recipes: V-MoE and vit_jax have their own, options override them")
  func recipes() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    func packed(_ options: PackOptions) throws -> e3_file_config {
      try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: options)
      return try MappedModel(path: folder["model.e3"]).file.shape.config
    }
    let standard = try packed(PackOptions())
    #expect(standard.resize == 0 && standard.value_low == -1 && standard.value_high == 1)
    let crop = try packed(PackOptions(resize: .smallCrop(side: nil), value: .range(low: 0, high: 1)))
    #expect(crop.resize == 1 && crop.resize_height == 15 && crop.resize_width == 15 && crop.value_low == 0)
    let norm = try packed(
      PackOptions(resize: .stretchFloat, value: .norm(mean: [1, 2, 3], deviation: [4, 5, 6])))
    #expect(norm.resize == 2 && norm.value == 1 && norm.value_mean == (1, 2, 3) && norm.value_deviation == (4, 5, 6))
    #expect(Preprocessing.standard(for: .npz).resize == .stretchFloat)
    #expect(
      fault { _ = try packed(PackOptions(resize: .smallCrop(side: 12))) }?.hasSuffix(
        "config.json: --resize small-crop:12 is smaller than the image's 13 pixels") == true)
  }

  @Test("another image size resizes the position embedding")
  func imageSize() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    let options = PackOptions(model: ModelOptions(imageSize: (height: 20, width: 25)))
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: options)
    let shape = try verify(model: folder["model.e3"]).file.shape
    #expect(shape.gridHeight == 5 && shape.gridWidth == 4 && shape.tokenCount == 21)
  }

  @Test("a sparse model can be packed as an ensemble")
  func ensembleSize() throws {
    let folder = try TemporaryFolder()
    let sparse = SampleConfig.ensemble.replacing("VisionTransformerMoeEnsemble", with: "VisionTransformerMoe")
      .replacing("\"ensemble_size\":3,", with: "")
    let (checkpoint, config) = try folder.randomModel(sparse)
    let options = PackOptions(model: ModelOptions(ensembleSize: 2))
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: options)
    let shape = try verify(model: folder["model.e3"]).file.shape
    #expect(shape.memberCount == 2 && shape.expertsPerMember == 3)
  }

  @Test("capacity is stored as the reference computes it for one image")
  func capacity() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    let options = PackOptions(model: ModelOptions(capacity: .reference))
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: options)
    let shape = try verify(model: folder["model.e3"]).file.shape
    // ceil(21 * 2 * 1.0 / 6) = 7, rounded up to a multiple of 4.
    #expect(shape.capacityMode == .priority && shape.capacity == 8)
  }

  @Test("without blocks that have experts there is one member")
  func dense() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble.replacing("[0,2]", with: "[]"))
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"])
    let shape = try verify(model: folder["model.e3"]).file.shape
    #expect(shape.memberCount == 1 && shape.expertCount == 0 && shape.firstMoEBlock == nil)
  }

  @Test("labels are stored in order; files of other systems are read as well")
  func labels() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    for text in ["cat\ndog\nhen\nyak\nůň\n", "\u{FEFF}cat\r\ndog\r\nhen\r\nyak\r\nůň"] {
      let labels = try folder.write(text, to: "labels.txt")
      try pack(
        checkpoint: checkpoint, config: config, output: folder["model.e3"], options: PackOptions(labels: labels))
      let packed = try verify(model: folder["model.e3"])
      let texts = (0..<5).map { String(decoding: packed.file.label($0)!, as: UTF8.self) }
      #expect(texts == ["cat", "dog", "hen", "yak", "ůň"])
    }
  }

  @Test("the golden answer is part of the file, and a changed weight makes the self-test fail")
  func golden() throws {
    let folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"])
    let packed = try MappedModel(path: folder["model.e3"])
    #expect(packed.file.golden != nil)
    var bytes = try folder.bytes("model.e3")
    // The bias of the head: its extent's checksum and the table's are mended, so that only the answer tells.
    try bytes.write(Float(40), in: .head, at: 4 * 9 * 16)
    try folder.write(bytes, to: "changed.e3")
    let message = fault { try verify(model: folder["changed.e3"]) }
    #expect(message == "\(folder["changed.e3"]): \(E3Error.goldenMismatch.description)")
  }

  @Test("the same weights give the same bytes, whatever the form and the precision of their file")
  func sameBytes() throws {
    let folder = try TemporaryFolder()
    let same = "\(Goldens.libraryDirectory)/same"
    let files = [
      "float32.safetensors", "float16.safetensors", "bfloat16.safetensors", "float32.pt", "bfloat16.pt", "state.pt",
    ]
    let packed = try files.map { file in
      try pack(checkpoint: "\(same)/\(file)", output: folder["same.e3"])
      return try folder.bytes("same.e3")
    }
    for (file, bytes) in zip(files, packed) { #expect(bytes == packed[0], "\(file)") }
  }

  @Test("a folder of another library packs with its recipe and its labels")
  func libraryFolder() throws {
    let folder = try TemporaryFolder()
    var notes: [String] = []
    try pack(
      checkpoint: "\(Goldens.libraryDirectory)/hf_ViTForImageClassification", output: folder["hf.e3"],
      note: { notes.append($0) })
    let model = try MappedModel(path: folder["hf.e3"])
    #expect(model.labels == (0..<5).map { "kind \($0)" })
    #expect(model.file.shape.valueBounds == (-1, 1) && notes.count == 1, "\(notes)")
  }
}
