import E3Checkpoint
import E3Goldens
@testable import E3Host
@testable import E3Reference
import E3TestSupport
import Testing

@Suite struct BehaviourTests {
  private static let small = "\(Goldens.smallDirectory)/e3_token"

  /// Opens a golden with `old` replaced by `new` in its configuration.
  private func open(
    _ folder: String, checkpoint: String, replacing old: String = "", with new: String = "",
    options: ModelOptions = ModelOptions()
  ) throws -> ReferenceModel {
    var text = try String(contentsOfFile: "\(folder)/config.json", encoding: .utf8)
    if !old.isEmpty {
      try #require(text.contains(old))
      text = text.replacing(old, with: new)
    }
    let edited = try TemporaryFolder()
    let config = try edited.write(text, to: "config.json")
    return ReferenceModel(try SourceModel(checkpoint: "\(folder)/\(checkpoint)", config: config, options: options))
  }

  @Test(
    "rounding by the bfloat16 dispatcher gives the reference's logits",
    .enabled(if: Goldens.areThere, Comment(rawValue: Goldens.skipped)),
    arguments: ["eee_tiny_k1_m2", "eee_tiny_k2_m2", "vmoe_tiny_k2"])
  func bfloat16Dispatcher(_ name: String) throws {
    let folder = "\(Goldens.directory ?? "")/\(name)"
    let model = try open(
      folder, checkpoint: "release/\(name)", replacing: "\"bfloat16\": false", with: "\"bfloat16\": true")
    let images = try NumpyArray(path: "\(folder)/inputs.npy")
    let found = try model.logits(images.values[...], count: images.shape[0]).values
    let expected = try NumpyArray(path: "\(folder)/expected/logits_bf16_dispatcher.npy").values
    // Single values may round to the other side, which moves a logit by up to 4e-3; most must not.
    let differences = zip(found, expected).map { abs($0 - $1) }.sorted()
    #expect(differences[differences.count / 2] <= 1e-5 && differences[differences.count - 1] <= 1e-2)
    let plain = try NumpyArray(path: "\(folder)/expected/logits.npy").values
    #expect(largestDifference(found, plain) > 1e-4)
  }

  @Test("with frame semantics an image has the same answer alone and in company")
  func framesAreIndependent() throws {
    let folder = "\(Goldens.smallDirectory)/e3_groups"
    let model = try open(folder, checkpoint: "e3_groups.safetensors")
    let images = try NumpyArray(path: "\(folder)/inputs.npy")
    let together = try model.logits(images.values[...], count: 4)
    let size = images.values.count / 4
    for image in 0..<4 {
      let alone = try model.logits(images.values[image * size..<(image + 1) * size], count: 1)
      let members = (0..<3).flatMap { together[image * 3 + $0] }
      #expect(largestDifference(alone.values, members) <= 1e-5)
    }
  }

  @Test("capacity drops tokens that frame semantics keeps, and groups of several images drop others")
  func capacityModes() throws {
    let folder = "\(Goldens.smallDirectory)/e3_groups"
    let images = try NumpyArray(path: "\(folder)/inputs.npy")
    var answers: [[Float]] = []
    for mode in ModelOptions.CapacityMode.allCases {
      let model = try open(folder, checkpoint: "e3_groups.safetensors", options: ModelOptions(capacity: mode))
      answers.append(try model.logits(images.values[...], count: 4).values)
    }
    #expect(answers[0] != answers[1] && answers[1] != answers[2] && answers[0] != answers[2])
    let expected = try NumpyArray(path: "\(folder)/expected/logits.npy").values
    #expect(largestDifference(answers[2], expected) <= tolerance)
  }

  @Test("a group that does not divide the tokens is refused")
  func partialGroup() throws {
    let folder = "\(Goldens.smallDirectory)/e3_groups"
    let model = try open(folder, checkpoint: "e3_groups.safetensors", options: ModelOptions(capacity: .config))
    let images = try NumpyArray(path: "\(folder)/inputs.npy")
    let error = try #require(throws: FileError.self) {
      try model.logits(images.values[..<(images.values.count / 4 * 3)], count: 3)
    }
    #expect(error.problem.contains("36 tokens of 3 images do not divide into groups of 24"), "\(error)")
  }

  @Test("a V-MoE viewed as an ensemble routes each member to its own experts")
  func ensembleView() throws {
    let folder = "\(Goldens.smallDirectory)/vmoe_first"
    let model = try open(
      folder, checkpoint: "vmoe_first", options: ModelOptions(ensembleSize: 2))
    let images = try NumpyArray(path: "\(folder)/inputs.npy")
    let recorder = Recorder()
    let logits = try model.logits(images.values[...], count: 3, observer: recorder)
    #expect(logits.rows == 6)
    let routing = try #require(recorder.routing[1])
    for (row, experts) in routing.experts.enumerated() {
      // K = 2 of Em = 2: member 0 has experts 0 and 1, member 1 has 2 and 3.
      let member = row / model.config.tokenCount % 2
      #expect(experts.sorted() == [2 * member, 2 * member + 1])
    }
    // The router's columns are those of the plain model: all gates of one token together order its experts alike.
    let plain = try open(folder, checkpoint: "vmoe_first")
    let plainRecorder = Recorder()
    _ = try plain.logits(images.values[...], count: 3, observer: plainRecorder)
    let all = try #require(plainRecorder.routing[1]).logits
    let tokens = model.config.tokenCount
    for row in 0..<routing.logits.rows {
      let (image, member) = (row / tokens / 2, row / tokens % 2)
      let columns = Array(all[image * tokens + row % tokens])[2 * member..<2 * member + 2]
      #expect(largestDifference(Array(routing.logits[row]), Array(columns)) <= 1e-5)
    }
  }

  @Test("a learned position embedding resized to another image size gives an answer for it")
  func resizedImage() throws {
    let model = try open(
      Self.small, checkpoint: "e3_token", options: ModelOptions(imageSize: (height: 20, width: 16)))
    let values: [Float] = (0..<960).map { (index: Int) -> Float in Float(index % 17) / 8.5 - 1 }
    let logits = try model.logits(values[...], count: 1)
    #expect(logits.rows == 2 && logits.values.allSatisfy { $0.isFinite })
  }

  @Test("uncertainty is split into what the members share and where they differ")
  func uncertainty() {
    let sure: [Float] = [30, 0, 0]
    let agreeing = EnsembleAnswer(memberLogits: [sure, sure])
    #expect(agreeing.totalEntropy < 1e-6 && agreeing.mutualInformation < 1e-6 && agreeing.disagreement == 0)
    let opposed = EnsembleAnswer(memberLogits: [[30, 0, 0], [0, 30, 0], [30, 0, 0]])
    #expect(opposed.expectedEntropy < 1e-6 && abs(opposed.disagreement - 2 / 3) < 1e-6 && opposed.topClass == 0)
    // Entropy of (2/3, 1/3).
    #expect(abs(opposed.mutualInformation - 0.636514) < 1e-5)
    let flat = EnsembleAnswer(memberLogits: [[1, 1, 1, 1]])
    #expect(abs(flat.totalEntropy - 1.386294) < 1e-5 && flat.mutualInformation == 0 && flat.topClass == 0)
    #expect(flat.top(2) == [0, 1])
  }

  @Test("an image tensor must have the model's size and hold finite floats")
  func imageTensor() throws {
    let config = try open(Self.small, checkpoint: "e3_token").config
    let folder = try TemporaryFolder()
    let path = folder["images.npy"]
    var values = [Float](repeating: 0.5, count: 2 * 8 * 12 * 3)
    try NumpyArray.write(values, shape: [2, 8, 12, 3], path: path)
    #expect(try ImageTensor(path: path, for: config).count == 2)
    try NumpyArray.write(values, shape: [2, 12, 8, 3], path: path)
    var error = try #require(throws: FileError.self) { try ImageTensor(path: path, for: config) }
    #expect(error.problem == "shape [2, 12, 8, 3], expected [N, 8, 12, 3]")
    values[7] = .nan
    try NumpyArray.write(values, shape: [2, 8, 12, 3], path: path)
    error = try #require(throws: FileError.self) { try ImageTensor(path: path, for: config) }
    #expect(error.problem.contains("flat index 7"))
    let bytes = try folder.write(npy([2, 8, 12, 3], [UInt8](repeating: 1, count: 2 * 8 * 12 * 3)), to: "bytes.npy")
    error = try #require(throws: FileError.self) { try ImageTensor(path: bytes, for: config) }
    #expect(error.problem.contains("elements of type uint8, expected floats"))
  }

  @Test("an answer with values that are no numbers is still JSON, with null in their places")
  func notANumber() {
    let answer = EnsembleAnswer(memberLogits: [[.nan, 1], [0.5, .infinity]])
    let json = answer.json(frame: 3, source: "a \"b\".npy").description
    #expect(json.hasPrefix(#"{"frame":3,"source":"a \"b\".npy","top":"#))
    #expect(json.contains(#""members":[{"logits":[null,1.0],"#) && json.contains(#"{"logits":[0.5,null],"#))
    #expect(!json.contains("nan"))
  }

  @Test("the line for people has percent and decimals as everywhere else")
  func text() {
    let text = EnsembleAnswer(memberLogits: [[2, 0]]).text(frame: 0)
    #expect(text == "0: class 0 88.1 %, class 1 11.9 %; mutual information 0.0000, disagreement 0.0 %")
  }
}
