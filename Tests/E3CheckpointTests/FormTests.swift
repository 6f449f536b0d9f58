import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

@Suite("Forms of checkpoints") struct FormTests {
  private let folder: TemporaryFolder
  private static let library = Goldens.libraryDirectory

  init() throws { folder = try TemporaryFolder() }

  private func problem(_ path: String, config: String? = nil, ignoring: [String] = []) -> String? {
    fault { _ = try SourceModel(checkpoint: path, config: config, ignoring: ignoring) }
  }

  @Test(
    "files of other forms are answered with the next step, whatever their names",
    arguments: [
      ("model.bin", Array("version https://git-lfs.github.com/spec/v1\noid sha256:0".utf8), "a git-lfs pointer"),
      ("model", [0x89] + Array("HDF\r\n\u{1A}\n0000".utf8), "an HDF5 file, as Keras writes"),
      ("model", [0x1C, 0, 0, 0] + Array("TFL3".utf8), "a TFLite model"),
      ("model", Array("GGUF\u{3}".utf8), "a GGUF file"),
      (
        "model", [0x08, 0x0A, 0x12, 0x07] + Array("pytorch".utf8),
        "an ONNX model: tools/checkpoints/onnx_to_safetensors"
      ),
      ("model", [0x82, 0xA6] + Array("params".utf8), "msgpack, as flax writes"),
      ("model", [0x80, 4, 0x95, 0], "a Python pickle, which could run anything"),
      ("model", [0x93] + Array("NUMPY\u{1}\u{0}".utf8), "one .npy array"),
      ("model", [0x1F, 0x8B, 8, 0], "an archive: unpack it first"),
      ("model", Array("<!DOCTYPE html>".utf8), "a web page"),
      ("model", [0x89] + Array("PNG\r\n\u{1A}\n".utf8), "a picture, expected a checkpoint"),
      ("model", [0xFF, 0xD8, 0xFF, 0xE0], "a picture, expected a checkpoint"),
      ("model", [0x89] + Array("E3M\r\n\u{1A}\n".utf8), "is packed already"),
      (
        "model.pt", Array("x".utf8),
        "neither a V-MoE checkpoint, safetensors, npz nor a PyTorch file; its name says PyTorch"
      ),
      ("model.onnx", Array("x".utf8), "its name says ONNX, its contents do not"),
      ("model.safetensors.index.json", Array("x".utf8), "neither a V-MoE checkpoint"),
      ("model.json", Array("{}".utf8), "JSON without a weight_map"),
      ("model.index", Array("{}".utf8), "not the index of a V-MoE checkpoint"),
      (
        "m-00001-of-00003.safetensors", Array("x".utf8),
        "part 1 of 3: give the index (m.safetensors.index.json) or the folder"
      ),
      ("c.data-00000-of-00002", Array("x".utf8), "a data file of a V-MoE checkpoint: give c.index"),
    ] as [(String, [UInt8], String)])
  func otherForms(_ name: String, _ bytes: [UInt8], _ expected: String) throws {
    let path = try folder.write(bytes, to: name)
    let message = try #require(problem(path))
    #expect(message.hasPrefix("\(path): ") && message.contains(expected) && !message.contains("\n"), "\(message)")
  }

  @Test("zip files of other forms are answered with the next step")
  func otherZips() throws {
    for (names, expected) in [
      (["model.weights.h5", "config.json"], "a Keras file"),
      (["m/code/a.py", "m/constants.pkl", "m/data.pkl"], "a TorchScript"),
    ] {
      let path = try folder.write(storedZip(names.map { ($0, [0]) }), to: "model.zip")
      #expect(problem(path)?.contains(expected) == true)
    }
    let legacy = "\(Self.library)/same/legacy.pt"
    #expect(
      problem(legacy) == "\(legacy): a PyTorch file of the form before 1.6: save it anew with "
        + "torch.save(torch.load(FILE, weights_only=True), NEW)")
  }

  @Test("folders: Orbax, SavedModel, several checkpoints, none")
  func folders() throws {
    for (files, expected) in [
      (["state/d/x", "state/manifest.ocdbt"], "an Orbax checkpoint: tools/checkpoints/orbax_to_safetensors"),
      (["_CHECKPOINT_METADATA"], "an Orbax checkpoint"), (["saved_model.pb"], "a TensorFlow SavedModel"),
      (["a.pt", "b.pt"], "holds several checkpoints (a.pt, b.pt)"), (["readme.txt"], "a folder without a checkpoint"),
      (["latest", "global_step10/mp_rank_00_model_states.pt"], "a checkpoint of DeepSpeed: python zero_to_fp32.py "),
      (["checkpoint-500/a", "checkpoint-1000/a"], "a folder without a checkpoint: give one of those in it (/"),
      (["checkpoint-500/a", "checkpoint-1000/a"], "/checkpoint-1000, /"), (["checkpoint-x/a"], "without a checkpoint"),
    ] {
      let folder = try TemporaryFolder()
      for file in files { try folder.write([], to: file) }
      let message = try #require(problem(folder.path))
      #expect(message.replacing("\(folder.path)/", with: "/").contains(expected), "\(message)")
    }
  }

  @Test("one model has the same values in every form and precision that holds them exactly")
  func sameValues() throws {
    let folder = "\(Self.library)/same"
    let files = ["float32", "float16", "bfloat16"].flatMap { ["\($0).safetensors", "\($0).pt"] } + ["state.pt"]
    let models = try files.map { try SourceModel(checkpoint: "\(folder)/\($0)", config: nil) }
    for model in models.dropFirst() {
      #expect(model.config == models[0].config)
      for parameter in model.config.parameters {
        #expect(try model.values(of: parameter.name) == models[0].values(of: parameter.name), "\(parameter.name)")
      }
    }
    #expect(models.last?.notes.last?.contains("optimizer.state.0.exp_avg (optimizer state)") == true)
  }

  @Test("an index of parts: a missing part, a tensor elsewhere, a way out of the folder")
  func parts() throws {
    let source = "\(Self.library)/hf_ViTForImageClassification"
    let names = try FileManager.default.contentsOfDirectory(atPath: source)
    for name in names { try folder.write(contents(of: "\(source)/\(name)"), to: name) }
    let index = "model.safetensors.index.json"
    let text = String(decoding: try contents(of: "\(source)/\(index)"), as: UTF8.self)
    #expect(problem(folder.path) == nil)
    let part = try #require(names.first { $0.contains("00001-of") })
    #expect(problem(folder[part])?.contains("part 1 of ") == true)
    for (old, new, expected) in [
      (part, "none.safetensors", "none.safetensors: No such file"), (part, "../\(part)", "expected a file name"),
      ("\"classifier.bias\"", "\"classifier.bia\"", "says that it is here"),
      ("\"weight_map\"", "\"weights\"", "JSON without a weight_map"),
    ] {
      try #require(text.contains(old))
      try folder.write(text.replacing(old, with: new), to: index)
      let message = try #require(problem(folder.path))
      #expect(message.contains(expected), "\(message)")
    }
  }

  @Test(
    "an adapter beside its model's weights is refused as one alone is; the file of the weights is the model without")
  func adapter() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    for name in ["config.json", "model.safetensors"] {
      try folder.write(contents(of: "\(source)/\(name)"), to: "m/\(name)")
    }
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      try folder.write("{}", to: "m/\(name)")
      let expected = "m/\(name): belongs to a LoRA adapter: merge it into its model first, with merge_and_unload()"
      #expect(problem(folder["m"])?.contains(expected) == true)
      #expect(problem(folder["m/model.safetensors"]) == nil)
    }
  }

  @Test("other checkpoints in a folder are named, and no state of a training or part of the weights is taken for one")
  func unread() throws {
    let source = "\(Self.library)/timm_vit_base_patch16_224"
    for name in ["config.json", "model.safetensors"] {
      try folder.write(contents(of: "\(source)/\(name)"), to: "m/\(name)")
    }
    func notes() throws -> [String] {
      try SourceModel(checkpoint: folder["m"], config: nil).notes.filter { $0.contains(" is read, and not ") }
    }
    for name in ["optimizer.pt", "training_args.bin", "rng_state_0.pth", "model-00001-of-00002.safetensors", "a.txt"] {
      try folder.write([0], to: "m/\(name)")
    }
    #expect(try notes().isEmpty)
    for name in ["best.pth", "last.ckpt"] { try folder.write([0], to: "m/\(name)") }
    #expect(
      try notes() == [
        "\(folder["m"]): model.safetensors is read, and not best.pth, last.ckpt: give the file that is meant"
      ])
  }

  @Test("of several forms of the weights in a folder transformers' first is read, and the others are named")
  func order() throws {
    let source = "\(Self.library)/hf_ViTForImageClassification"
    let entries = try FileManager.default.contentsOfDirectory(atPath: source)
    for name in entries { try folder.write(contents(of: "\(source)/\(name)"), to: "m/\(name)") }
    let index = "model.safetensors.index.json"
    func note() throws -> String? {
      try SourceModel(checkpoint: folder["m"], config: nil).notes.first { $0.contains(" is read, and not ") }
    }
    #expect(try note() == nil)
    try folder.write([0], to: "m/pytorch_model.bin")
    let said = "\(folder["m"]): \(index) is read, and not pytorch_model.bin: give the file that is meant"
    #expect(try note() == said)
    try folder.write([0], to: "m/pytorch_model.bin.index.json")
    try folder.write(contents(of: Self.plain), to: "m/model.safetensors")
    let path = try CheckpointFiles(path: folder["m"])
    #expect(path.weights == folder["m/model.safetensors"])
    #expect(path.unread == [index, "pytorch_model.bin", "pytorch_model.bin.index.json"])
    for name in entries where name.hasPrefix("model") {
      try FileManager.default.removeItem(atPath: folder["m/\(name)"])
    }
    try FileManager.default.removeItem(atPath: folder["m/model.safetensors"])
    #expect(try CheckpointFiles(path: folder["m"]).weights == folder["m/pytorch_model.bin"])
  }

  // MARK: Tensors that are none of the model's

  private static let plain = "\(library)/same/float32.safetensors"

  /// The plain model with more tensors: names, types of safetensors, shapes and bytes.
  private func adding(_ tensors: [(name: String, type: String, shape: [Int], bytes: Int)]) throws -> String {
    let bytes = try contents(of: Self.plain)
    let size = Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    var header = String(decoding: bytes[8..<8 + size], as: UTF8.self)
    header = String(header[..<header.lastIndex(of: "}")!])
    var end = bytes.count - 8 - size
    for (name, type, shape, count) in tensors {
      header += ",\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(end),\(end + count)]}"
      end += count
    }
    header += "}"
    let length: [UInt8] = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    let added = [UInt8](repeating: 0, count: tensors.reduce(0) { $0 + $1.bytes })
    var file: [UInt8] = length
    file += header.utf8
    file += bytes[(8 + size)...]
    file += added
    return try folder.write(file, to: "more.safetensors")
  }

  private let config = "\(library)/same/config.json"

  @Test("what training leaves is passed over and named: counters, averages, optimizer state")
  func passedOver() throws {
    let path = try adding([
      ("step", "I64", [1], 8), ("ema/embedding/kernel", "F32", [2], 8),
      ("ema/cls", "F32", [2], 8),
      ("bn.num_batches_tracked", "I64", [], 8), ("opt/0/mu/cls", "F32", [1], 4), ("mask_token", "F32", [0, 3], 0),
    ])
    let model = try SourceModel(checkpoint: path, config: config)
    #expect(
      model.notes == [
        "\(path): passed over: bn.num_batches_tracked (counter), ema/… (2, moving average), mask_token (empty), "
          + "opt/0/mu/cls (optimizer state), step (counter)"
      ])
  }

  @Test("any other tensor is refused with the option that leaves it out, and left out by it")
  func ignored() throws {
    let path = try adding([("scale", "F64", [2], 16), ("aux/head", "F32", [1], 4), ("empty", "F32", [0, 4], 0)])
    let message = try #require(problem(path, config: config))
    #expect(message.contains("tensor aux/head: ") && message.contains("has no such tensor, and 1 more (scale)"))
    #expect(message.contains("--ignore 'aux/head' --ignore 'scale' leaves them out"), "\(message)")
    let model = try SourceModel(checkpoint: path, config: config, ignoring: ["aux/*", "sc*e", "empty"])
    #expect(model.notes.last?.hasSuffix("passed over: aux/head (--ignore), empty (--ignore), scale (--ignore)") == true)
    #expect(problem(path, config: config, ignoring: ["aux/*", "empty"])?.contains("tensor scale: ") == true)
    #expect(
      problem(path, config: config, ignoring: ["aux/*", "scal"])
        == "\(path): --ignore 'scal' matches none of its 43 tensors, whose names are like Encoder/encoder_norm/bias, "
        + "Encoder/encoder_norm/scale, Encoder/encoderblock_0/LayerNorm_0/bias")
    #expect(problem(path, config: config, ignoring: ["*"])?.contains("missing") == true)
  }

  @Test("a tensor that would make the model another one cannot be left out")
  func foreign() throws {
    for name in [
      "norm_pre.weight", "blocks.0.attn.q_norm.weight", "rope.freqs", "blocks.0.attn.relative_position_bias_table",
      "blocks.0.attn.lambda_q1", "blocks.0.attn.sub_norm.weight",
    ] {
      let path = try adding([(name, "F32", [1], 4)])
      let message = try #require(problem(path, config: config, ignoring: ["*\(name)"]))
      #expect(message.contains("tensor \(name): belongs to ") && message.hasSuffix("which is not computed here"))
    }
  }

  @Test("no tensor of an encoder block can be left out, known or not")
  func blockTensors() throws {
    let name = "Encoder/encoderblock_0/gate"
    let path = try adding([(name, "F32", [1], 4)])
    let asked = try #require(problem(path, config: config))
    #expect(asked.contains("tensor \(name): ") && asked.hasSuffix(": blocks with it are not computed here"), "\(asked)")
    let ignored = try #require(problem(path, config: config, ignoring: ["*gate"]))
    #expect(ignored.contains("tensor \(name): is in an encoder block"), "\(ignored)")
    // Of blocks of another model nothing is asked.
    let other = try adding([("teacher/\(name)", "F32", [1], 4)])
    #expect(problem(other, config: config, ignoring: ["teacher/*"]) == nil)
    for (library, pattern) in [
      ("timm_vit_small_patch14_reg4_dinov2", "*mlp*"), ("hf_ViTForImageClassification", "*intermediate*"),
      ("torchvision_vit", "*mlp*"),
    ] {
      let folder = "\(Self.library)/\(library)"
      let model = try Checkpoint(path: folder)
      let message = try #require(problem(folder, config: nil, ignoring: [pattern]))
      #expect(message.contains("is in an encoder block: without it"), "\(model.naming?.rawValue ?? ""): \(message)")
    }
  }

  @Test("adapters and other architectures are called what they are")
  func otherModels() throws {
    let adapter = try adding([("vit.layer.0.query.lora_A.weight", "F32", [1], 4)])
    let merge = try #require(problem(adapter, config: config))
    #expect(merge.contains("lora_A.weight: belongs to a LoRA adapter: merge it into its model first"), "\(merge)")
    let other = try adding([("layer1.0.conv1.weight", "F32", [1], 4)])
    let message = try #require(problem(other, config: config, ignoring: ["Encoder/*", "embedding/*", "head/*", "cls"]))
    #expect(message.contains("no vision transformer whose names are known"), "\(message)")
    #expect(message.hasSuffix("its tensors are layer1.0.conv1.weight"), "\(message)")
  }

  @Test("errors name tensors as the file does")
  func fileNames() throws {
    let folder = "\(Self.library)/timm_vit_small_patch14_reg4_dinov2"
    let missing = try #require(problem(folder, config: nil, ignoring: ["head.*"]))
    #expect(missing.contains("tensor head.weight: as head/kernel: missing: a backbone without"), "\(missing)")
    let norm = try #require(problem(folder, config: nil, ignoring: ["norm.bias"]))
    #expect(norm.contains("tensor norm.bias: as Encoder/encoder_norm/bias: missing, expected shape [16]"), "\(norm)")
  }

  @Test("stacked blocks that make too many tensors, and a shape that no array has, are refused")
  func unboundedStacks() throws {
    let many = try adding(
      [("Transformer/encoder_norm/scale", "F32", [8], 32)]
        + (0..<40).map { ("Transformer/encoderblock/\($0)", "F32", [4096, 0], 0) })
    let message = try #require(problem(many, config: config, ignoring: ["Encoder/*"]))
    #expect(message.contains("more than 131072 tensors, each block's taken alone"), "\(message)")
    let overflow = try adding([("mask", "BOOL", [4, 1 << 53, 1 << 9], 0)])
    #expect(problem(overflow, config: config)?.contains("which no array has") == true)
  }

  @Test("an array of pickled objects is named, and left out by --ignore")
  func pickledArray() throws {
    let (path, config) = ("\(Self.library)/big_vision/pickled.npz", "\(Goldens.smallDirectory)/vit_token/config.json")
    let message = try #require(problem(path, config: config))
    #expect(message.contains("tensor extra: holds pickled objects, which are not read"), "\(message)")
    #expect(problem(path, config: config, ignoring: ["extra"]) == nil)
  }

  @Test("two models in one file are refused until one is left out")
  func twoModels() throws {
    let path = try adding([("teacher/Encoder/encoder_norm/scale", "F32", [8], 32)])
    let message = try #require(problem(path, config: config))
    #expect(
      message.hasSuffix(
        "holds 2 models, those of Encoder/encoder_norm/bias, teacher/Encoder/encoder_norm/scale: leave the others out "
          + "with --ignore, as in --ignore 'teacher/*'")
    )
    #expect(problem(path, config: config, ignoring: ["teacher/*"]) == nil)
  }
}
