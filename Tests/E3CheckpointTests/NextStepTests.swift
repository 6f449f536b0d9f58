import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

/// What a checkpoint that is not read is answered with.
@Suite("Next steps") struct NextStepTests {
  private let folder: TemporaryFolder
  private static let library = Goldens.libraryDirectory

  init() throws { folder = try TemporaryFolder() }

  private func problem(_ path: String, config: String? = nil, ignoring: [String] = []) -> String? {
    fault { _ = try SourceModel(checkpoint: path, config: config, ignoring: ignoring) }
  }

  /// A model of safetensors with other names of tensors, and its configuration beside it.
  private func renaming(_ library: String, _ name: (String) -> String) throws -> String {
    let source = "\(Self.library)/\(library)"
    let bytes = try contents(of: "\(source)/model.safetensors")
    let size = Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    let header = try #require(
      try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + size])) as? [String: Any])
    let renamed = Dictionary(uniqueKeysWithValues: header.map { ($0 == "__metadata__" ? $0 : name($0), $1) })
    let text = try JSONSerialization.data(withJSONObject: renamed)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    try folder.write(contents(of: "\(source)/config.json"), to: "config.json")
    return try folder.write(length + [UInt8](text) + bytes[(8 + size)...], to: "model.safetensors")
  }

  /// A library's model with other or more tensors, and its configuration beside it.
  private func storing(_ library: String, _ tensors: [(name: String, shape: [Int], values: [Float])]) throws -> String {
    let source = "\(Self.library)/\(library)"
    var all = tensors
    for (name, tensor) in try StoredTensors(CheckpointFiles(path: source)).tensors
    where !tensors.contains(where: { $0.name == name }) {
      all.append((name, tensor.shape, try tensor.allValues()))
    }
    try folder.write(contents(of: "\(source)/config.json"), to: "stored.json")
    let writer = try SafetensorsWriter(path: folder["stored.safetensors"], tensors: all.map { ($0.name, $0.shape) })
    for tensor in all { try writer.append(tensor.values) }
    try writer.finish()
    return folder["stored.safetensors"]
  }

  @Test("a second head is named beside the one that is read, and how it is taken instead")
  func secondHead() throws {
    let library = "timm_vit_base_patch16_224"
    let hidden = try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil).config.hiddenSize
    let path = try storing(
      library,
      [("fc.bias", [3], [0, 0, 0]), ("fc.weight", [3, hidden], [Float](repeating: 0, count: 3 * hidden))])
    #expect(
      try #require(problem(path)).hasSuffix(
        "--ignore 'fc.*' leaves them out, if inference does not need them; fc.weight, shape [3, \(hidden)], may be a head "
          + "too, beside head.weight, which is read: if it is the trained one, save the model with that and its bias under "
          + "the names of these"))
    #expect(problem(path, ignoring: ["fc.*"]) == nil)
  }

  @Test("a number that the logits are scaled by is named, also where --ignore leaves it out")
  func logitScale() throws {
    for name in ["temperature", "scaling.logit_scale"] {
      let path = try storing("timm_vit_base_patch16_224", [(name, [1], [2])])
      #expect(try #require(problem(path)).hasSuffix("; \(name): \(LogitScale.next)"))
      let model = try SourceModel(checkpoint: path, config: nil, ignoring: [name])
      #expect(model.notes.contains("\(path): \(name) is left out: \(LogitScale.next)"))
    }
  }

  @Test("tensors that normalise the pixels are answered with the --value-norm that does so")
  func normalisation() throws {
    let library = "timm_vit_base_patch16_224"
    let (mean, deviation): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    for (way, shape) in [("0.", [3]), ("normalize.", [1, 3, 1, 1])] {
      let path = try storing(library, [("\(way)mean", shape, mean), ("\(way)std", shape, deviation)])
      let message = try #require(problem(path))
      #expect(message.contains("--ignore '\(way)*' leaves them out, if inference does not need them; "), "\(message)")
      let norm = "which --value-norm 0.485,0.456,0.406,0.229,0.224,0.225 does instead"
      #expect(
        message.contains(
          "\(way)mean and \(way)std normalise the pixels, \(norm), if the model takes pixels in 0...1 or 0...255"))
      #expect(problem(path, ignoring: ["\(way)*"]) == nil)
    }
    let one = try #require(problem(storing(library, [("pixel_mean", [1], [127.5]), ("pixel_std", [1], [64])])))
    #expect(one.contains("--value-norm 127.5,64.0 does instead"), "\(one)")
    // Others are none.
    for other in [[("x.mean", [5], mean + [0, 0]), ("x.std", [5], deviation + [1, 1])], [("x.mean", [3], mean)]]
      as [[(name: String, shape: [Int], values: [Float])]]
    {
      #expect(try problem(storing(library, other))?.contains("value-norm") == false)
    }
  }

  @Test("a head of twice the hidden width is answered with the field that makes it right")
  func wideHead() throws {
    let library = "timm_vit_base_patch16_224"
    func head(_ times: Int) throws -> String {
      try storing(library, [("head.weight", [5, 16 * times], [Float](repeating: 0.5, count: 80 * times))])
    }
    let message = try #require(problem(head(2)))
    #expect(message.contains("tensor head.weight: as head/kernel: shape [5, 32], expected [5, 16] for "), "\(message)")
    #expect(message.hasSuffix(#"--config says so with "classifier": "token_and_patch_mean""#), "\(message)")
    let config = try folder.write(
      #"{"encoder": {"num_heads": 2}, "classifier": "token_and_patch_mean"}"#, to: "wide.json")
    #expect(try problem(head(2), config: config) == nil)
    #expect(try problem(head(5))?.contains("it reads 5 vectors, as DINOv2's that reads the class tokens of") == true)
  }

  @Test(
    "whichever norm, matrix or bias of a block is missing, it is named, and no other tensor",
    arguments: [
      (
        "timm_vit_small_patch14_reg4_dinov2",
        [
          "norm1.weight", "norm2.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.proj.bias", "mlp.fc2.weight",
          "mlp.fc1.bias",
        ],
        "blocks."
      ),
      (
        "hf_Dinov2ForImageClassification",
        [
          "norm1.weight", "norm2.weight", "attention.attention.key.weight", "attention.attention.key.bias",
          "mlp.fc2.bias",
        ],
        "encoder.layer."
      ),
    ])
  func missing(_ library: String, _ names: [String], _ blocks: String) throws {
    for block in [0, 1] {
      for name in names {
        let lost = "\(blocks)\(block).\(name)"
        var found = ""
        let path = try renaming(library) { stored in
          guard stored.hasSuffix(lost) else { return stored }
          found = stored
          return "ema.\(stored)"
        }
        try #require(!found.isEmpty)
        let message = try #require(problem(path))
        #expect(message.contains("tensor \(found): as Encoder/encoderblock_\(block)/"), "\(message)")
        #expect(message.contains(": missing, expected "), "\(message)")
      }
    }
  }

  @Test(
    "a LayerScale that other blocks have, a part of two heads and the positions are missed by their names",
    arguments: [
      ("timm_deit3_small_patch16_224", "blocks.0.ls1.gamma", ": missing, expected shape [16] for "),
      ("hf_Dinov2ForImageClassification", "layer.1.layer_scale2.lambda1", ": missing, expected shape [16] for "),
      ("hf_DeiTForImageClassificationWithTeacher", "distillation_classifier.bias", "but the rest of the two heads"),
      ("hf_DeiTForImageClassificationWithTeacher", "cls_classifier.weight", "but the rest of the two heads"),
      ("timm_vit_base_patch16_224", "pos_embed", ": missing, expected "),
    ])
  func missingParts(_ library: String, _ lost: String, _ problem: String) throws {
    var found = ""
    let path = try renaming(library) { stored in
      guard stored.hasSuffix(lost) else { return stored }
      found = stored
      return "ema.\(stored)"
    }
    try #require(!found.isEmpty)
    let message = try #require(self.problem(path))
    #expect(message.contains("tensor \(found): ") && message.contains(problem), "\(message)")
    // Nor does it help to leave the rest of a head out.
    let distilled = self.problem("\(Self.library)/timm_deit_tiny_distilled_patch16_224", ignoring: ["*.head_dist.*"])
    #expect(distilled?.contains(".head_dist.weight: missing, but dist_token is there, for a second head") == true)
    let undistilled = self.problem(
      "\(Self.library)/timm_deit_tiny_distilled_patch16_224", ignoring: ["*.head_dist.*", "*.dist_token"])
    #expect(undistilled?.contains(".dist_token: missing, but the model of ") == true, "\(undistilled ?? "none")")
  }

  @Test("layers that have no bias in any block get zeros, and that is said")
  func withoutBias() throws {
    let library = "timm_vit_small_patch14_reg4_dinov2"
    let lost = [".attn.proj.bias", ".mlp.fc1.bias", ".mlp.fc2.bias"]
    let path = try renaming(library) { name in lost.contains(where: name.hasSuffix) ? "ema.\(name)" : name }
    let missed = try #require(problem(path))
    #expect(
      missed.contains("tensor blocks.0.mlp.fc1.bias: missing, but vit_small_patch14_reg4_dinov2 has proj_bias"),
      "\(missed)")
    let config = String(decoding: try folder.bytes("config.json"), as: UTF8.self)
    try folder.write(config.replacing(#""mlp_ratio""#, with: #""proj_bias": false, "mlp_ratio""#), to: "config.json")
    let model = try SourceModel(checkpoint: path, config: nil)
    #expect(
      model.notes.contains(
        "\(path): has no bias of Encoder/encoderblock_*/Mlp/Dense_0, Encoder/encoderblock_*/Mlp/Dense_1, "
          + "Encoder/encoderblock_*/SelfAttention/out: zeros are taken"), "\(model.notes)")
    for layer in ["Mlp/Dense_0", "Mlp/Dense_1", "SelfAttention/out"] {
      #expect(try model.values(of: "Encoder/encoderblock_1/\(layer)/bias").allSatisfy { $0 == 0 })
    }
    #expect(try model.values(of: "head/bias").contains { $0 != 0 })
  }

  @Test(
    "what all models of an architecture have is missed by its name, though no block has it",
    arguments: [
      ("hf_Dinov2ForImageClassification", "layer_scale", "layer.0.layer_scale1.lambda1: ", ": missing, expected shape"),
      (
        "hf_DeiTForImageClassification", "attention.key.bias", "layer.0.attention.attention.key.bias: ",
        ": missing, exp"
      ),
      ("timm_deit3_small_patch16_224", ".ls", "blocks.0.ls1.gamma: ", "missing, but deit3_small_patch16_224 has Layer"),
      (
        "timm_vit_small_patch14_dinov2", ".ls", "blocks.0.ls1.gamma: ",
        "missing, but vit_small_patch14_dinov2 has Layer"
      ),
      (
        "timm_vit_base_patch16_224", "qkv.bias", "blocks.0.attn.qkv.bias: ", "missing, but vit_base_patch16_224 has qkv"
      ),
      ("timm_vit_medium_patch16_reg4_gap_256", "fc_norm", "fc_norm.weight: ", "_gap_256 has fc_norm in "),
      ("timm_vit_base_patch16_siglip_224", "attn_pool", "attn_pool.latent: ", "missing, expected shape [1, 1, 16]"),
      ("timm_vit_base_patch16_224", "head.bias", "head.bias: ", "missing, expected shape [5]"),
    ])
  func missingEverywhere(_ library: String, _ lost: String, _ name: String, _ problem: String) throws {
    let path = try renaming(library) { $0.contains(lost) ? "ema.\($0)" : $0 }
    let message = try #require(self.problem(path))
    #expect(message.contains(name) && message.contains(problem), "\(message)")
  }

  @Test("weights that are there as a moving average alone are read, and that is said")
  func movingAverage() throws {
    let library = "timm_vit_small_patch14_reg4_dinov2"
    let path = try renaming(library) { "state_dict_ema.module.\($0)" }
    let (average, plain) = (
      try SourceModel(checkpoint: path, config: nil),
      try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil)
    )
    #expect(average.config == plain.config)
    for parameter in plain.config.parameters {
      #expect(try average.values(of: parameter.name) == plain.values(of: parameter.name))
    }
    #expect(average.notes.contains("\(path): its only weights are a moving average, state_dict_ema.…: these are taken"))
    // A tensor that would make the model another one is refused there too.
    let foreign = try renaming(library) { $0 == "reg_token" ? "ema.rope.freqs" : "ema.\($0)" }
    #expect(problem(foreign)?.contains("tensor ema.rope.freqs: belongs to rotary positions") == true)
    let part = try renaming(library) { $0.hasPrefix("blocks.") ? "ema.\($0)" : $0 }
    #expect(problem(part) != nil)
  }

  @Test("a moving average beside the weights is named, with what takes it instead")
  func movingAverageBeside() throws {
    let anchor = "patch_embed.proj.weight"
    let path = try renaming("timm_vit_small_patch14_reg4_dinov2") { name in
      name == "head.bias" ? "state_dict_ema.\(anchor)" : "state_dict.\(name)"
    }
    let checkpoint = try Checkpoint(path: path)
    #expect(
      checkpoint.notes == [
        "\(path): beside these weights it has a moving average, state_dict_ema.…: --ignore 'state_dict.*' takes that one "
          + "instead"
      ])
    let average = try Checkpoint(path: path, ignoring: ["state_dict.*"])
    #expect(average.notes == ["\(path): its only weights are a moving average, state_dict_ema.…: these are taken"])
    let two = try renaming("timm_vit_small_patch14_reg4_dinov2") { name in
      name == "head.bias" ? "ema.\(anchor)" : name == "head.weight" ? "shadow.\(anchor)" : "state_dict.\(name)"
    }
    #expect(
      try Checkpoint(path: two).notes == [
        "\(two): beside these weights it has the moving averages ema.…, shadow.…: --ignore 'state_dict.*', and one for all "
          + "but one of them, takes that one instead"
      ])
  }

  @Test(
    "what PyTorch Lightning keeps beside the weights is passed over",
    arguments: [
      "optimizer_states.0.state.0.exp_avg", "lr_schedulers.0.last", "loops.fit_loop.total", "callbacks.best.score",
      "hyper_parameters.class_weights",
    ])
  func lightning(_ name: String) throws {
    let path = try renaming("timm_vit_small_patch14_reg4_dinov2") {
      $0 == "head.bias" ? name : "state_dict.model.\($0)"
    }
    let checkpoint = try Checkpoint(path: path)
    #expect(checkpoint.passedOver.map(\.name) == [name])
  }

  @Test("of several moving averages one is to be chosen")
  func movingAverages() throws {
    let anchor = "patch_embed.proj.weight"
    let path = try renaming("timm_vit_small_patch14_reg4_dinov2") { name in
      name == anchor ? "ema.\(name)" : name == "head.weight" ? "shadow.\(anchor)" : "ema.\(name)"
    }
    let message = try #require(problem(path))
    #expect(message.hasSuffix("several moving averages (ema., shadow.): leave all but one of them out with --ignore"))
    #expect(problem(path, ignoring: ["shadow.*"])?.contains("tensor ema.head.weight: ") == true)
  }

  @Test("the target of flax's optimizer is the model, as timm reads it")
  func optimizerTarget() throws {
    let source = "\(Goldens.smallDirectory)/vit_token"
    let config = "\(source)/config.json"
    let plain = try SourceModel(checkpoint: "\(source)/vit_token_linen.npz", config: config)
    let names = plain.config.parameters.map(\.name)
    let writer = try SafetensorsWriter(
      path: folder["opt.safetensors"],
      tensors: plain.config.parameters.map { ("opt/target/\($0.name)", $0.shape) } + [("opt/state/step", [1])])
    for name in names { try writer.append(plain.values(of: name)) }
    try writer.append([3])
    try writer.finish()
    let model = try SourceModel(checkpoint: folder["opt.safetensors"], config: config)
    for name in names { #expect(try model.values(of: name) == plain.values(of: name)) }
    #expect(model.notes == ["\(folder["opt.safetensors"]): passed over: opt/state/step (optimizer state)"])
  }

  @Test("parts without their index, checkpoints of torch.distributed and programs of torch.export")
  func files() throws {
    for (files, expected) in [
      (
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        "without their index: fetch model.safetensors.index.json"
      ),
      (["__0_0.distcp", "__1_0.distcp"], "format_utils dcp_to_torch "),
    ] {
      let folder = try TemporaryFolder()
      for file in files { try folder.write([], to: file) }
      #expect(problem(folder.path)?.contains(expected) == true, "\(problem(folder.path) ?? "none")")
    }
    let part = try folder.write([0], to: "__0_0.distcp")
    #expect(problem(part)?.contains("a checkpoint of torch.distributed") == true)
    let program = try folder.write(
      storedZip([("m/archive_format", [0]), ("m/data/weights/weight_0", [0])]), to: "model.pt2")
    #expect(problem(program)?.contains("torch.save(torch.export.load(FILE).state_dict, NEW)") == true)
  }

  @Test("an array of big-endian numbers is named with what to do")
  func bigEndian() throws {
    let array = npy([2, 2, 3, 4], [UInt8](repeating: 0, count: 192), type: ">f4")
    let names = ["embedding/kernel", "Transformer/encoder_norm/scale"]
    let path = try folder.write(storedZip(names.map { ("\($0).npy", array) }), to: "big.npz")
    let message = try #require(problem(path))
    #expect(
      message.contains("tensor embedding/kernel: ") && message.hasSuffix("save it as array.astype('<f4')"), "\(message)"
    )
  }

  @Test(
    "a head under another name is missed with the tensors that may be it",
    arguments: [
      ("timm_vit_base_patch16_224", "head.", "head.1.", "head.1.bias, head.1.weight"),
      ("timm_vit_base_patch16_224", "head.", "fc.", "fc.bias, fc.weight"),
      ("hf_Dinov2ForImageClassification", "classifier.", "classifier.1.", "classifier.1.bias, classifier.1.weight"),
      ("hf_Dinov2ForImageClassification", "dinov2.", "backbone.", "classifier.bias, classifier.weight"),
    ])
  func renamedHead(_ library: String, _ old: String, _ new: String, _ names: String) throws {
    let path = try renaming(library) { $0.hasPrefix(old) ? new + $0.dropFirst(old.count) : $0 }
    let message = try #require(problem(path))
    #expect(
      message.contains("head/kernel: missing: a backbone without")
        && message.hasSuffix("if it is in \(names), rename it to that; else e3-train fit --head new trains one"),
      "\(message)")
  }

  @Test(
    "what is more or other than one linear layer is no head that can be renamed, and a decoder of MAE is none",
    arguments: [
      (["head.0.weight": [7, 16], "head.0.bias": [7]], "if it is in head.0.bias, head.0.weight, rename it to that"),
      (["fc.weight": [7, 32]], "if it is in fc.weight, rename it to that"),
      (
        ["head.0.weight": [16], "head.0.bias": [16], "head.1.weight": [7, 16], "head.1.bias": [7]],
        "a head is one linear layer, [classes, hidden] and its bias, but there are head.0.bias, head.0.weight, "
          + "head.1.bias, head.1.weight: a BatchNorm next to that layer can be folded into it, other layers cannot; "
          + "--ignore leaves out what is none of the model's; e3-train fit --head new trains a head of its own"
      ),
      (
        ["head.0.weight": [8, 16], "head.0.bias": [8], "head.2.weight": [7, 8], "head.2.bias": [7]],
        "a head is one linear layer"
      ),
      (["head.1.weight": [7, 12], "head.1.bias": [7]], "a head is one linear layer"),
      (["head.1.weight": [7, 16], "other.bias": [7]], "a head is one linear layer"),
      (
        ["decoder_pos_embed": [1, 17, 8], "decoder_blocks.0.norm1.weight": [8], "decoder_pred.weight": [48, 8]],
        "packed; decoder… is the decoder of a masked autoencoder (MAE), which is no head: e3-train fit --head "
          + "new trains one, with --ignore 'decoder*'"
      ),
      (["decoder.weight": [7, 16]], "if it is in decoder.weight, rename it to that"),
    ])
  func otherHeads(_ others: ShapeTable, _ expected: String) throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source).filter { !$0.key.hasPrefix("head.") }
    table["mask_token"] = [1, 1, 16]
    table.merge(others) { $1 }
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let message = try #require(problem(path, config: "\(source)/config.json"))
    #expect(message.contains(expected), "\(message)")
    if expected.contains("MAE") {
      var options = ModelOptions()
      options.needsHead = false
      _ = try SourceModel(
        checkpoint: path, config: "\(source)/config.json", options: options, ignoring: ["decoder*"])
    }
  }

  @Test("a head of one class is refused, in every form of it, and its backbone is taken")
  func oneClass() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    (table["head.weight"], table["head.bias"]) = ([1, 16], [1])
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let config = try folder.write(#"{"encoder": {"num_heads": 2}}"#, to: "m.json")
    let message = try #require(problem(path, config: config))
    #expect(
      message
        == "\(path): tensor head.weight: as head/kernel: one class, whose softmax is 1 for every image: if it is the logit "
        + "z of a sigmoid, make it two, [0, z], whose softmax is that sigmoid: zeros for the first class's weights and "
        + "bias, and these for the second's")
    var options = ModelOptions()
    options.needsHead = false
    #expect(try SourceModel(checkpoint: path, config: config, options: options).config.classCount == 1)
    (table["head.weight"], table["head.bias"]) = ([2, 16], [2])
    let two = try SourceModel(checkpoint: writeShapes(table, to: "m.safetensors", in: folder), config: config)
    #expect(two.config.classCount == 2)
  }

  @Test("the chunks in which DINOv2 trains its blocks are none of their names")
  func chunks() throws {
    let library = "timm_vit_base_patch16_224"
    let plain = try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil)
    let path = try renaming(library) { name in
      let parts = name.split(separator: ".")
      return parts[0] == "blocks" ? "blocks.\(parts[1]).\(parts[1...].joined(separator: "."))" : name
    }
    let model = try SourceModel(checkpoint: path, config: nil)
    #expect(model.config == plain.config)
    for parameter in plain.config.parameters {
      #expect(try model.values(of: parameter.name) == plain.values(of: parameter.name))
    }
    let ignored = problem(path, ignoring: ["blocks.1.1.norm1.bias"])
    #expect(ignored?.contains("tensor blocks.1.1.norm1.bias: is in an encoder block") == true)
    // Blocks that each chunk counts anew are others.
    let stages = try renaming(library) {
      $0.replacing("blocks.0.", with: "blocks.0.0.").replacing("blocks.1.", with: "blocks.1.0.")
    }
    #expect(problem(stages)?.contains(": a second tensor for blocks.0.") == true, "\(problem(stages) ?? "none")")
  }

  @Test("blocks that stand beside their model, as transformers 5 writes ViTMSN's, are its blocks")
  func outerBlocks() throws {
    let source = "\(Self.library)/hf_ViTForImageClassification"
    let plain = try SourceModel(checkpoint: source, config: nil)
    var table = try shapes(of: source)
    for name in table.keys where name.hasPrefix("vit.encoder.layer.") {
      table[String(name.dropFirst("vit.".count))] = table.removeValue(forKey: name)
    }
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let model = try SourceModel(checkpoint: path, config: "\(source)/config.json")
    #expect(model.config == plain.config && model.checkpoint.tensorNames == plain.checkpoint.tensorNames)
    let ignored = problem(path, ignoring: ["encoder.layer.1.layernorm_before.bias"])
    #expect(ignored?.contains("layernorm_before.bias: is in an encoder block") == true, "\(ignored ?? "none")")
  }

  @Test("blocks with the names of no library are said to have them")
  func otherBlocks() throws {
    let path = try renaming("timm_vit_base_patch16_224") { $0.replacing("blocks.", with: "stages.0.") }
    let message = try #require(problem(path))
    let others = ["proj.bias", "proj.weight", "qkv.bias"].map { "stages.0.0.attn.\($0)" }.joined(separator: ", ")
    #expect(
      message.contains("has a patch embedding with timm's names and no encoder block with the names of a library")
        && message.hasSuffix("; its other tensors are \(others) and 21 more"), "\(message)")
  }

  @Test("tensors of whole numbers and without values are refused with what makes floats of them")
  func noFloats() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    let name = "blocks.1.mlp.fc1.weight"
    let quantised =
      "element type int8, expected float32, float16, bfloat16 or float64: its weights may be quantised; give the "
      + "float ones (those of bitsandbytes after model.dequantize())"
    for shape in [table[name] ?? [], [16, 7]] {
      table[name] = shape
      let path = try writeShapes(table, to: "m.safetensors", in: folder, bytes: [name])
      let message = try #require(problem(path, config: "\(source)/config.json"))
      #expect(message.contains("tensor \(name): ") && message.hasSuffix(quantised), "\(message)")
    }
    let empty = try shapes(of: source).mapValues { _ in [0] }
    let message = try #require(
      problem(writeShapes(empty, to: "zero3.safetensors", in: folder), config: "\(source)/config.json"))
    #expect(
      message.hasSuffix(
        "patch_embed.proj.weight: as embedding/kernel: shape [0], without values, as ZeRO stage 3 of DeepSpeed leaves it: "
          + "zero_to_fp32.py, which DeepSpeed puts into the folder of its checkpoint, makes the weights whole"),
      "\(message)")
  }

  @Test("positions without one for a class token that is not there: the model may have none, or has lost it")
  func noClassToken() throws {
    var table = try shapes(of: "\(Self.library)/hf_ViTForImageClassification")
    for name in table.keys where name.hasSuffix(".cls_token") { table[name] = nil }
    for name in table.keys where name.hasSuffix(".position_embeddings") { table[name] = [1, 16, 16] }
    let heads = try folder.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    func open(_ config: String, _ size: (height: Int, width: Int)? = nil) throws -> SourceModel {
      var options = ModelOptions()
      options.imageSize = size
      let path = try writeShapes(table, to: "m.safetensors", in: folder)
      return try SourceModel(checkpoint: path, config: config, options: options)
    }
    let expected =
      "position_embeddings [1, 16, 16] has the positions of 4x4 patches and none for a class token, and "
      + "vit.embeddings.cls_token is not there: where the model has none, as I-JEPA, give --config with "
      + #"{"classifier": "gap"}, else it is lost"#
    for size in [nil, (height: 16, width: 16)] {
      let message = try #require(fault { _ = try open(heads, size) })
      #expect(message.hasSuffix(expected), "\(message)")
    }
    let config = try folder.write(#"{"classifier": "gap", "encoder": {"num_heads": 2}}"#, to: "gap.json")
    let model = try open(config)
    #expect(model.config.tokenCount == 16 && model.config.classifier == .gap)
    // The size that is asked for does not tell that of the training.
    for name in table.keys where name.hasSuffix(".position_embeddings") { table[name] = [1, 19, 16] }
    let other = try #require(fault { _ = try open(heads, (12, 12)) })
    #expect(
      other.hasSuffix(
        "are no square, nor those of --image-size, 3x3: give --config with {\"image_size\": [H, W]} of the training, and "
          + "--image-size for another one"), "\(other)")
  }

  @Test("of two norms the one that the configuration does without is left out")
  func twoNorms() throws {
    // The first norm of a block has the shapes of an fc_norm.
    let path = try renaming("timm_vit_base_patch16_224") {
      $0.hasPrefix("blocks.1.norm1.") ? $0.replacing("blocks.1.norm1.", with: "fc_norm.") : $0
    }
    let message = try #require(problem(path))
    #expect(
      message.hasSuffix(
        "fc_norm is not given, that is, false with global_pool token, but the tensor fc_norm.weight is there: "
          + "--ignore 'fc_norm.*' leaves it out"), "\(message)")
    #expect(problem(path, ignoring: ["fc_norm.*"])?.contains("tensor blocks.1.norm1.weight: ") == true)
  }

  @Test("without a configuration nothing tells which of two norms the model has: both options are named, and work")
  func twoNormsAlone() throws {
    let (source, config) = ("\(Self.library)/timm_vit_base_patch16_224", #"{"encoder": {"num_heads": 2}}"#)
    var table = try shapes(of: source)
    for part in ["weight", "bias"] { table["fc_norm.\(part)"] = [16] }
    let path = try writeShapes(table, to: "both.safetensors", in: folder)
    let heads = try folder.write(config, to: "heads.json")
    let message = try #require(problem(path, config: heads))
    #expect(
      message.hasSuffix(
        "both.safetensors: norm and fc_norm are both there, and nothing tells which one the model has: --ignore 'norm.*' "
          + "leaves norm out for a model that normalises the mean of the patches (global_pool \"avg\"), --ignore 'fc_norm.*' "
          + "leaves fc_norm out for one that normalises before pooling (\"token\")"), "\(message)")
    let mean = try SourceModel(checkpoint: path, config: heads, ignoring: ["norm.*"]).config
    #expect(mean.classifier == .patchMean && mean.finalNorm == .afterPooling)
    let token = try SourceModel(checkpoint: path, config: heads, ignoring: ["fc_norm.*"]).config
    #expect(token.classifier == .token && token.finalNorm == .beforePooling)
  }

  @Test(
    "a class token whose position is there is missed; where nothing shows that it is lost, a note says what is taken")
  func lostClassToken() throws {
    let heads = try folder.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    func open(_ table: ShapeTable, _ size: (height: Int, width: Int)? = nil) throws -> SourceModel {
      var options = ModelOptions()
      options.imageSize = size
      let path = try writeShapes(table, to: "m.safetensors", in: folder)
      return try SourceModel(checkpoint: path, config: heads, options: options)
    }
    var table = try shapes(of: "\(Self.library)/timm_vit_base_patch16_224")
    table["cls_token"] = nil
    let square = try #require(fault { _ = try open(table) })
    #expect(
      square.contains("the 17 patches of pos_embed [1, 17, 16] are no square, but 16 are, and cls_token may be lost"),
      "\(square)")
    let sized = try #require(fault { _ = try open(table, (16, 16)) })
    #expect(
      sized.hasSuffix("shape [1, 17, 16]: 17 tokens, expected 16 for --image-size; cls_token may be lost"), "\(sized)")
    // Eight registers, sixteen patches and a class token have as many positions as 5 x 5 patches.
    table["reg_token"] = [1, 8, 16]
    table["pos_embed"] = [1, 25, 16]
    let odd = try #require(fault { _ = try open(table) })
    #expect(
      odd.hasSuffix(
        "25 tokens, which may be 5x5 patches, or 4x4, 8 registers and a class token, as cls_token may be lost: give "
          + "--image-size HxW"), "\(odd)")
    #expect(try open(table, (20, 20)).config.gridWidth == 5)
    table["pos_embed"] = [1, 16, 16]
    #expect(
      try open(table).notes.contains {
        $0.hasSuffix("nothing tells what the head reads: the mean of the patches is taken, as there is no cls_token")
      })
  }

  @Test(
    "what nobody knows not to matter is not passed over",
    arguments: [
      ("timm_vit_base_patch16_224", "blocks.0.attn.mask", [17, 17], "blocks with it are not computed here"),
      ("timm_vit_base_patch16_224", "blocks.1.attn.position_ids", [1, 17], "blocks with it are not computed here"),
      ("timm_vit_base_patch16_224", "blocks.0.pooler.dense.weight", [16, 16], "blocks with it are not computed here"),
      ("timm_vit_base_patch16_224", "blocks.0.attn.mask_token", [1, 16], "blocks with it are not computed here"),
      ("timm_vit_base_patch16_224", "blocks.0.rng", [2], "blocks with it are not computed here"),
      ("timm_vit_base_patch16_224", "pooler.dense.weight", [16, 16], "--ignore 'pooler.dense.weight' leaves it out"),
      ("timm_vit_base_patch16_224", "mask", [17], "--ignore 'mask' leaves it out"),
      ("timm_vit_base_patch16_224", "head_mask_token", [1], "--ignore 'head_mask_token' leaves it out"),
      ("hf_ViTForImageClassification", "vit.embeddings.position_ids", [17], "leaves it out"),
      ("hf_ViTForImageClassification", "vit.encoder.layer.0.attention.mask", [17], "blocks with it are not computed"),
      ("hf_ViTForImageClassification", "vit.encoder.layer.0.pooler.dense.bias", [16], "blocks with it are not comp"),
      ("torchvision_vit", "pooler.dense.bias", [16], "--ignore 'pooler.dense.bias' leaves it out"),
    ])
  func unknownTensors(_ library: String, _ name: String, _ shape: [Int], _ next: String) throws {
    let source = "\(Self.library)/\(library)"
    var table = try shapes(of: source)
    table[name] = shape
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let message = try #require(problem(path, config: "\(source)/config.json"))
    #expect(message.contains("tensor \(name): shape \(shape), but the model of "), "\(message)")
    #expect(message.contains(next), "\(message)")
    guard next.hasPrefix("blocks") else {
      return #expect(problem(path, config: "\(source)/config.json", ignoring: [name]) == nil)
    }
    #expect(problem(path, config: "\(source)/config.json", ignoring: [name])?.contains("so --ignore does not") == true)
  }

  @Test("what a library's models have beside that which classifies is passed over, with all that is empty or counts")
  func unusedTensors() throws {
    for (library, names) in [
      ("timm_vit_base_patch16_224", ["mask_token", "blocks.0.norm1.num_batches_tracked", "blocks.0.attn.empty"]),
      (
        "hf_ViTForImageClassification",
        ["vit.pooler.dense.weight", "vit.pooler.dense.bias", "vit.embeddings.mask_token"]
      ),
    ] {
      let source = "\(Self.library)/\(library)"
      var table = try shapes(of: source)
      for name in names { table[name] = name.hasSuffix("empty") ? [0] : [16] }
      let path = try writeShapes(table, to: "m.safetensors", in: folder)
      let model = try SourceModel(checkpoint: path, config: "\(source)/config.json")
      #expect(Set(names).isSubset(of: model.checkpoint.passedOver.map(\.name)), "\(model.notes)")
    }
    // The parts of a training state are beside the model, not in it.
    let inside = "\(Goldens.smallDirectory)/e3_token"
    var table = try shapes(of: "\(inside)/e3_token.safetensors")
    table["params/ema/scale"] = [8]
    let named = Dictionary(uniqueKeysWithValues: table.map { ($0.hasPrefix("params/") ? $0 : "params/\($0)", $1) })
    let path = try writeShapes(named, to: "m.safetensors", in: folder)
    #expect(
      problem(path, config: "\(inside)/config.json")?.contains("tensor params/ema/scale: shape [8], but ") == true)
  }

  @Test(
    "tensors of blocks that are not computed are called what they are",
    arguments: [
      ("blocks.0.attns.0.attn.qkv.weight", [48, 16], "blocks of several attentions and MLPs side by side"),
      ("blocks.1.ffns.1.mlp.fc1.bias", [32], "blocks of several attentions and MLPs side by side"),
      ("blocks.0.attn_out_proj.weight", [16, 16], "blocks with attention and MLP side by side"),
      ("blocks.0.attn.q_norm.weight", [8], "norms of queries and keys of another kind than V-MoE's"),
      ("blocks.0.attn.k_norm.bias", [8], "norms of queries and keys of another kind than V-MoE's"),
    ])
  func foreignBlocks(_ name: String, _ shape: [Int], _ part: String) throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    table[name] = shape
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    for ignored in [[], [name]] {
      #expect(
        problem(path, config: "\(source)/config.json", ignoring: ignored)
          == "\(path): tensor \(name): belongs to \(part), which is not computed here")
    }
  }

  @Test("an MLP whose first layer is twice as wide as the second one reads is called SwiGLU")
  func packedGate() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    for block in 0...1 {
      table["blocks.\(block).mlp.fc1.weight"] = [64, 16]
      table["blocks.\(block).mlp.fc1.bias"] = [64]
    }
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    #expect(
      problem(path, config: "\(source)/config.json")
        == "\(path): tensor blocks.0.mlp.fc1.weight: shape [64, 16], twice as many outputs as blocks.0.mlp.fc2.weight, "
        + "shape [16, 32], reads: an MLP with SwiGLU, gate and values in one matrix, which is not computed here")
  }

  @Test("a checkpoint without configuration is told of all that it lacks at once")
  func heads() throws {
    let path = try renaming("timm_vit_so150m_patch16_reg4_gap_256") { $0 == "reg_token" ? "ema.\($0)" : $0 }
    try FileManager.default.removeItem(atPath: folder["config.json"])
    let message = try #require(problem(path))
    #expect(
      message.hasPrefix("\(path): nothing tells the number of heads: give --config with ")
        && message.hasSuffix(
          "; nothing tells the size of the images, and the 20 patches of pos_embed [1, 20, 16] are no square: give "
            + "--image-size HxW"),
      "\(message)")
    let heads = try folder.write(#"{"encoder": {"num_heads": 2}, "channels": 3}"#, to: "heads.json")
    let second = try #require(problem(path, config: heads))
    #expect(
      second.hasSuffix(
        "image_size is missing, and the 20 patches of pos_embed [1, 20, 16] are no square: give --image-size HxW"),
      "\(second)")
  }

  @Test("a model of another kind is called what its configuration calls it")
  func otherModels() throws {
    let path = try renaming("hf_Dinov2ForImageClassification") {
      $0.replacing("patch_embeddings", with: "patch_embedding")
    }
    _ = try folder.write(#"{"model_type": "siglip"}"#, to: "config.json")
    let message = try #require(problem(path))
    #expect(
      message.hasPrefix("\(path): \"siglip\", as \(folder["config.json"]) calls it, is no vision transformer whose"),
      "\(message)")
  }

  @Test("channels that no frame has are those of the tensor, where no configuration says them")
  func channels() throws {
    let writer = try SafetensorsWriter(
      path: folder["four.safetensors"],
      tensors: [("patch_embed.proj.weight", [8, 4, 2, 2]), ("blocks.0.norm1.weight", [8])])
    for count in [128, 8] { try writer.append([Float](repeating: 1, count: count)) }
    try writer.finish()
    #expect(
      problem(folder["four.safetensors"])
        == "\(folder["four.safetensors"]): tensor patch_embed.proj.weight: as embedding/kernel: shape [8, 4, 2, 2]: "
        + "4 channels, expected 1 (grey) or 3 (colour), which is what frames have")
  }

  @Test("tensors of one folder are left out together, and random states are passed over")
  func patterns() throws {
    let library = "timm_vit_small_patch14_reg4_dinov2"
    let path = try renaming(library) { name in
      name == "head.weight" ? "aux_head.weight" : name == "head.bias" ? "aux_head.bias" : name
    }
    // The head is what the classes are counted by: it is missed before anything else.
    let checkpoint = try Checkpoint(path: path)
    #expect(checkpoint.ignoring(["aux_head.weight", "aux_head.bias"]) == "--ignore 'aux_head.*'")
    #expect(checkpoint.ignoring(["aux_head.bias"]) == "--ignore 'aux_head.bias'")
    #expect(
      UnusedTensors.reason("rng") == "training state" && UnusedTensors.reason("cuda_rng_state") == "training state")
    #expect(UnusedTensors.reason("n_averaged") == "counter" && UnusedTensors.reason("swa.n_averaged") == "counter")
    #expect(UnusedTensors.reason("blocks.0.norm1.weight") == nil)
  }

  @Test(
    "what leaves tensors out, and what was passed over, is said in a time in proportion to them",
    .timeLimit(.minutes(1)))
  func manyTensors() throws {
    let numbers = 100_000..<140_000
    let flat = Dictionary(uniqueKeysWithValues: numbers.map { ("params/q\($0)", [1]) })
    let checkpoint = try Checkpoint(path: writeShapes(flat, to: "flat.safetensors", in: folder))
    #expect(checkpoint.ignoring(checkpoint.tensorNames) == "--ignore 'params/*'")
    #expect(
      checkpoint.ignoring(checkpoint.tensorNames.dropLast())
        == "--ignore 'params/q100000' --ignore 'params/q100001' --ignore 'params/q100002' --ignore 'params/q100003' …")
    var counters = try shapes(of: "\(Self.library)/timm_vit_base_patch16_224")
    for number in numbers { counters["q\(number).n_averaged"] = [1] }
    let counted = try Checkpoint(path: writeShapes(counters, to: "counted.safetensors", in: folder))
    let text = counted.passedOverText()
    #expect(text.hasPrefix("q100000.n_averaged (counter), ") && text.hasSuffix(" and 39988 more"), "\(text)")
  }

  @Test("a folder stands for what was passed over only where all of it was")
  func passedOverFolders() throws {
    func text(_ library: String, _ names: [String]) throws -> String {
      var table = try shapes(of: "\(Self.library)/\(library)")
      for name in names { table[name] = [16] }
      return try Checkpoint(path: writeShapes(table, to: "m.safetensors", in: folder)).passedOverText()
    }
    #expect(
      try text(
        "hf_ViTForImageClassification",
        ["vit.pooler.dense.weight", "vit.pooler.dense.bias", "vit.embeddings.mask_token", "ema.a", "ema.b"])
        == "ema.… (2, moving average), vit.embeddings.mask_token (mask for training), "
        + "vit.pooler.… (2, pooler, which classification does not use)")
    #expect(
      try text(
        "timm_vit_base_patch16_224",
        ["blocks.0.norm1.num_batches_tracked", "blocks.1.norm1.num_batches_tracked", "norm.num_batches_tracked"])
        == "blocks.*.num_batches_tracked (2, counter), norm.num_batches_tracked (counter)")
  }

  @Test(
    "a weight that is stored as a weight norm, a mask or a parametrisation is named with what takes that out",
    arguments: [
      ("blocks.0.mlp.fc1.weight", ["_g", "_v"], "torch.nn.utils.remove_weight_norm(layer) takes it out"),
      (
        "blocks.1.attn.qkv.weight", ["_orig", "_mask"],
        "torch.nn.utils.prune.remove(layer, \"weight\") makes it permanent"
      ),
      ("head.weight", ["_orig", "_u"], "torch.nn.utils.remove_spectral_norm(layer) takes it out"),
      (
        "patch_embed.proj.weight", ["original0", "original1"], "parametrize.remove_parametrizations(layer, \"weight\")"
      ),
      ("head.bias", ["original"], "parametrize.remove_parametrizations(layer, \"bias\")"),
    ])
  func reparametrised(_ name: String, _ ends: [String], _ next: String) throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    let shape = table.removeValue(forKey: name)
    let dot = try #require(name.lastIndex(of: "."))
    let parts = ends.map {
      $0.hasPrefix("_") ? name + $0 : "\(name[..<dot]).parametrizations.\(name[name.index(after: dot)...]).\($0)"
    }
    for part in parts { table["model.\(part)"] = shape }
    for (other, shape) in table where !other.hasPrefix("model.") {
      table[other] = nil
      table["model.\(other)"] = shape
    }
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    let message = try #require(problem(path, config: "\(source)/config.json"))
    #expect(message.hasPrefix("\(path): tensor model.\(parts[0]): \(name) is stored "), "\(message)")
    #expect(message.contains(next) && message.hasSuffix("; then save the weights anew"), "\(message)")
  }

  @Test("a head of another name with a weight norm is not to be renamed alone")
  func reparametrisedHead() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    var table = try shapes(of: source)
    (table["head.weight"], table["head.bias"]) = (nil, nil)
    (table["head.last_layer.weight_g"], table["head.last_layer.weight_v"]) = ([5, 1], [5, 16])
    let message = try #require(
      problem(try writeShapes(table, to: "m.safetensors", in: folder), config: "\(source)/config.json"))
    #expect(
      message.contains(
        "if it is in head.last_layer.weight_g, head.last_layer.weight_v, take its weight norm or parametrisation out first"
      ), "\(message)")
  }

  @Test(
    "modules that PyTorch wraps around others say nothing, wherever they stand in a name",
    arguments: ["module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_forward_module"])
  func wrappers(_ wrapper: String) throws {
    let cases: [(library: String, places: [String])] = [
      (
        "timm_deit3_small_patch16_224", ["blocks.", "blocks.1.", "patch_embed.", "blocks.0.attn.", "fc_norm.", "head."]
      ),
      (
        "hf_Dinov2ForImageClassification",
        ["dinov2.", "dinov2.encoder.layer.1.", "dinov2.embeddings.patch_embeddings.", "classifier."]
      ),
    ]
    for (library, places) in cases {
      let plain = try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil)
      for place in places + [""] {
        let path = try renaming(library) { name in
          name.hasPrefix(place) ? "\(place)\(wrapper).\(name.dropFirst(place.count))" : name
        }
        let model = try SourceModel(checkpoint: path, config: nil)
        #expect(model.config == plain.config)
        for parameter in plain.config.parameters {
          #expect(try model.values(of: parameter.name) == plain.values(of: parameter.name))
        }
      }
    }
    let torchvision = "\(Self.library)/torchvision_vit"
    for place in ["", "encoder.", "encoder.layers.encoder_layer_0.", "conv_proj.", "heads."] {
      let table = Dictionary(
        uniqueKeysWithValues: try shapes(of: torchvision).map {
          ($0.hasPrefix(place) ? "\(place)\(wrapper).\($0.dropFirst(place.count))" : $0, $1)
        })
      let path = try writeShapes(table, to: "m.safetensors", in: folder)
      #expect(problem(path, config: "\(torchvision)/config.json") == nil)
    }
    // Errors call a tensor what the file does, and a block's tensors stay a block's.
    let (source, inner) = ("\(Self.library)/timm_vit_base_patch16_224", "blocks.0.\(wrapper).")
    var table = try shapes(of: source)
    for (name, shape) in table where name.hasPrefix("blocks.0.") {
      table[name] = nil
      table[inner + name.dropFirst(9)] = shape
    }
    func message(_ name: String, _ shape: [Int]) throws -> String? {
      var changed = table
      changed[name] = shape
      let path = try writeShapes(changed, to: "m.safetensors", in: folder)
      return problem(path, config: "\(source)/config.json")
    }
    #expect(
      try message("\(inner)mlp.fc1.weight", [48, 16])?.contains(
        "tensor \(inner)mlp.fc1.weight: as Encoder/encoderblock_0/Mlp/Dense_0/kernel: shape [48, 16]") == true)
    #expect(try message("\(inner)attn.mask", [17])?.contains("blocks with it are not computed here") == true)
    let twice = try message("blocks.0.mlp.fc1.weight", [32, 16])
    #expect(twice?.contains("a second tensor for blocks.0.mlp.fc1.weight, beside ") == true, "\(twice ?? "read")")
  }

  @Test(
    "a model in a training state beside the weights is named with what takes it, and taken where it is the only one")
  func modelInState() throws {
    let library = "timm_vit_base_patch16_224"
    let plain = try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil)
    let raw = try shapes(of: "\(Self.library)/\(library)")
    let config = "\(Self.library)/\(library)/config.json"
    for (state, reason) in [
      ("extra.", "training state"), ("callbacks.EMA.weights.", "training state"), ("scheduler.", "training state"),
      ("optimizer.", "optimizer state"), ("optimizer_states.", "optimizer state"),
    ] {
      let root = "\(state.prefix { $0 != "." })."
      let path = try renaming(library) { state + $0 }
      let alone = fault {
        let model = try SourceModel(checkpoint: path, config: nil)
        #expect(
          model.notes.contains(
            "\(path): its only weights are below \(root)…, a name of \(reason): these are taken for the model"),
          "\(model.notes)")
        for parameter in plain.config.parameters {
          #expect(try model.values(of: parameter.name) == plain.values(of: parameter.name))
        }
      }
      #expect((alone != nil) == (reason == "optimizer state"), "\(alone ?? "read")")
      if let alone { #expect(alone.contains("below \(root)…, where an optimizer keeps its state: save "), "\(alone)") }
      var both = raw
      for (name, shape) in raw { both[state + name] = shape }
      let file = try writeShapes(both, to: "both.safetensors", in: folder)
      let notes = try Checkpoint(path: file).notes
      let start = "\(file): beside these weights it has a model below \(root)…, passed over as \(reason)"
      let options = [
        "--ignore 'blocks.*'", "--ignore 'cls_token'", "--ignore 'head.*'", "--ignore 'norm.*'",
        "--ignore 'patch_embed.*'", "--ignore 'pos_embed'",
      ]
      let next = reason == "optimizer state" ? "" : ": \(options.joined(separator: " ")) takes that one instead"
      #expect(notes == [start + next])
      guard reason != "optimizer state" else { continue }
      let ignored = options.map { String($0.dropFirst(10).dropLast()) }
      #expect(problem(file, config: config, ignoring: ignored) == nil)
    }
    // Moments have the names of the weights.
    var moments = raw
    for (name, shape) in raw { moments["opt_state.0.mu.\(name)"] = shape }
    #expect(try Checkpoint(path: writeShapes(moments, to: "moments.safetensors", in: folder)).notes.isEmpty)
  }

  @Test("a moving average one level deeper, ema.shadow, is named with what takes it, and is taken then")
  func deepAverage() throws {
    let library = "timm_vit_base_patch16_224"
    var both: [String: [Int]] = [:]
    for (name, shape) in try shapes(of: "\(Self.library)/\(library)") {
      for root in ["model", "ema.shadow"] { both["\(root).\(name)"] = shape }
    }
    let path = try writeShapes(both, to: "both.safetensors", in: folder)
    let next = "\(path): beside these weights it has a moving average, ema.…: --ignore 'model.*' takes that one instead"
    #expect(try Checkpoint(path: path).notes == [next])
    let average = try Checkpoint(path: path, ignoring: ["model.*"])
    #expect(average.naming == .timm && average.otherNames.isEmpty)
    #expect(average.notes == ["\(path): its only weights are a moving average, ema.…: these are taken"])
  }

  @Test("an average beside raw weights at the top is named with what takes it, and its own scalars are no trouble")
  func averageAtTop() throws {
    let library = "hf_ViTForImageClassification"
    let (raw, config) = (
      try shapes(of: "\(Self.library)/\(library)"), "\(Self.library)/\(library)/config.json"
    )
    var both = raw
    for (name, shape) in raw { both["ema.\(name)"] = shape }
    (both["ema.decay"], both["ema.num_updates"], both["ema.step"]) = ([], [1], [])
    let path = try writeShapes(both, to: "both.safetensors", in: folder)
    #expect(
      try Checkpoint(path: path).notes == [
        "\(path): beside these weights it has a moving average, ema.…: --ignore 'classifier.*' --ignore 'vit.*' takes that "
          + "one instead"
      ])
    #expect(problem(path, config: config) == nil)
    let average = try SourceModel(checkpoint: path, config: config, ignoring: ["classifier.*", "vit.*"])
    #expect(
      average.notes.contains { $0.contains("ema.decay (of the average), ema.num_updates (") }, "\(average.notes)")
    #expect(average.notes.contains("\(path): its only weights are a moving average, ema.…: these are taken"))
    // A vector is none of the average's.
    both["ema.decay"] = [16]
    let vector = try writeShapes(both, to: "vector.safetensors", in: folder)
    #expect(
      problem(vector, config: config, ignoring: ["classifier.*", "vit.*"])?.contains("tensor ema.decay: shape [16]")
        == true)
  }

  @Test("timm's model in transformers is timm's: its fields, and the way to its tensors")
  func timmWrapper() throws {
    let library = "timm_vit_base_patch16_224"
    let plain = try SourceModel(checkpoint: "\(Self.library)/\(library)", config: nil)
    let path = try renaming(library) { "timm_model.\($0)" }
    let own = String(decoding: try folder.bytes("config.json"), as: UTF8.self)
    let fields = """
      {"model_type": "timm_wrapper", "architectures": ["TimmWrapperForImageClassification"], "do_pooling": true,
       "initializer_range": 0.02, "label_names": LABELS, "problem_type": "single_label_classification",
       "dtype": "float32", "transformers_version": "5.24.0",
      """
    func open(_ labels: String, _ more: String = "") throws -> SourceModel {
      let start = try #require(own.firstIndex(of: "{"))
      let text = fields.replacing("LABELS", with: labels) + more + own[own.index(after: start)...]
      try folder.write(text, to: "config.json")
      return try SourceModel(checkpoint: path, config: nil)
    }
    let unnamed = #"["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"]"#
    let model = try open(unnamed)
    #expect(model.config == plain.config && model.preprocessing == plain.preprocessing && model.labels == nil)
    for parameter in plain.config.parameters {
      #expect(try model.values(of: parameter.name) == plain.values(of: parameter.name))
    }
    #expect(try open(#"["a", "b", "c", "d", "e"]"#).labels == ["a", "b", "c", "d", "e"])
    #expect(fault { _ = try open(unnamed, #""layers": 3,"#) }?.contains("the field layers is not known") == true)
    try folder.write("{}", to: "preprocessor_config.json")
    #expect(
      try open(unnamed).notes.contains { $0.contains("preprocessor_config.json: is not looked at: timm's images") })
    _ = try folder.write(#"{"model_type": "timm_wrapper"}"#, to: "config.json")
    #expect(problem(path)?.hasSuffix("architecture is missing, expected a name") == true)
  }

  @Test("what stands in the configuration's place and is no file is named, unless another one is given")
  func noConfigurationFile() throws {
    let library = "timm_vit_base_patch16_224"
    let path = try renaming(library) { $0 }
    let config = folder["config.json"]
    let next = "put the configuration there, take it away, or give --config FILE"
    func check(_ kind: String, _ make: () throws -> Void) throws {
      try FileManager.default.removeItem(atPath: config)
      try make()
      for source in [path, folder.path] {
        #expect(problem(source) == "\(config): \(kind), expected a file: \(next)", "\(problem(source) ?? "read")")
        #expect(problem(source, config: "\(Self.library)/\(library)/config.json") == nil)
      }
    }
    func link(_ target: String) throws {
      try FileManager.default.createSymbolicLink(atPath: config, withDestinationPath: target)
    }
    try check("a pipe") { try #require(mkfifo(config, 0o600) == 0) }
    try check("a link to nothing") { try link("nowhere.json") }
    try check("a device or socket") { try link("/dev/null") }
    try check("a folder") {
      try FileManager.default.createDirectory(atPath: config, withIntermediateDirectories: false)
    }
    try FileManager.default.removeItem(atPath: config)
    try link("\(Self.library)/\(library)/config.json")
    #expect(problem(path) == nil)
    // The images of a model are told by such a file, too.
    let dinov2 = try renaming("hf_Dinov2ForImageClassification") { $0 }
    try FileManager.default.createSymbolicLink(
      atPath: folder["preprocessor_config.json"], withDestinationPath: "nowhere.json")
    #expect(
      problem(dinov2) == "\(folder["preprocessor_config.json"]): a link to nothing, expected a file: take it away")
  }

  @Test("a quantization_config is passed over with a note where the weights are floats, and quantised ones are named")
  func quantised() throws {
    let library = "hf_Dinov2ForImageClassification"
    let path = try renaming(library) { $0 }
    let own = String(decoding: try folder.bytes("config.json"), as: UTF8.self)
    let start = try #require(own.firstIndex(of: "{"))
    let given = #"{"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": true},"#
    let config = try folder.write(given + own[own.index(after: start)...], to: "config.json")
    #expect(
      try SourceModel(checkpoint: path, config: nil).notes.contains(
        "\(config): quantization_config (bitsandbytes) is passed over: the weights are floats"))
    let weight = "dinov2.encoder.layer.0.mlp.fc1.weight"
    let next =
      "is quantised (bitsandbytes), as quantization_config in \(config) says: give the model's float weights, or those "
      + "that model.dequantize() and save_pretrained make"
    var table = try shapes(of: path)
    table["dinov2.encoder.layer.0.mlp.fc1.SCB"] = [16]
    let scaled = try writeShapes(table, to: "scaled.safetensors", in: folder)
    #expect(problem(scaled, config: config) == "\(scaled): tensor dinov2.encoder.layer.0.mlp.fc1.SCB: \(next)")
    // Numbers of as many bytes.
    table["dinov2.encoder.layer.0.mlp.fc1.SCB"] = nil
    let floats = try writeShapes(table, to: "whole.safetensors", in: folder)
    let bytes = try folder.bytes("whole.safetensors")
    let size = 8 + Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    let header = String(decoding: bytes[8..<size], as: UTF8.self)
      .replacing("\"\(weight)\":{\"dtype\":\"F32\"", with: "\"\(weight)\":{\"dtype\":\"I32\"")
    try folder.write(bytes[..<8] + Array(header.utf8) + bytes[size...], to: "whole.safetensors")
    #expect(problem(floats, config: config) == "\(floats): tensor \(weight): \(next)")
  }

  @Test("big_vision's class token has no position; where a file has one for it, both are added as before")
  func bigVisionToken() throws {
    let source = "\(Goldens.smallDirectory)/vit_token"
    let config = "\(source)/config.json"
    let plain = try SourceModel(checkpoint: "\(source)/vit_token_linen.npz", config: config)
    let (token, positions) = (ParameterNames.classToken, ParameterNames.positionEmbedding)
    let hidden = plain.config.hiddenSize
    let (cls, rows) = (try plain.values(of: token), try plain.values(of: positions))
    let summed = zip(cls, rows).map { $0 + $1 }
    for name in ["pos_embedding", "Transformer/pos_embedding"] {
      for isNew in [true, false] {
        var tensors: [(name: String, shape: [Int], values: [Float])] = []
        for parameter in plain.config.parameters {
          var (values, shape) = (try plain.values(of: parameter.name), parameter.shape)
          if isNew, parameter.name == positions {
            (values, shape[1]) = (Array(values[hidden...]), shape[1] - 1)
          } else if isNew, parameter.name == token {
            values = summed
          }
          let stored =
            parameter.name == positions
            ? name
            : parameter.name.replacing("Encoder/", with: "Transformer/").replacing("/Mlp/", with: "/MlpBlock_0/")
              .replacing("/SelfAttention/", with: "/MultiHeadDotProductAttention_0/")
          tensors.append((stored, shape, values))
        }
        let path = folder["tok.safetensors"]
        let writer = try SafetensorsWriter(path: path, tensors: tensors.map { ($0.name, $0.shape) })
        for tensor in tensors { try writer.append(tensor.values) }
        try writer.finish()
        let model = try SourceModel(checkpoint: path, config: config)
        #expect(model.checkpoint.naming == .bigVision && model.config == plain.config)
        #expect(model.notes.contains { $0.hasSuffix("as with big_vision's pool_type tok") } == isNew, "\(model.notes)")
        let (ownToken, ownRows) = (try model.values(of: token), try model.values(of: positions))
        #expect(zip(ownToken, ownRows).map { $0 + $1 } == summed)
        #expect(ownRows[hidden...] == rows[hidden...] && ownRows[..<hidden].allSatisfy { $0 == 0 } == isNew)
      }
    }
  }
}
