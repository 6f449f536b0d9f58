import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

@Suite("Configurations of other libraries") struct LibraryMetadataTests {
  private static let folder = Goldens.libraryDirectory

  private func open(_ name: String, _ file: String, _ changes: [(String, String)]) throws -> SourceModel {
    try openEdited(name, file, changes)
  }

  private func open(_ name: String) throws -> SourceModel {
    try SourceModel(checkpoint: "\(Self.folder)/\(name)", config: nil)
  }

  @Test("the training's preprocessing comes from preprocessor_config.json")
  func huggingFacePreprocessing() throws {
    let crop = Grid(height: 16, width: 16)
    #expect(
      try open("hf_ViTForImageClassification").preprocessing
        == SourcePreprocessing(
          resize: .exact(crop), filter: .bilinear, crop: crop, cropRounding: .down, mean: [0.5, 0.5, 0.5],
          deviation: [0.5, 0.5, 0.5]))
    #expect(
      try open("hf_Dinov2ForImageClassification").preprocessing
        == SourcePreprocessing(
          resize: .shorterSide(18), filter: .bicubic, crop: crop, cropRounding: .down,
          mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225]))
  }

  @Test("the crop of a fast processor is that of transformers 5, and that is said")
  func fastProcessor() throws {
    let fast = try open(
      "hf_Dinov2ForImageClassification", "preprocessor_config.json",
      [(#""BitImageProcessor""#, #""BitImageProcessorFast""#)])
    #expect(fast.preprocessing?.cropRounding == .down)
    #expect(fast.notes.contains { $0.contains("rounded down, as transformers 5 does") }, "\(fast.notes)")
    #expect(try !open("hf_Dinov2ForImageClassification").notes.contains { $0.contains("rounded") })
  }

  @Test(
    "without resample the filter is the default of the processor, and that is said",
    arguments: [
      ("hf_ViTForImageClassification", 2, "", "", "bilinear is taken, as ViTImageProcessor has"),
      ("hf_ViTForImageClassification", 2, "ViTImageProcessor", "DeiTFeatureExtractor", "bicubic is taken, as DeiT"),
      ("hf_ViTForImageClassification", 2, #""image_processor_type""#, #""_type""#, "bilinear is taken, as ViTImage"),
      ("hf_Dinov2ForImageClassification", 3, "", "", "bicubic is taken, as BitImageProcessor has"),
      ("hf_Dinov2ForImageClassification", 3, #""image_processor_type""#, #""_type""#, "bicubic is taken, as BitImage"),
      ("hf_Dinov2ForImageClassification", 3, "BitImageProcessor", "CLIPFeatureExtractor", "bicubic is taken, as CLIP"),
    ])
  func defaultFilter(_ name: String, _ number: Int, _ old: String, _ new: String, _ expected: String) throws {
    var changes = [("\"resample\": \(number)", "\"_resample\": \(number)")]
    if new.hasPrefix("DeiT") { changes.append((#""do_resize""#, #""do_center_crop": false, "do_resize""#)) }
    if !old.isEmpty { changes.append((old, new)) }
    let model = try open(name, "preprocessor_config.json", changes)
    #expect(model.preprocessing?.filter.rawValue == String(expected.prefix { $0 != " " }))
    #expect(model.notes.contains { $0.contains("resample is missing: \(expected)") }, "\(model.notes)")
    #expect(try !open(name).notes.contains { $0.contains("resample") })
  }

  @Test("a shorter side below the crop is refused: a picture may stand or lie, and transformers pads it")
  func padding() throws {
    func problem(_ side: Int, _ height: Int) -> String? {
      fault {
        _ = try open(
          "hf_Dinov2ForImageClassification", "preprocessor_config.json",
          [(#""shortest_edge": 18"#, "\"shortest_edge\": \(side)"), (#""height": 16"#, "\"height\": \(height)")])
      }
    }
    #expect(problem(16, 16) == nil && problem(20, 20) == nil)
    for (side, height) in [(15, 16), (16, 20)] {
      let expected =
        "size is \(side), expected at least crop_size, \(height)x16: transformers pads smaller pictures with black"
      #expect(problem(side, height)?.contains(expected) == true, "\(problem(side, height) ?? "accepted")")
    }
  }

  @Test("what a processor of an unknown type leaves out is refused, and one number for its size")
  func unknownProcessor() throws {
    let size = "\"size\": {\n    \"height\": 16,\n    \"width\": 16\n  }"
    func problem(_ changes: [(String, String)]) -> String? {
      fault { _ = try open("hf_ViTForImageClassification", "preprocessor_config.json", changes) }
    }
    let type = ("ViTImageProcessor", "ViTHybridImageProcessor")
    let unknown = #"image_processor_type "ViTHybridImageProcessor" is not known"#
    // What the golden one leaves to its default.
    let other = [type, ("\"do_resize\"", "\"do_center_crop\": false,\n  \"do_resize\"")]
    #expect(problem(other) == nil)
    let filter = try #require(problem(other + [(#""resample""#, #""_resample""#)]))
    #expect(filter.contains("resample is missing, expected a number"), "\(filter)")
    #expect(filter.contains("the default of \(unknown)"), "\(filter)")
    let sides = try #require(problem(other + [(size, #""size": 16"#)]))
    #expect(sides.contains("size is 16, expected height and width: "), "\(sides)")
    #expect(sides.contains("what one number means for \(unknown)"), "\(sides)")
    #expect(problem([(size, #""size": 16"#)]) == nil)
    // A Bit processor takes it for the shorter side, which needs a crop.
    let bit = try #require(problem([("ViTImageProcessor", "BitImageProcessor"), (size, #""size": 16"#)]))
    #expect(bit.contains("crop_size is missing"), "\(bit)")
  }

  @Test("means and deviations that timm's pretrained_cfg leaves out are ImageNet's, as timm has it, and that is said")
  func timmDefaults() throws {
    let lost = [("\"mean\":", "\"_mean\":"), ("\"std\":", "\"_std\":")]
    let model = try open("timm_vit_base_patch16_224", "config.json", lost)
    let recipe = try #require(model.preprocessing)
    #expect(recipe.mean == [0.485, 0.456, 0.406] && recipe.deviation == [0.229, 0.224, 0.225])
    #expect(recipe.resize == .shorterSide(17) && recipe.filter == .bicubic)
    #expect(
      model.notes.contains { $0.contains("pretrained_cfg.mean and std are missing: ImageNet's are taken, as timm") })
    // Three means are none of a grey picture.
    #expect(try open("timm_vit_tiny_patch16_224", "config.json", lost).preprocessing == nil)
    #expect(try !open("timm_vit_base_patch16_224").notes.contains { $0.contains("ImageNet") })
  }

  @Test("an input_size of other channels is refused with those that there are")
  func channels() {
    let size = ("\"input_size\": [\n      3,", "\"input_size\": [\n      4,")
    let message = fault { _ = try open("timm_vit_base_patch16_224", "config.json", [size]) }
    let expected = "input_size is [4, 16, 16], expected [channels, height, width] with 1 or 3 channels"
    #expect(message?.contains(expected) == true, "\(message ?? "accepted")")
  }

  @Test("a preprocessor_config.json beside the weights that nobody looks at is named, with how it is read")
  func unreadProcessor() throws {
    let temporary = try TemporaryFolder()
    func copy(_ name: String, from library: String, to place: String) throws {
      try temporary.write(contents(of: "\(Self.folder)/\(library)/\(name)"), to: "\(place)/\(name)")
    }
    func said(_ place: String, _ config: String?) throws -> [String] {
      try SourceModel(checkpoint: temporary[place], config: config).notes.filter { $0.contains("is not looked at") }
    }
    let (hf, timm) = ("hf_ViTForImageClassification", "timm_vit_base_patch16_224")
    for name in try FileManager.default.contentsOfDirectory(atPath: "\(Self.folder)/\(hf)") {
      try copy(name, from: hf, to: "hf")
    }
    for place in ["elsewhere", "timm"] { try copy("preprocessor_config.json", from: hf, to: place) }
    try copy("config.json", from: hf, to: "alone")
    try copy("model.safetensors", from: timm, to: "timm")
    let heads = try temporary.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    #expect(try said("hf", nil).isEmpty)
    let other = try said("hf", temporary["alone/config.json"])
    #expect(other.count == 1 && other[0].hasPrefix("\(temporary["hf/preprocessor_config.json"]): is not looked at: "))
    #expect(other[0].contains("put that there and leave --config out"), "\(other)")
    for place in ["timm", "timm/model.safetensors"] {
      let bare = try said(place, heads)
      #expect(bare.count == 1 && bare[0].hasSuffix(": --resize and --value-norm say what it says"), "\(bare)")
    }
    // timm's configuration says so itself.
    try copy("config.json", from: timm, to: "timm")
    #expect(try said("timm", nil).count == 1)
  }

  @Test("the image_processor of a processor_config.json is taken first, as transformers 5 does; another one is said")
  func processorConfig() throws {
    let (temporary, source) = (try TemporaryFolder(), "\(Self.folder)/hf_ViTForImageClassification")
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try temporary.write(contents(of: "\(source)/\(name)"), to: name)
    }
    func open() throws -> SourceModel { try SourceModel(checkpoint: temporary.path, config: nil) }
    func said() throws -> [String] { try open().notes.filter { $0.contains("processor_config.json") } }
    let usual = "preprocessor_config.json"
    let text = String(decoding: try contents(of: temporary[usual]), as: UTF8.self)
    let recipe = try open().preprocessing
    for (nested, isOther) in [(text, false), (text.replacing("0.5", with: "0.25"), true)] {
      try temporary.write("{\"image_processor\": \(nested), \"processor_class\": \"X\"}", to: "processor_config.json")
      #expect(try (open().preprocessing != recipe) == isOther)
      #expect(try open().processorPath == temporary["processor_config.json"])
      let other =
        "\(temporary[usual]): says something else than image_processor in \(temporary["processor_config.json"]), which is "
        + "taken, as transformers 5 does: take away the one that is not the training's"
      #expect(try said() == (isOther ? [other] : []))
    }
    try FileManager.default.removeItem(atPath: temporary[usual])
    #expect(try open().preprocessing?.mean == [0.25, 0.25, 0.25])
    #expect(try said().isEmpty)
    try temporary.write("{\"processor_class\": \"X\"}", to: "processor_config.json")
    #expect(try open().preprocessing == nil)
  }

  @Test("the training's preprocessing comes from timm's pretrained_cfg: the crop share gives the shorter side")
  func timmPreprocessing() throws {
    #expect(
      try open("timm_deit3_small_patch16_224").preprocessing
        == SourcePreprocessing(
          resize: .shorterSide(17), filter: .bicubic, crop: Grid(height: 16, width: 16), cropRounding: .halfToEven,
          mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225]))
    let squashed = try open("timm_deit3_small_patch16_224", "config.json", [(#""center""#, #""squash""#)])
    #expect(squashed.preprocessing?.resize == .exact(Grid(height: 17, width: 17)))
  }

  @Test("Dinov2 runs with the images of its processor: positions are resized to them, and that is said")
  func dinov2Crop() throws {
    let changes = [
      (#""height": 16"#, #""height": 24"#), (#""width": 16"#, #""width": 20"#),
      (#""shortest_edge": 18"#, #""shortest_edge": 24"#),
    ]
    let model = try open("hf_Dinov2ForImageClassification", "preprocessor_config.json", changes)
    #expect(model.config.imageHeight == 24 && model.config.imageWidth == 20 && model.config.tokenCount == 31)
    #expect(model.notes.contains { $0.hasSuffix("images are 24x20: positions are resized to them") })
    #expect(try model.values(of: ParameterNames.positionEmbedding).count == 31 * 16)
  }

  @Test(
    "as many positions as a square has are Dinov2's for a square, whatever image_size says, and resized",
    arguments: ["hf_Dinov2ForImageClassification", "hf_Dinov2WithRegistersForImageClassification"])
  func dinov2Square(_ name: String) throws {
    let (temporary, positions) = (try TemporaryFolder(), ParameterNames.positionEmbedding)
    try temporary.write(contents(of: "\(Self.folder)/\(name)/model.safetensors"), to: "model.safetensors")
    let text = String(decoding: try contents(of: "\(Self.folder)/\(name)/config.json"), as: UTF8.self)
    try #require(text.contains(#""image_size": 16,"#))
    try temporary.write(text.replacing(#""image_size": 16,"#, with: #""image_size": [8, 32],"#), to: "config.json")
    let model = try SourceModel(checkpoint: temporary.path, config: nil)
    #expect(model.config.gridHeight == 2 && model.config.gridWidth == 8)
    let note = "image_size is 8x32: its 16 positions are taken for those of 4x4 patches and resized"
    #expect(model.notes.contains { $0.hasSuffix("\(note), as transformers does") }, "\(model.notes)")
    var options = ModelOptions()
    options.imageSize = (8, 32)
    let resized = try SourceModel(checkpoint: "\(Self.folder)/\(name)", config: nil, options: options)
    #expect(try model.values(of: positions) == resized.values(of: positions))
    // Its processor may make other images.
    let square = try open(name, "config.json", [(#""image_size": 16,"#, #""image_size": [8, 32],"#)])
    #expect(try square.values(of: positions) == open(name).values(of: positions))
    #expect(square.notes.contains { $0.hasSuffix("images are 16x16: positions are resized to them") })
  }

  @Test("labels come from id2label, unless nobody gave names")
  func labels() throws {
    #expect(try open("hf_ViTForImageClassification").labels == (0..<5).map { "kind \($0)" })
    let names = (0..<5).map { (#""\#($0)": "kind \#($0)""#, #""\#($0)": "LABEL_\#($0)""#) }
    #expect(try open("hf_ViTForImageClassification", "config.json", names).labels == nil)
    #expect(try open("timm_deit3_small_patch16_224").labels == nil)
    let named = try open(
      "timm_deit3_small_patch16_224", "config.json",
      [
        (
          #""num_features""#,
          #""label_names": ["a","b","c","d","e"], "label_descriptions": {"b": "bee, insect"}, "num_features""#
        )
      ])
    #expect(named.labels == ["a", "bee, insect", "c", "d", "e"])
  }

  @Test("labels that are told apart are those of no other class")
  func takenLabels() throws {
    func labels(_ labels: [String]) -> ([String], [String]) {
      var notes: [String] = []
      return (distinctLabels(labels, file: "f", notes: &notes), notes)
    }
    let (crane, notes) = labels(["crane", "crane (0)", "crane", "", ""])
    #expect(crane == ["crane (0) (0)", "crane (0)", "crane (2)", "", ""])
    #expect(
      notes == [#"f: the classes 0 and 2 have one label, and are told apart: "crane (0) (0)" and "crane (2)""#])
    #expect(labels(["a", "a (3)", "a (3) (3)", "a"]).0 == ["a (0)", "a (3)", "a (3) (3)", "a (3) (3) (3)"])
    // Both groups would have the same texts.
    let groups = ["a", "a", "a (0)", "a (0)", "a (1)"]
    #expect(Set(labels(groups).0).count == 5, "\(labels(groups).0)")
    let hugging = try open(
      "hf_ViTForImageClassification", "config.json",
      [
        (#""0": "kind 0""#, #""0": "crane""#), (#""1": "kind 1""#, #""1": "crane (0)""#),
        (#""2": "kind 2""#, #""2": "crane""#),
      ])
    #expect(hugging.labels == ["crane (0) (0)", "crane (0)", "crane (2)", "kind 3", "kind 4"])
  }

  @Test("labels that classes share are told apart, by their synsets where there are any, and the others kept")
  func sharedLabels() throws {
    let vit = try open(
      "hf_ViTForImageClassification", "config.json",
      [(#""1": "kind 1""#, #""1": "crane""#), (#""4": "kind 4""#, #""4": "crane""#)])
    #expect(vit.labels == ["kind 0", "crane (1)", "kind 2", "kind 3", "crane (4)"])
    #expect(
      vit.notes.contains {
        $0.hasSuffix(
          #"config.json: the classes 1 and 4 have one label, and are told apart: "crane (1)" and "crane (4)""#)
      }, "\(vit.notes)")
    func timm(_ names: String, _ descriptions: String) throws -> SourceModel {
      try open(
        "timm_deit3_small_patch16_224", "config.json",
        [
          (
            #""num_features""#,
            "\"label_names\": \(names), \"label_descriptions\": \(descriptions), \"num_features\""
          )
        ])
    }
    let descriptions = #"{"n1": "crane", "n2": "maillot", "n3": "crane", "n4": "maillot", "n5": "crane"}"#
    let named = try timm(#"["n1", "n2", "n3", "n4", "n5"]"#, descriptions)
    #expect(named.labels == ["crane (n1)", "maillot (n2)", "crane (n3)", "maillot (n4)", "crane (n5)"])
    #expect(
      named.notes.contains {
        $0.hasSuffix(
          "the classes 0, 2 and 4 have one label, and are told apart: \"crane (n1)\", \"crane (n3)\" and \"crane (n5)\", "
            + "and so on for 1 more")
      }, "\(named.notes)")
    let twice = try timm(#"["n1", "n2", "n1", "n4", "n6"]"#, descriptions)
    #expect(twice.labels == ["crane (0)", "maillot (n2)", "crane (2)", "maillot (n4)", "n6"])
  }

  @Test("a class of label_names that the model does not have leaves its labels out, and that is said")
  func labelBeyond() throws {
    let model = try open(
      "timm_deit3_small_patch16_224", "config.json",
      [(#""num_features""#, #""label_names": {"1": "a", "5": "e"}, "num_features""#)])
    #expect(model.labels == nil)
    #expect(
      model.notes.contains {
        $0.hasSuffix(
          "label_names has a text for class 5, but the 5 classes are numbered from 0 to 4: no label is taken")
      }, "\(model.notes)")
  }

  @Test(
    "timm's norm in float32 is its layer norm, capitals do not count, and what is null or empty is its default",
    arguments: [
      #""norm_layer": "layernorm""#, #""norm_layer": "layernormfp32""#, #""norm_layer": "LayerNorm""#,
      #""norm_layer": "layer_norm_fp32""#, #""norm_layer": """#, #""norm_layer": null"#, #""act_layer": "GELU""#,
      #""act_layer": null"#, #""act_layer": """#,
    ])
  func sameLayers(_ field: String) throws {
    let change = (#""mlp_ratio": 2"#, "\(field), \"mlp_ratio\": 2")
    let name = "timm_deit3_small_patch16_224"
    #expect(try open(name, "config.json", [change]).config == open(name).config)
  }

  @Test(
    "timm's layers that compute something else are refused; a null act_layer is GELU, whatever the architecture has")
  func otherLayers() throws {
    for layer in ["rmsnorm", "layernorm2d", "groupnorm1", "simplenorm"] {
      let change = (#""mlp_ratio": 2"#, "\"norm_layer\": \"\(layer)\", \"mlp_ratio\": 2")
      let message = fault { _ = try open("timm_deit3_small_patch16_224", "config.json", [change]) }
      #expect(
        message?.contains("norm_layer is \"\(layer)\", expected one of \"layernorm\", \"layernormfp32\"") == true,
        "\(message ?? "accepted")")
    }
    let folder = try TemporaryFolder()
    let text = """
      {"architecture": "vit_so400m_patch16_siglip_256", "num_classes": 5, "num_features": 32,
       "model_args": {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "mlp_ratio": 2}}
      """
    #expect(try ModelConfig(path: folder.write(text.utf8, to: "a.json")).activation == .geluTanh)
    let null = text.replacing(#""depth""#, with: #""act_layer": null, "depth""#)
    #expect(try ModelConfig(path: folder.write(null.utf8, to: "b.json")).activation == .gelu)
  }

  @Test(
    "a field that is not known, or asks for what is not computed, is refused by its name",
    arguments: [
      (
        "hf_ViTForImageClassification", #""hidden_act": "gelu""#, #""hidden_act": "quick_gelu""#,
        "hidden_act is \"quick_gelu\", expected one of"
      ),
      (
        "hf_ViTForImageClassification", #""layer_norm_eps""#, #""layer_norm_epsilon""#,
        "the field layer_norm_epsilon is not known"
      ),
      (
        "hf_ViTForImageClassification", #""model_type": "vit""#, #""model_type": "beit""#,
        "model_type is \"beit\", expected one of"
      ),
      (
        "hf_ViTForImageClassification", #""model_type": "vit""#, #""depths": [1], "model_type": "convnext""#,
        "model_type is \"convnext\", expected one of"
      ),
      (
        "hf_ViTForImageClassification", #""qkv_bias": true"#, #""qkv_bias": false"#,
        "qkv_bias is false, but the tensor vit.encoder.layer."
      ),
      (
        "hf_Dinov2ForImageClassification", #""num_attention_heads": 2"#, #""problem_type": null"#,
        "hidden_size is 16, expected a multiple of num_attention_heads (not given), 12"
      ),
      (
        "hf_ViTForImageClassification", #""num_attention_heads": 2"#, #""num_attention_heads": 3"#,
        "hidden_size is 16, expected a multiple of num_attention_heads, 3"
      ),
      (
        "hf_ViTForImageClassification", #""intermediate_size": 32"#, #""intermediate_size": 48"#,
        "shape [32, 16], expected 48 along axis 0 (intermediate_size"
      ),
      (
        "hf_ViTForImageClassification", #""image_size": 16"#, #""image_size": 32"#,
        "images of 16x16, expected image_size of the model, 32x32"
      ),
      ("timm_deit3_small_patch16_224", #""img_size": ["#, #""patch_size": 4, "img_size": [32,"#, "duplicate JSON key"),
      ("hf_ViTForImageClassification", "\"4\": \"kind 4\"", "\"3\": \"kind 4\"", "duplicate JSON key"),
      (
        "hf_ViTForImageClassification", "\"0\": \"kind 0\"", "\"5\": \"kind 0\"",
        "id2label has a text for class 5 and none for class 0: its 5 classes are numbered from 0 to 4"
      ),
      (
        "hf_Dinov2ForImageClassification", #""use_swiglu_ffn": false"#, #""use_swiglu_ffn": true"#,
        "use_swiglu_ffn is true"
      ),
      (
        "hf_Dinov2WithRegistersForImageClassification", #""num_register_tokens": 4"#, #""num_register_tokens": 3"#,
        "4 register tokens, expected 3"
      ),
      (
        "timm_deit3_small_patch16_224", #""global_pool": "token""#, #""global_pool": "max""#,
        "global_pool is \"max\", expected one of"
      ),
      (
        "timm_deit3_small_patch16_224", #""mlp_ratio""#, #""mlp_ratios""#,
        "the field model_args.mlp_ratios is not known"
      ),
      (
        "timm_deit3_small_patch16_224", #""mlp_ratio": 2"#, #""act_layer": "quick_gelu""#,
        "model_args.act_layer is \"quick_gelu\""
      ),
      (
        "timm_deit3_small_patch16_224", "deit3_small_patch16_224", "beit_base_patch16_224",
        "architecture is \"beit_base"
      ),
      (
        "timm_deit3_small_patch16_224", "deit3_small_patch16_224", "vit_base_patch32_clip_quickgelu_224",
        "architecture is"
      ),
      (
        "timm_deit3_small_patch16_224", "deit3_small_patch16_224", "deit3_small_patch16_reg4_224",
        "0 register tokens, expected 4"
      ),
      (
        "timm_deit3_small_patch16_224", #""depth": 2,"#, "",
        "2 encoder blocks, expected 12 (depth or architecture in "
      ),
      (
        "timm_deit3_small_patch16_224", #""mlp_ratio": 2"#, #""mlp_ratio": 4"#,
        "blocks.0.mlp.fc1.weight: as Encoder/encoderblock_0/Mlp/Dense_0/kernel: shape [32, 16], expected 64 along axis 0"
      ),
      (
        "timm_deit3_small_patch16_224", #""mlp_ratio": 2"#, #""init_values": null"#,
        "init_values is null, but the tensor blocks.1.ls2.gamma is there"
      ),
      (
        "timm_vit_base_patch16_224", #""mlp_ratio": 2"#, #""init_values": 1e-5"#,
        "tensor blocks.0.ls1.gamma: missing, but init_values is 1e-05 in "
      ),
      (
        "timm_vit_so150m_patch16_reg4_gap_256", #""mlp_ratio": 2"#, #""fc_norm": true"#,
        "tensor fc_norm.weight: missing, but fc_norm is true in "
      ),
      (
        "timm_vit_base_patch16_224", #""num_heads": 2,"#, "",
        "embed_dim is 16, expected a multiple of num_heads of vit_base_patch16_224 (not given), 12"
      ),
      (
        "timm_vit_base_patch16_224", #""global_pool": "token""#, #""global_pool": "avg""#,
        "tensor fc_norm.weight: missing, but fc_norm is not given, that is, true with global_pool avg in "
      ),
      (
        "timm_vit_base_patch16_224", #""mlp_ratio": 2"#, #""fc_norm": true"#,
        "tensor fc_norm.weight: missing, but fc_norm is true in "
      ),
      (
        "timm_vit_medium_patch16_reg4_gap_256", #""global_pool": "avg""#, #""global_pool": "token""#,
        "fc_norm is not given, that is, false with global_pool token, but the tensor fc_norm.weight is there"
      ),
      ("timm_deit3_small_patch16_224", #""crop_pct": 0.9"#, #""crop_pct": 0"#, "pretrained_cfg.crop_pct is 0"),
      (
        "timm_deit3_small_patch16_224", #""crop_pct": 0.9"#, #""crop_pct": 1e-9"#,
        "pretrained_cfg.crop_pct is 1e-09, expected 0.125 to 1"
      ),
      ("timm_deit3_small_patch16_224", #""crop_pct": 0.9"#, #""crop_pct": 0.12"#, "pretrained_cfg.crop_pct is 0.12"),
    ])
  func refused(_ name: String, _ old: String, _ new: String, _ expected: String) throws {
    let message = try #require(fault { _ = try open(name, "config.json", [(old, new)]) })
    #expect(message.contains(expected), "\(message)")
  }

  @Test(
    "timm's architecture has the width and the patches of the tensors, where model_args give no others",
    arguments: [
      ("vit_small_patch16_224", "", "384"),
      ("vit_base_patch32_224", "", "patch_size of vit_base_patch32_224 (not given)"),
      ("vit_tiny_patch32_224", "", "patch_size of vit_tiny_patch32_224 (not given)"),
      ("vit_small_patch16_224", #""num_features": 192,"#, "num_features is 192, expected 384 as vit_small_patch16_224"),
    ])
  func width(_ name: String, _ more: String, _ expected: String) throws {
    let folder = try TemporaryFolder()
    var table: ShapeTable = [
      "cls_token": [1, 1, 192], "pos_embed": [1, 2, 192], "patch_embed.proj.weight": [192, 3, 16, 16],
      "patch_embed.proj.bias": [192], "norm.weight": [192], "norm.bias": [192], "head.weight": [3, 192],
      "head.bias": [3],
    ]
    for (layer, inputs, outputs) in [
      ("attn.qkv", 192, 576), ("attn.proj", 192, 192), ("mlp.fc1", 192, 768), ("mlp.fc2", 768, 192),
    ] {
      table["blocks.0.\(layer).weight"] = [outputs, inputs]
      table["blocks.0.\(layer).bias"] = [outputs]
    }
    for norm in ["norm1", "norm2"] {
      for part in ["weight", "bias"] { table["blocks.0.\(norm).\(part)"] = [192] }
    }
    let text = #"{"architecture": "\#(name)", \#(more) "num_classes": 3, "model_args": {"depth": 1}}"#
    let config = try folder.write(text.utf8, to: "config.json")
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let message = try #require(fault { _ = try SourceModel(checkpoint: path, config: config) })
    #expect(message.contains(expected), "\(message)")
  }

  @Test(
    "timm's architecture tells the number of heads, whatever width model_args give",
    arguments: [
      ("vit_base_patch16_224", 384, 12), ("vit_tiny_patch16_224", 384, 3), ("deit3_small_patch16_224", 192, 6),
      ("flexivit_large", 768, 16), ("vit_base_patch16_gap_224", 768, 16), ("vit_base_patch16_plus_240", 896, 14),
      ("vit_giant_patch14_224", 1408, 16),
      ("vit_so150m2_patch16_reg1_gap_256", 832, 13), ("vit_little_patch16_reg1_gap_256", 320, 5),
    ])
  func headCount(_ name: String, _ width: Int, _ heads: Int) throws {
    let folder = try TemporaryFolder()
    let text = """
      {"architecture": "\(name)", "num_classes": 5, "num_features": \(width),
       "model_args": {"img_size": 16, "patch_size": 4, "embed_dim": \(width), "depth": 2, "mlp_ratio": 2}}
      """
    #expect(try ModelConfig(path: folder.write(text.utf8, to: "config.json")).headCount == heads)
  }

  @Test(
    "what the head reads is what timm builds: of model_args, else of the architecture; another global_pool is refused")
  func pooling() throws {
    let name = "timm_vit_base_patch16_224"
    let (top, argument) = ("16,\n  \"global_pool\": \"token\"", ",\n    \"global_pool\": \"token\"")
    let other = (top, top.replacing("token", with: "avg"))
    let expected = "global_pool is \"avg\", expected \"token\" as model_args or vit_base_patch16_224 has it"
    for changes in [[other], [other, (argument, "")]] {
      let message = fault { _ = try open(name, "config.json", changes) }
      #expect(message?.hasSuffix(expected) == true, "\(message ?? "accepted")")
    }
    let silent = try open(name, "config.json", [(top, "16"), (argument, "")])
    #expect(silent.config.classifier == .token && !silent.notes.contains { $0.contains("nothing tells") })
  }

  @Test("a mean without fc_norm is read where model_args say so")
  func meanWithoutPooledNorm() throws {
    let changes = [
      (#""global_pool": "token""#, #""global_pool": "avg""#),
      (#""mlp_ratio": 2"#, #""fc_norm": false, "mlp_ratio": 2"#),
    ]
    let model = try open("timm_vit_base_patch16_224", "config.json", changes)
    #expect(model.config.classifier == .patchMean && model.config.finalNorm == .beforePooling)
  }

  @Test("an --image-size that is no multiple of the patches is taken with a note")
  func oddImageSize() throws {
    var options = ModelOptions()
    options.imageSize = (height: 18, width: 20)
    let path = "\(Self.folder)/timm_vit_base_patch16_224"
    let model = try SourceModel(checkpoint: path, config: nil, options: options)
    #expect(model.config.gridHeight == 4 && model.config.gridWidth == 5)
    #expect(
      model.notes.contains(
        "--image-size 18x20 is no multiple of the patches of 4x4: the pixels below and to the right of the last whole "
          + "patch are not looked at"), "\(model.notes)")
  }

  @Test(
    "null is no value where Python takes it for false",
    arguments: ["qkv_bias", "proj_bias", "class_token", "no_embed_class", "pos_embed"])
  func nullArguments(_ field: String) throws {
    let change = (#""mlp_ratio": 2"#, "\"\(field)\": null, \"mlp_ratio\": 2")
    let message = fault { _ = try open("timm_vit_base_patch16_224", "config.json", [change]) }
    #expect(message?.contains("model_args.\(field) is null, expected ") == true, "\(message ?? "accepted")")
  }

  @Test("Hugging Face's qkv_bias is no null, and timm's label_offset is 0")
  func nullBiasAndOffset() throws {
    let bias = fault {
      _ = try open("hf_ViTForImageClassification", "config.json", [(#""qkv_bias": true"#, #""qkv_bias": null"#)])
    }
    #expect(bias?.contains("qkv_bias is null, expected true or false") == true, "\(bias ?? "accepted")")
    let offset = fault {
      _ = try open("timm_vit_base_patch16_224", "config.json", [(#""mean""#, #""label_offset": 1, "mean""#)])
    }
    #expect(offset?.contains("pretrained_cfg.label_offset is 1, expected 0") == true, "\(offset ?? "accepted")")
    _ = try open("timm_vit_base_patch16_224", "config.json", [(#""mean""#, #""label_offset": 0, "mean""#)])
  }

  @Test("labels that two fields tell differently are named")
  func labelsTwice() throws {
    func notes(_ other: String) throws -> [String] {
      let (names, both) = (
        #""label_names": ["a", "b", "c", "d", "e"],"#, #""pretrained_cfg": {"label_names": \#(other),"#
      )
      let old = #""pretrained_cfg": {"#
      return try open(
        "timm_vit_base_patch16_224", "config.json",
        [(#""architecture""#, names + #""architecture""#), (old, both)]
      ).notes.filter { $0.contains("differ") }
    }
    #expect(try notes(#"["a", "b", "c", "d", "e"]"#).isEmpty)
    let differing = try notes(#"["a", "b", "c", "d", "f"]"#)
    #expect(
      differing.count == 1
        && differing[0].hasSuffix(
          "config.json: label_names and pretrained_cfg.label_names differ: the labels of the first are taken"),
      "\(differing)")
  }

  @Test("images that timm would pad to whole patches are refused")
  func paddedPatches() throws {
    let name = "timm_vit_base_patch16_224"
    let pads = (#""mlp_ratio": 2"#, #""dynamic_img_pad": true, "mlp_ratio": 2"#)
    #expect(try open(name, "config.json", [pads]).config.imageHeight == 16)
    let odd = ("\"img_size\": [\n      16,", "\"img_size\": [\n      18,")
    #expect(try open(name, "config.json", [odd]).config.gridHeight == 4)
    let message = try #require(fault { _ = try open(name, "config.json", [pads, odd]) })
    #expect(
      message.hasSuffix(
        "config.json: dynamic_img_pad is true, but images of 18x16 are not padded to patches of 4x4 here: --image-size "
          + "takes multiples of them"), "\(message)")
  }

  @Test("of a checkpoint, too, the architecture tells the number of heads")
  func headCountOfCheckpoint() throws {
    let model = try open("timm_vit_medium_patch16_reg4_gap_256", "config.json", [(#""num_heads": 2,"#, "")])
    #expect(model.config.headCount == 8 && model.config.hiddenSize == 16)
    #expect(!model.notes.contains { $0.contains("number of heads") }, "\(model.notes)")
    // The name of a size that is not known leaves it to the width, and 16 is none that is usual.
    let other = fault {
      _ = try open(
        "timm_vit_medium_patch16_reg4_gap_256", "config.json",
        [(#""num_heads": 2,"#, ""), ("vit_medium_", "vit_middle_")])
    }
    #expect(other?.contains("nothing tells the number of heads") == true, "\(other ?? "none")")
  }

  @Test(
    "a processor that does something else is refused by its field",
    arguments: [
      (#""rescale_factor": 0.00392156862745098"#, #""rescale_factor": -1"#, "rescale_factor is -1.0, expected above 0"),
      (#""rescale_factor": 0.00392156862745098"#, #""rescale_factor": 0"#, "rescale_factor is 0.0, expected above 0"),
      (#""resample": 2"#, #""resample": 9"#, "resample is 9"),
      (
        #""do_resize": true"#, #""crop_size": {"height": 16, "width": 17}, "do_center_crop": true, "do_resize": true"#,
        "size is 16, expected at least crop_size, 16x17: transformers pads smaller pictures with black"
      ),
      (#""resample": 2"#, #""resample": null"#, "resample is null, expected a number from 0 to 5"),
      (#""height": 16"#, #""height": 24"#, "images of 24x16, expected image_size of the model, 16x16"),
      (#""do_resize": true"#, #""do_resizes": true"#, "the field do_resizes is not known"),
      (#""image_std""#, #""_std""#, "image_mean and image_std are missing"),
    ])
  func refusedProcessor(_ old: String, _ new: String, _ expected: String) throws {
    let message = try #require(
      fault { _ = try open("hf_ViTForImageClassification", "preprocessor_config.json", [(old, new)]) })
    #expect(message.contains("preprocessor_config.json: ") && message.contains(expected), "\(message)")
  }

  @Test("means of pixels that are not brought to 0...1 have their unit", arguments: [false, true])
  func rescale(by factor: Bool) throws {
    let edit =
      factor
      ? (#""rescale_factor": 0.00392156862745098"#, #""rescale_factor": 1"#)
      : (#""do_rescale": true"#, #""do_rescale": false"#)
    let plain = try open("hf_ViTForImageClassification", "preprocessor_config.json", [])
    let model = try open("hf_ViTForImageClassification", "preprocessor_config.json", [edit])
    let (bytes, shares) = try (#require(model.preprocessing), #require(plain.preprocessing))
    func scaled(_ shares: [Float]) -> [Float] { shares.map { Float(Double($0) / 255) } }
    #expect(bytes.mean == scaled(shares.mean) && bytes.deviation == scaled(shares.deviation))
    let cause = factor ? "rescale_factor is 1.0" : "do_rescale is false"
    let note = "\(cause): image_mean and image_std are taken as of pixels in 0...255.0"
    #expect(model.notes.contains { $0.hasSuffix(note) }, "\(model.notes)")
  }

  @Test(
    "without a configuration the shapes tell, what they do not is named, and heads that nothing tells are asked for")
  func shapesAlone() throws {
    let temporary = try TemporaryFolder()
    let weights = try contents(of: "\(Self.folder)/timm_vit_small_patch14_reg4_dinov2/model.safetensors")
    let path = try temporary.write(weights, to: "weights.safetensors")
    let message = try #require(fault { _ = try SourceModel(checkpoint: path, config: nil) })
    #expect(message.hasSuffix(#"nothing tells the number of heads: give --config with {"encoder": {"num_heads": N}}"#))
    let config = try temporary.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    let model = try SourceModel(checkpoint: path, config: config)
    let full = try open("timm_vit_small_patch14_reg4_dinov2")
    #expect(model.config == full.config && model.preprocessing == nil)
    #expect(
      model.notes.contains { $0.hasSuffix("nothing tells what the head reads: the class token is taken") },
      "\(model.notes)")
    #expect(model.notes.contains { $0.contains("GELU with the error function and 1e-06 are taken") }, "\(model.notes)")
    #expect(full.notes == ["configuration: \(Self.folder)/timm_vit_small_patch14_reg4_dinov2/config.json"])
  }

  @Test("a size that is guessed from the number of positions is said, one that is given or in the configuration is not")
  func guessedSize() throws {
    let temporary = try TemporaryFolder()
    var table = try shapes(of: "\(Self.folder)/timm_vit_base_patch16_224")
    // 4 x 9 patches, as many as 6 x 6 have, and the class token's position.
    table["pos_embed"] = [1, 37, 16]
    let path = try writeShapes(table, to: "vit.safetensors", in: temporary)
    func open(_ config: String, _ size: (height: Int, width: Int)? = nil) throws -> SourceModel {
      var options = ModelOptions()
      options.imageSize = size
      return try SourceModel(checkpoint: path, config: temporary.write(config, to: "x.json"), options: options)
    }
    let heads = #"{"encoder": {"num_heads": 2}}"#
    let taken = "nothing tells the image size: 36 positions are taken for those of 6x6 patches, 24x24 pixels; "
    let guessed = try open(heads)
    #expect(guessed.config.gridHeight == 6 && guessed.config.gridWidth == 6)
    #expect(guessed.notes.contains("\(path): \(taken)--image-size says otherwise"), "\(guessed.notes)")
    let resized = try open(heads, (32, 32))
    #expect(
      resized.notes.contains("\(path): \(taken)they are resized to --image-size 32x32"), "\(resized.notes)")
    for model in [
      try open(heads, (16, 36)), try open(#"{"image_size": [16, 36], "encoder": {"num_heads": 2}}"#),
      try open(#"{"image_size": [16, 36], "encoder": {"num_heads": 2}}"#, (32, 32)),
    ] { #expect(!model.notes.contains { $0.contains("the image size") }, "\(model.notes)") }
  }

  @Test("positions that are a square, or a class token's and a rectangle's, are what --image-size says, or a note says")
  func squareOrRectangle() throws {
    let temporary = try TemporaryFolder()
    let path = temporary["vit.safetensors"]
    var shapes: [(name: String, shape: [Int])] = [
      ("cls_token", [1, 1, 8]), ("pos_embed", [1, 64, 8]), ("patch_embed.proj.weight", [8, 3, 2, 2]),
      ("patch_embed.proj.bias", [8]), ("blocks.0.attn.qkv.weight", [24, 8]), ("blocks.0.attn.qkv.bias", [24]),
      ("blocks.0.attn.proj.weight", [8, 8]), ("blocks.0.attn.proj.bias", [8]), ("blocks.0.mlp.fc1.weight", [16, 8]),
      ("blocks.0.mlp.fc1.bias", [16]), ("blocks.0.mlp.fc2.weight", [8, 16]), ("blocks.0.mlp.fc2.bias", [8]),
      ("head.weight", [5, 8]), ("head.bias", [5]),
    ]
    for norm in ["blocks.0.norm1", "blocks.0.norm2", "norm"] {
      shapes += [("\(norm).weight", [8]), ("\(norm).bias", [8])]
    }
    let writer = try SafetensorsWriter(path: path, tensors: shapes)
    for (_, shape) in shapes { try writer.append([Float](repeating: 0.5, count: shape.reduce(1, *))) }
    try writer.finish()
    let config = try temporary.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    func open(_ size: (height: Int, width: Int)?) throws -> SourceModel {
      var options = ModelOptions()
      options.imageSize = size
      return try SourceModel(checkpoint: path, config: config, options: options)
    }
    let taken = "64 positions are taken for those of 8x8 patches, 16x16 pixels, without the class token's"
    let square = try open(nil)
    #expect(square.config.imageHeight == 16 && square.config.imageWidth == 16)
    #expect(square.notes.contains { $0.contains(taken) }, "\(square.notes)")
    // 7 x 9 patches and a class token's are 64 too.
    let rectangle = try open((14, 18))
    #expect(rectangle.config.gridHeight == 7 && rectangle.config.gridWidth == 9)
    #expect(!rectangle.notes.contains { $0.contains("positions are taken") }, "\(rectangle.notes)")
    var values = try rectangle.values(of: ParameterNames.positionEmbedding)
    #expect(values.count == 64 * 8)
    let resized = try open((24, 24))
    #expect(resized.notes.contains { $0.contains(taken) }, "\(resized.notes)")
    values = try resized.values(of: ParameterNames.positionEmbedding)
    #expect(values.count == 145 * 8 && values[..<8].allSatisfy { $0 == 0 })
  }
}
