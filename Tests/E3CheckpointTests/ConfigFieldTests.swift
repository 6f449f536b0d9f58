import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing

@Suite("Fields of other libraries' configurations") struct ConfigFieldTests {
  private static let vit = "hf_ViTForImageClassification"
  private static let deit3 = "timm_deit3_small_patch16_224"

  private func config(_ name: String, _ changes: [(String, String)]) throws -> SourceModel {
    try openEdited(name, "config.json", changes)
  }

  /// Adds `fields` to the model's arguments (timm), or to the whole (Hugging Face).
  private func adding(_ name: String, _ fields: String) throws -> SourceModel {
    try config(
      name,
      [
        name.hasPrefix("timm")
          ? (#""mlp_ratio": 2"#, #"\#(fields), "mlp_ratio": 2"#) : ("{\n  \"arch", "{\(fields),\n  \"arch")
      ])
  }

  private func problem(_ name: String, _ changes: [(String, String)]) -> String? {
    fault { _ = try config(name, changes) }
  }

  // MARK: Labels

  private static let id2label = (0..<5).map { "\"\($0)\": \"kind \($0)\"" }.joined(separator: ",\n    ")
  private static let label2id = (0..<5).map { "\"kind \($0)\": \($0)" }.joined(separator: ",\n    ")

  @Test(
    "labels are a list in order, or an object by the classes' numbers",
    arguments: [
      #"["a","b","c","d","e"]"#, #"{"0":"a","1":"b","2":"c","3":"d","4":"e"}"#,
      #"{"4":"e","3":"d","2":"c","1":"b","0":"a"}"#,
    ])
  func labels(_ labels: String) throws {
    let expected = ["a", "b", "c", "d", "e"]
    for field in ["label_names", "labels"] {
      let named = [(#""num_features""#, "\"\(field)\": \(labels), \"num_features\"")]
      #expect(try config(Self.deit3, named).labels == expected)
      let nested = [(#""tag""#, "\"\(field)\": \(labels), \"tag\"")]
      #expect(try config(Self.deit3, nested).labels == expected)
    }
    let model = try config(Self.vit, [("{\n    \(Self.id2label)\n  }", labels), (Self.label2id, "")])
    #expect(model.labels == expected && model.config.classCount == 5)
  }

  @Test(
    "labels in any other form are refused by their field",
    arguments: [
      (#""abc""#, #"label_names is "abc", expected a text for each class from 0 on"#),
      (#"["a", 1]"#, "label_names is 1 for 1, expected a text"),
      (#"{"a": 0}"#, "label_names is 0 for a, expected a text"),
      (#"{"-1": "a"}"#, #"label_names is "a" for -1, expected a text"#),
      (#"{"1": "a", "01": "b"}"#, #"label_names is "b" for 01, expected a text"#),
      (
        #"["a"], "label_descriptions": ["b"]"#, "label_descriptions is [\"b\"], expected an object with a text for each"
      ),
      (#"["a"], "label_descriptions": {"a": 1}"#, #"label_descriptions is 1 for "a", expected a text"#),
    ])
  func otherLabels(_ labels: String, _ expected: String) throws {
    let message = try #require(
      problem(Self.deit3, [(#""num_features""#, "\"label_names\": \(labels), \"num_features\"")]))
    #expect(message.contains(expected), "\(message)")
  }

  @Test("classes that label_names leaves out have no label, and that is said")
  func sparseLabels() throws {
    let names = [(#""num_features""#, #""label_names": {"0": "a", "3": "d"}, "num_features""#)]
    let model = try config(Self.deit3, names)
    #expect(model.labels == ["a", "", "", "d", ""])
    #expect(
      model.notes.contains { $0.hasSuffix("label_names has no text for class 1, and 2 more: no label is taken for it") }
    )
  }

  @Test("empty labels are none, and that is said")
  func emptyLabels() throws {
    let names = [(#""num_features""#, #""label_names": ["a", "", "c", "d", ""], "num_features""#)]
    let timm = try config(Self.deit3, names)
    #expect(timm.labels == ["a", "", "c", "d", ""])
    let note = "label_names has no text for class 1, and 1 more: no label is taken for it"
    #expect(timm.notes.contains { $0.hasSuffix(note) })
    let vit = try config(Self.vit, [(#""1": "kind 1""#, #""1": """#)])
    #expect(vit.labels?[1] == "")
    #expect(vit.notes.contains { $0.hasSuffix("id2label has no text for class 1: no label is taken for it") })
  }

  @Test("a configuration that is no object is refused as that", arguments: ["[{}]", "1", "null", #""x""#])
  func noObject(_ text: String) throws {
    for file in ["config.json", "preprocessor_config.json"] {
      let folder = try TemporaryFolder()
      let source = "\(Goldens.libraryDirectory)/\(Self.vit)"
      for name in try FileManager.default.contentsOfDirectory(atPath: source) {
        try folder.write(name == file ? Array(text.utf8) : contents(of: "\(source)/\(name)"), to: name)
      }
      let message = fault { _ = try SourceModel(checkpoint: folder.path, config: nil) }
      #expect(message == "\(folder.path)/\(file): no object of JSON, { … }", "\(message ?? "read")")
    }
  }

  @Test("label2id tells the labels where id2label does not, and a contradiction is said")
  func labelNumbers() throws {
    let kinds = (0..<5).map { "kind \($0)" }
    let without = [("\"id2label\": {\n    \(Self.id2label)\n  },", "")]
    #expect(try config(Self.vit, without).labels == kinds)
    #expect(try config(Self.vit, without + [(#""kind 0": 0"#, #""kind 0": "0""#)]).labels == kinds)
    let other = try config(Self.vit, [(#""kind 3": 3"#, #""sort 3": 3"#)])
    #expect(other.labels == kinds)
    #expect(
      other.notes.contains {
        $0.hasSuffix(#"class 3 is "kind 3" in id2label and "sort 3" in label2id: id2label is taken"#)
      }, "\(other.notes)")
    #expect(try !config(Self.vit, []).notes.contains { $0.contains("label2id") })
    let twice = try #require(problem(Self.vit, [(#""kind 3": 3"#, #""kind 3": 2"#)]))
    #expect(twice.contains(#"label2id is 2 for "kind 3", expected a class's own number for each text"#), "\(twice)")
  }

  @Test("num_labels that differs from id2label is said, and id2label is taken")
  func labelCount() throws {
    let more = try adding(Self.vit, #""num_labels": 7"#)
    #expect(more.config.classCount == 5)
    #expect(
      more.notes.contains {
        $0.hasSuffix("num_labels is 7, and id2label has 5 classes: id2label is taken, as transformers does")
      }, "\(more.notes)")
    #expect(try !adding(Self.vit, #""num_labels": 5"#).notes.contains { $0.contains("num_labels") })
  }

  @Test("a model_type whose blocks have other names is refused")
  func modelType() throws {
    let message = try #require(
      problem("hf_ViTForImageClassification", [(#""model_type": "vit""#, #""model_type": "dinov2""#)]))
    #expect(message.contains("model_type is dinov2, but the blocks in "), "\(message)")
    #expect(message.hasSuffix(" have the names of vit, vit_msn and deit"), "\(message)")
    let other = try #require(
      problem("hf_Dinov2ForImageClassification", [(#""model_type": "dinov2""#, #""model_type": "vit""#)]))
    #expect(other.contains("model_type is vit, but the blocks in "), "\(other)")
    #expect(other.hasSuffix(" have the names of dinov2"), "\(other)")
  }

  // MARK: Positions and tokens

  @Test(
    "as many rows of positions as patches and no_embed_class ask for are read, and no others",
    arguments: [
      // Rows, what no_embed_class is, and what the message ends with.
      (Self.deit3, 16, "", nil), (Self.deit3, 17, #""no_embed_class": false, "#, nil),
      ("timm_vit_base_patch16_224", 17, "", nil), ("timm_vit_base_patch16_224", 16, #""no_embed_class": true, "#, nil),
      ("timm_vit_small_patch14_reg4_dinov2", 21, #""no_embed_class": false, "#, nil),
      (
        Self.deit3, 17, "",
        "shape [1, 17, 16]: 17 tokens, expected 16: 16 for img_size in CONFIG and 0 for the 1 token before the patches, "
          + "as no_embed_class is not given, that is, true for deit3_small_patch16_224"
      ),
      (
        "timm_vit_base_patch16_224", 16, "",
        "shape [1, 16, 16]: 16 tokens, expected 17: 16 for img_size in CONFIG and 1 for the 1 token before the patches, "
          + "as no_embed_class is not given, that is, false for vit_base_patch16_224"
      ),
      (
        "timm_vit_base_patch16_224", 17, #""no_embed_class": true, "#,
        "17 tokens, expected 16: 16 for img_size in CONFIG and 0 for the 1 token before the patches, as no_embed_class is "
          + "true"
      ),
      (
        "timm_vit_small_patch14_reg4_dinov2", 17, "",
        "17 tokens, expected 16: 16 for img_size in CONFIG and 0 for the 5 tokens before the patches, as no_embed_class "
          + "is not given, that is, true for vit_small_patch14_reg4_dinov2"
      ),
      (
        "timm_vit_so150m_patch16_reg4_gap_256", 16, "",
        "16 tokens, expected 20: 16 for img_size in CONFIG and 4 for the 4 tokens before the patches, as no_embed_class "
          + "is not given, that is, false for vit_so150m_patch16_reg4_gap_256"
      ),
    ] as [(String, Int, String, String?)])
  func positions(_ library: String, _ rows: Int, _ argument: String, _ expected: String?) throws {
    let (folder, source) = (try TemporaryFolder(), "\(Goldens.libraryDirectory)/\(library)")
    let text = String(decoding: try contents(of: "\(source)/config.json"), as: UTF8.self)
    let config = try folder.write(text.replacing(#""mlp_ratio""#, with: argument + #""mlp_ratio""#).utf8, to: "c.json")
    var table = try shapes(of: source)
    table["pos_embed"] = [1, rows, 16]
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let message = fault { _ = try SourceModel(checkpoint: path, config: config) }
    guard let expected else { return #expect(message == nil) }
    #expect(message?.hasSuffix(expected.replacing("CONFIG", with: config)) == true, "\(message ?? "none")")
  }

  @Test("DINOv2's own files have a position for the class token and none for registers")
  func originalRegisters() throws {
    let (folder, source) = (try TemporaryFolder(), "\(Goldens.libraryDirectory)/timm_vit_small_patch14_reg4_dinov2")
    var table = try shapes(of: source)
    table["register_tokens"] = table.removeValue(forKey: "reg_token")
    for (rows, isRead) in [(16, true), (17, true), (21, false)] {
      table["pos_embed"] = [1, rows, 16]
      let path = try writeShapes(table, to: "m.safetensors", in: folder)
      #expect((fault { _ = try SourceModel(checkpoint: path, config: "\(source)/config.json") } == nil) == isRead)
    }
  }

  @Test("a class token that the architecture has is missed, and one that it has not is refused")
  func classToken() throws {
    let (folder, library) = (try TemporaryFolder(), Goldens.libraryDirectory)
    let source = "\(library)/timm_vit_small_patch14_reg4_dinov2"
    let text = String(decoding: try contents(of: "\(source)/config.json"), as: UTF8.self)
    let mean = text.replacing(#""global_pool": "token""#, with: #""global_pool": "avg""#)
      .replacing(#""mlp_ratio""#, with: #""fc_norm": false, "mlp_ratio""#)
    let config = try folder.write(mean.utf8, to: "c.json")
    var table = try shapes(of: source)
    #expect(
      fault {
        _ = try SourceModel(checkpoint: writeShapes(table, to: "m.safetensors", in: folder), config: config)
      } == nil)
    table["cls_token"] = nil
    let lost = fault {
      _ = try SourceModel(checkpoint: writeShapes(table, to: "m.safetensors", in: folder), config: config)
    }
    #expect(lost?.contains("tensor cls_token: as cls: missing, expected shape [1, 1, 16]") == true, "\(lost ?? "none")")
    let without = fault {
      let config = try folder.write(
        mean.replacing(#""fc_norm""#, with: #""class_token": false, "fc_norm""#).utf8, to: "w")
      _ = try SourceModel(checkpoint: writeShapes(table, to: "m.safetensors", in: folder), config: config)
    }
    #expect(without == nil)

    let gap = "\(library)/timm_vit_base_patch32_siglip_gap_256"
    var other = try shapes(of: gap)
    other["cls_token"] = [1, 1, 16]
    let found = fault {
      _ = try SourceModel(
        checkpoint: writeShapes(other, to: "m.safetensors", in: folder), config: "\(gap)/config.json")
    }
    #expect(
      found?.hasSuffix("vit_base_patch32_siglip_gap_256 has no class token, but the tensor cls_token is there") == true,
      "\(found ?? "none")")
  }

  @Test("dynamic_img_size runs with the images of input_size: positions are resized to them, and that is said")
  func dynamicSize() throws {
    let sizes = ("\"input_size\": [\n      3,\n      16,\n      16\n    ]", #""input_size": [3, 24, 20]"#)
    let dynamic = (#""mlp_ratio": 2"#, #""dynamic_img_size": true, "mlp_ratio": 2"#)
    let model = try config(Self.deit3, [sizes, dynamic])
    #expect(model.config.imageHeight == 24 && model.config.imageWidth == 20)
    #expect(model.preprocessing?.crop == Grid(height: 24, width: 20))
    #expect(
      model.notes.contains {
        $0.hasSuffix(
          "images are 24x20 (input_size) and img_size is 16x16: positions are resized, as dynamic_img_size says")
      }, "\(model.notes)")
    #expect(try config(Self.deit3, [sizes]).config.imageHeight == 16)
  }

  // MARK: Names

  @Test(
    "a field of another name is answered with the one that it probably means",
    arguments: [
      (Self.deit3, #""embed_dim": 16"#, #""num_features": 16"#, "model_args.num_features", "model_args.embed_dim"),
      (Self.deit3, #""in_chans": 3"#, #""channels": 3"#, "model_args.channels", "model_args.in_chans"),
      (Self.deit3, #""mlp_ratio": 2"#, #""mlp_ratios": 2"#, "model_args.mlp_ratios", "model_args.mlp_ratio"),
      (Self.deit3, #""model_args""#, #""depth": 2, "model_arg""#, "depth (and 1 more)", "model_args.depth"),
      (Self.deit3, #""crop_pct""#, #""crop_pc""#, "pretrained_cfg.crop_pc", "pretrained_cfg.crop_pct"),
      (Self.vit, #""layer_norm_eps""#, #""layer_norm_epsilon""#, "layer_norm_epsilon", "layer_norm_eps"),
      (Self.vit, #""hidden_size""#, #""embed_dim""#, "embed_dim", "hidden_size"),
      (Self.vit, #""num_channels""#, #""in_chans""#, "in_chans", "num_channels"),
      (Self.vit, #""num_attention_heads""#, #""num_heads""#, "num_heads", "num_attention_heads"),
      (Self.vit, #""hidden_act""#, #""act_layer""#, "act_layer", "hidden_act"),
    ])
  func meant(_ library: String, _ old: String, _ new: String, _ field: String, _ meant: String) throws {
    let message = try #require(problem(library, [(old, new)]))
    #expect(
      message.contains(
        "the field \(field) is not known, \(meant) is probably meant: mend its name, or take it out if inference does"),
      "\(message)")
  }

  @Test("a field of V-MoE's in the wrong place is answered with its place, one that is like none with nothing")
  func place() throws {
    let folder = try TemporaryFolder()
    func problem(_ text: String) throws -> String? {
      let path = try folder.write(text.utf8, to: "config.json")
      return fault { _ = try ModelConfig(path: path) }
    }
    #expect(
      try problem(#"{"num_heads": 2}"#)?.contains("num_heads is not known, encoder.num_heads is probably") == true)
    #expect(try problem(#"{"embed_dim": 2}"#)?.contains("embed_dim is not known, hidden_size is probably") == true)
    #expect(
      try problem(#"{"encoder": {"depth": 2}}"#)?.contains("encoder.depth is not known, encoder.num_layers ") == true)
    for text in [#"{"swin": 1}"#, #"{"hidden_size": 8, "embed_dim": 8}"#] {
      #expect(try problem(text)?.contains("is not known: mend its name") == true)
    }
  }

  @Test(
    "fields that cannot change what is computed pass",
    arguments: [
      (
        Self.deit3,
        #"""
        "pre_norm": false, "qk_norm": false, "scale_attn_norm": false, "scale_mlp_norm": false, "final_norm": true,
        "attn_layer": "attn", "device": null, "dtype": null, "embed_norm_layer": null, "mlp_layer": null
        """#
      ),
      (
        Self.vit,
        #"""
        "attn_implementation": "sdpa", "_attn_implementation": "eager", "_attn_implementation_autoset": true,
        "experts_implementation": null, "tie_encoder_decoder": false, "num_beams": 1, "temperature": 1.0, "top_k": 50,
        "repetition_penalty": 1.0, "bad_words_ids": null, "per_layer_config": null, "tie_last_hidden_states": null
        """#
      ),
    ])
  func harmless(_ library: String, _ fields: String) throws {
    let (model, plain) = (try adding(library, fields), try config(library, []))
    #expect(model.config == plain.config && model.preprocessing == plain.preprocessing)
    #expect(model.notes.count == plain.notes.count)
    #expect(try config(Self.deit3, [(#""tag""#, #""description": "x", "tag""#)]).config.layerCount == 2)
  }

  @Test("a regression has no classes, and is refused; of several labels it is said that no softmax trained them")
  func tasks() throws {
    let several = try adding(Self.vit, #""problem_type": "multi_label_classification""#)
    #expect(
      several.notes.contains {
        $0.hasSuffix(
          "trained for multi_label_classification, a sigmoid for each class: the answers are those of a softmax over the "
            + "classes, whose order is the same and whose probabilities are others")
      }, "\(several.notes)")
    let message = try #require(fault { _ = try adding(Self.vit, #""problem_type": "regression""#) })
    #expect(
      message.hasSuffix(
        "config.json: problem_type is \"regression\": its outputs are no classes, whose softmax is the answer here; "
          + "e3-train fit --head new trains a head of classes on it"), "\(message)")
    // Its backbone is taken.
    let folder = try TemporaryFolder()
    let library = "\(Goldens.libraryDirectory)/\(Self.vit)"
    let text = String(decoding: try contents(of: "\(library)/config.json"), as: UTF8.self)
    let config = try folder.write(
      text.replacing("{\n  \"arch", with: "{\"problem_type\": \"regression\",\n  \"arch"), to: "config.json")
    var options = ModelOptions()
    options.needsHead = false
    #expect(try SourceModel(checkpoint: library, config: config, options: options).config.classCount == 5)
  }

  @Test("ViTMSN is a ViT with another epsilon where its configuration says none")
  func vitMSN() throws {
    let type = (#""model_type": "vit""#, #""model_type": "vit_msn""#)
    let plain = try config(Self.vit, [])
    #expect(try config(Self.vit, [type]).config == plain.config)
    #expect(try config(Self.vit, [type]).preprocessing == plain.preprocessing)
    let epsilon = (#""layer_norm_eps": 1e-12,"#, "")
    #expect(try config(Self.vit, [type, epsilon]).config.normEpsilon == 1e-6)
    #expect(try config(Self.vit, [epsilon]).config.normEpsilon == 1e-12)
  }

  @Test("code of its own that auto_map names is passed over, and that is said")
  func autoMap() throws {
    let fields = #""auto_map": {"AutoModelForImageClassification": "modeling_x.XForImageClassification"}"#
    let model = try adding(Self.vit, fields)
    #expect(try model.config == config(Self.vit, []).config)
    #expect(
      model.notes.contains {
        $0.hasSuffix(
          "auto_map names code of its own (AutoModelForImageClassification), which is not looked at: the model is computed "
            + "as transformers' vit")
      }, "\(model.notes)")
  }

  @Test(
    "arguments that make the model another one are refused with what they mean",
    arguments: [
      (#""pre_norm": true"#, "pre_norm is true, expected false: a model with a norm before the first block is not "),
      (#""qk_norm": true"#, "qk_norm is true, expected false: a model with norms of queries and keys is"),
      (#""scale_mlp_norm": true"#, "scale_mlp_norm is true, expected false: a model with a norm inside MLPs"),
      (#""final_norm": false"#, "final_norm is false, expected true: a model with no norm behind the last block"),
      (#""final_norm": null"#, "final_norm is false, expected true"),
      (#""attn_layer": "diff""#, #"attn_layer is "diff", expected one of"#),
    ])
  func otherModels(_ field: String, _ expected: String) throws {
    let message = try #require(fault { _ = try adding(Self.deit3, field) })
    #expect(message.contains(expected), "\(message)")
  }

  @Test("model_args that contradict the fields beside them are refused")
  func contradictions() throws {
    let classes = try #require(
      problem(Self.deit3, [("\"model_args\": {\n    \"num_classes\": 5", "\"model_args\": {\n    \"num_classes\": 6")]))
    #expect(classes.contains("model_args.num_classes is 6, expected 5 as num_classes beside model_args"), "\(classes)")
    let width = try #require(problem(Self.deit3, [(#""num_features": 16"#, #""num_features": 8"#)]))
    #expect(width.contains("model_args.embed_dim is 16, expected 8 as num_features beside model_args"), "\(width)")
    let std = try #require(problem(Self.deit3, [(#""std""#, #""_std""#)]))
    #expect(std.contains("pretrained_cfg.std is missing, expected one beside mean"), "\(std)")
  }

  @Test(
    "an architecture that is not computed is called what it is",
    arguments: [
      ("vit_small_patch16_18x2_224", "blocks of several attentions and MLPs side by side"),
      ("vit_giant_patch14_reg4_dinov2", "MLPs with SwiGLU"), ("vit_giant_patch14_reg1_tipsv2", "MLPs with SwiGLU"),
      ("vit_pwee_patch16_reg1_gap_256", "attention and MLP side by side"),
      ("vit_dwee_patch16_reg1_gap_256", "differential attention"),
      ("vit_base_patch16_rpn_224", "norms behind attention and MLP"),
      ("vit_base_patch16_clip_224", "a layer norm before the first block"),
      ("vit_intern300m_patch14_448", "no norm behind the last block"),
      ("vit_huge_patch16_radio_v4", "no norm behind the last block"),
      ("vit_pe_spatial_base_patch16_512", "rotary positions"), ("vit_large_patch16_sapiens2", "rotary positions"),
      ("vit_base_r50_s16_224", "a convolutional network before the first block"),
    ])
  func architectures(_ name: String, _ what: String) throws {
    let message = try #require(problem(Self.deit3, [("deit3_small_patch16_224", name)]))
    #expect(
      message.contains(
        "architecture is \"\(name)\", a model with \(what), which is not computed here; of timm's models"),
      "\(message)")
  }

  @Test("a Dinov2 whose configuration gives no patch size has patches of 14")
  func dinov2Patches() throws {
    let message = try #require(
      problem("hf_Dinov2ForImageClassification", [(#""patch_size": 4"#, #""_patch_size": 4"#)]))
    #expect(message.contains("expected 14 along axis 2 (patch_size[0]"), "\(message)")
  }

  @Test("model_args without an architecture are timm's all the same, and means are one or three")
  func missing() throws {
    let name = try #require(problem(Self.deit3, [(#""architecture""#, #""_architecture""#)]))
    #expect(name.contains("architecture is missing, expected a name"), "\(name)")
    let mean = "\"mean\": [\n      0.485,\n      0.456,\n      0.406\n    ]"
    for other in ["[]", "[0.5, 0.5]"] {
      let message = try #require(problem(Self.deit3, [(mean, "\"mean\": \(other)")]))
      #expect(message.contains("pretrained_cfg.mean is \(other), expected one number or three"), "\(message)")
    }
  }

  // MARK: Processors

  @Test(
    "what a processor of an unknown type does is done where it is said, and refused where it is not",
    arguments: [
      ([], "do_center_crop is missing, expected true or false: the default of "),
      (
        [(#""resample""#, #""do_center_crop": true, "crop_size": 16, "resample""#)],
        "do_center_crop is true, expected false: what is cropped, and when, by "
      ),
      ([crops, (#""do_resize""#, #""_""#)], "do_resize is missing, expected true or false: the default of "),
      ([crops, (#""do_rescale""#, #""_""#)], "do_rescale is missing, expected true or false: the default of "),
      ([crops, (#""do_normalize""#, #""_""#)], "do_normalize is missing, expected true or false: the default of "),
      (
        [crops, (sides, #""shortest_edge": 16"#)],
        "size is shortest_edge, expected height and width: what a shorter side means for "
      ),
    ] as [([(String, String)], String)])
  func unknownProcessor(_ changes: [(String, String)], _ expected: String) throws {
    let changes = [("ViTImageProcessor", "LevitImageProcessor")] + changes
    let message = try #require(fault { _ = try openEdited(Self.vit, "preprocessor_config.json", changes) })
    #expect(
      message.hasSuffix("\(expected)image_processor_type \"LevitImageProcessor\" is not known"), "\(message)")
  }

  private static let crops = (#""resample""#, #""do_center_crop": false, "resample""#)
  private static let sides = "\"height\": 16,\n    \"width\": 16"

  @Test("what is done for a processor of an unknown type is said")
  func knownStages() throws {
    let model = try openEdited(
      Self.vit, "preprocessor_config.json", [("ViTImageProcessor", "LevitImageProcessor"), Self.crops])
    #expect(try model.preprocessing == config(Self.vit, []).preprocessing)
    let type = #"image_processor_type "LevitImageProcessor" is not known"#
    #expect(
      model.notes.contains { $0.hasSuffix("\(type): its fields are done as they say, and nothing else") },
      "\(model.notes)")
  }

  @Test(
    "sizes that contradict each other are refused",
    arguments: [
      (
        "{\n    \"height\": 16,", "{\n    \"shortest_edge\": 16, \"height\": 16,",
        "either height and width or shortest_edge"
      ),
      (sides, "\"height\": 16", "size is of height, expected either"),
      ("{\n    \(sides)\n  }", "[16, 16]", "size is [16, 16], expected a size in pixels"),
      (
        "{\n    \(sides)\n  }", "16, \"default_to_square\": false",
        "default_to_square is false, expected true as ViTImageProcessor has"
      ),
    ])
  func sizes(_ old: String, _ new: String, _ expected: String) throws {
    let message = try #require(fault { _ = try openEdited(Self.vit, "preprocessor_config.json", [(old, new)]) })
    #expect(message.contains(expected), "\(message)")
  }
}
