import E3Goldens
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Converter

/// What `pack` and `export` say of what the caller may not have meant.
@Suite("Remarks of pack and export")
struct RemarkTests {
  private let folder: TemporaryFolder
  private let tool: BuiltCommand

  init() throws { (folder, tool) = (try TemporaryFolder(), BuiltCommand("e3-convert")) }

  /// A copy of a library's model with texts of its JSON files replaced.
  private func model(_ name: String, _ changes: [(String, String)] = [], as copy: String = "m") throws -> String {
    let source = "\(Goldens.libraryDirectory)/\(name)"
    for entry in try FileManager.default.contentsOfDirectory(atPath: source) {
      var bytes = try contents(of: "\(source)/\(entry)")
      if entry.hasSuffix(".json") {
        var text = String(decoding: bytes, as: UTF8.self)
        for (old, new) in changes { text = text.replacing(old, with: new) }
        bytes = Array(text.utf8)
      }
      try folder.write(bytes, to: "\(copy)/\(entry)")
    }
    return folder[copy]
  }

  private func notes(_ sources: [CheckpointSource], _ options: PackOptions = PackOptions()) throws -> [String] {
    var notes: [String] = []
    try pack(sources, output: folder["out.e3"], options: options) { notes.append($0) }
    return notes
  }

  @Test("means of another number than the channels are refused by their fields, unless --value-norm is given")
  func means() throws {
    let path = try model("timm_vit_tiny_patch16_224", [("\"mean\": [\n      0.5\n    ]", "\"mean\": [0.5, 0.5, 0.5]")])
    let source = CheckpointSource(checkpoint: path)
    #expect(
      fault { _ = try notes([source]) }
        == "\(path)/config.json: mean and std have 3 values, but the model has 1 channel: give --value-norm MEAN,STD")
    let given = PackOptions(value: .norm(mean: [127.5], deviation: [127.5]))
    #expect(fault { _ = try notes([source], given) } == nil)
    // The float path takes images that are prepared: it needs no recipe.
    #expect(fault { _ = try SourceModel(checkpoint: path, config: nil) } == nil)
  }

  @Test("bits of experts that are not there, a network given twice and the filter nearest are said")
  func unmeant() throws {
    let path = try model("timm_vit_tiny_patch16_224")
    let source = CheckpointSource(checkpoint: path)
    let four = PackOptions(weights: WeightBits(experts: .four))
    #expect(
      try notes([source], four).contains(
        "--weights experts=4 changes nothing: there are no experts; mlp=4 is for the MLPs that all tokens go through"))
    #expect(try !notes([source]).contains { $0.contains("--weights") })
    #expect(try notes([source, source]).contains { $0.hasSuffix("adds nothing to the answers but time") })
    let nearest = try model("timm_vit_tiny_patch16_224", [("\"bicubic\"", "\"nearest\"")], as: "nearest")
    let said = try notes([CheckpointSource(checkpoint: nearest)])
    #expect(
      said.contains { $0.hasPrefix("resize with the filter nearest takes the pixels that Pillow takes") }, "\(said)")
  }

  @Test("how images are prepared is asked for once, in the words of the library")
  func recipe() throws {
    let path = "\(try model("hf_Dinov2ForImageClassification"))"
    try FileManager.default.removeItem(atPath: "\(path)/preprocessor_config.json")
    let other = try model("hf_Dinov2ForImageClassification", as: "other")
    try FileManager.default.removeItem(atPath: "\(other)/preprocessor_config.json")
    let said = try notes([CheckpointSource(checkpoint: path), CheckpointSource(checkpoint: other)])
      .filter { $0.contains("nothing says how the training prepared its images") }
    #expect(said.count == 1 && said[0].contains(" and 1 more: nothing says"), "\(said)")
    #expect(said[0].contains("of Hugging Face's ViT") && !said[0].contains("timm"), "\(said)")
  }

  @Test("a class without a name is said with its line")
  func namelessClass() throws {
    let path = try folder.write("a\n\nc\n\ne\n", to: "labels.txt")
    let source = CheckpointSource(checkpoint: try model("timm_vit_tiny_patch16_224"))
    #expect(
      try notes([source], PackOptions(labels: path)).contains(
        "\(path): line 2 is empty: class 1 has no name, and 1 more"))
  }

  @Test("bits that are no words are answered with those that are meant")
  func weights() throws {
    let refused = try tool.run(["pack", "x", "-o", folder["no.e3"], "--weights", "4"])
    #expect(refused.status == 2 && refused.errors.contains(": --weights experts=4,mlp=4\n"), "\(refused.errors)")
  }

  @Test("export says what it leaves out, and how pack is told it")
  func export() throws {
    let path = "\(Goldens.libraryDirectory)/hf_ViTForImageClassification"
    let result = try tool.run(["export", path, "-o", folder["out.safetensors"]])
    #expect(result.status == 0)
    #expect(
      result.errors.contains("recipe of the images: pack it with ")
        && result.errors.contains("--resize bilinear:16x16 --value-norm 0.5,0.5,0.5,0.5,0.5,0.5"), "\(result.errors)")
    let json = try tool.run(["export", path, "-o", folder["out.safetensors"], "--json"])
    #expect(!json.errors.contains("leaves out"))
  }
}
