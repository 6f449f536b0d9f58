import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing

@Suite("Export of a checkpoint")
struct ExportTests {
  private static let small = [
    "e3_token/e3_token", "vmoe_first/vmoe_first", "vmoe_map/vmoe_map", "e3_groups/e3_groups.safetensors",
  ]
  .map { "\(Goldens.smallDirectory)/\($0)" }
  private static let libraries = [
    "hf_ViTForImageClassification", "hf_Dinov2WithRegistersForImageClassification",
    "timm_deit_tiny_distilled_patch16_224",
    "timm_deit3_small_patch16_224", "timm_vit_base_patch16_siglip_224", "torchvision_vit",
  ].map { "\(Goldens.libraryDirectory)/\($0)" }

  private func open(_ path: String, _ options: ModelOptions = ModelOptions()) throws -> SourceModel {
    let beside = URL(fileURLWithPath: path).deletingLastPathComponent().appending(path: "config.json").path
    let config = path.hasPrefix(Goldens.smallDirectory) ? beside : nil
    return try SourceModel(checkpoint: path, config: config, options: options)
  }

  @Test("what was exported is the same model, without a note", arguments: small + libraries)
  func sameModel(path: String) throws {
    let folder = try TemporaryFolder()
    let model = try open(path)
    try export(model, output: folder["x.safetensors"])
    let again = try SourceModel(checkpoint: folder["x.safetensors"], config: nil)
    var expected = model.config
    expected.positionEmbedding = .learned
    expected.experts?.roundsToBFloat16 = false
    #expect(again.config == expected)
    #expect(again.notes == ["configuration: \(folder["x.json"])"])
    for parameter in model.config.parameters {
      #expect(try again.values(of: parameter.name) == model.values(of: parameter.name), "\(parameter.name)")
    }
  }

  @Test("another image size and members of a V-MoE model are those of pack")
  func options() throws {
    let folder = try TemporaryFolder()
    var options = ModelOptions()
    options.imageSize = (height: 16, width: 12)
    options.ensembleSize = 2
    let model = try open(Self.small[1], options)
    try export(model, output: folder["x.safetensors"])
    let again = try SourceModel(checkpoint: folder["x.safetensors"], config: nil)
    #expect(again.config.memberCount == 2 && again.config.imageHeight == 16 && again.config.imageWidth == 12)
    let router = ParameterNames.block(try #require(again.config.firstMoEBlock)).router
    let count = try #require(again.config.experts?.count)
    #expect(again.checkpoint.shape(of: router) == [again.config.hiddenSize, 2, count / 2])
  }

  @Test("a backbone without a head is exported where it is allowed, and refused by pack")
  func backbone() throws {
    let folder = try TemporaryFolder()
    let model = try open(Self.small[0])
    let kept = model.config.parameters.filter { !$0.name.hasPrefix("head/") }
    let writer = try SafetensorsWriter(path: folder["b.safetensors"], tensors: kept.map { ($0.name, $0.shape) })
    for parameter in kept { try writer.append(model.values(of: parameter.name)) }
    try writer.finish()
    let config = "\(Goldens.smallDirectory)/e3_token/config.json"
    var options = ModelOptions()
    #expect(
      fault { _ = try SourceModel(checkpoint: folder["b.safetensors"], config: config, options: options) }?
        .contains("a backbone without classification head") == true)
    options.needsHead = false
    let headless = try SourceModel(checkpoint: folder["b.safetensors"], config: config, options: options)
    try export(headless, output: folder["x.safetensors"])
    let text = String(decoding: try contents(of: folder["x.json"]), as: UTF8.self)
    #expect(headless.config.classCount == 0 && text.contains(#""num_classes":0"#))
  }

  @Test("the checkpoint itself is not written over")
  func distinct() throws {
    let folder = try TemporaryFolder()
    try export(open(Self.small[3]), output: folder["x.safetensors"])
    let before = try contents(of: folder["x.safetensors"])
    let model = try SourceModel(checkpoint: folder["x.safetensors"], config: nil)
    #expect(fault { try export(model, output: folder["x.safetensors"]) } != nil)
    #expect(try contents(of: folder["x.safetensors"]) == before)
  }
}
