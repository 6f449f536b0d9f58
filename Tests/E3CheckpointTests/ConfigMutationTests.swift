import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

/// Every field of every kind of configuration: lost, renamed, of another type or value, and fields that nobody knows.
/// None of it may change the model in silence, and none may be passed over that could.
@Suite("Changed configurations") struct ConfigMutationTests {
  struct File: Sendable, CustomStringConvertible {
    let checkpoint: String
    let folder: String
    /// The file that is changed.
    let name: String
    var description: String { "\(folder.split(separator: "/").last ?? "")/\(name)" }
  }

  static let files: [File] = {
    let library = Goldens.libraryDirectory
    let names = [
      "timm_deit3_small_patch16_224", "timm_vit_small_patch14_reg4_dinov2", "timm_vit_so150m_patch16_reg4_gap_256",
      "timm_vit_base_patch16_siglip_224", "hf_ViTForImageClassification", "hf_DeiTForImageClassification",
      "hf_Dinov2WithRegistersForImageClassification",
    ]
    let folders = names.map { "\(library)/\($0)" }
    let own = [
      "e3_token": "e3_token.safetensors", "vmoe_map": "vmoe_map.safetensors", "vit_token": "vit_token_published.npz",
    ]
    return folders.map { File(checkpoint: $0, folder: $0, name: "config.json") }
      + folders.filter { $0.contains("/hf_") }.map {
        File(checkpoint: $0, folder: $0, name: "preprocessor_config.json")
      }
      + own.sorted { $0.key < $1.key }.map { name, checkpoint in
        let folder = "\(Goldens.smallDirectory)/\(name)"
        return File(checkpoint: "\(folder)/\(checkpoint)", folder: folder, name: "config.json")
      }
  }()

  private struct Mutation {
    let text: String
    /// Names of the field, any of which a message may have.
    let names: [String]
    let document: JSON
  }

  @Test(
    "whatever happens to a field is refused with a message that names it, is said, or is understood", arguments: files)
  func mutations(of file: File) throws {
    let folder = try TemporaryFolder()
    for name in ["config.json", "preprocessor_config.json"] where exists("\(file.folder)/\(name)") {
      try folder.write(contents(of: "\(file.folder)/\(name)"), to: name)
    }
    func open(_ document: JSON) throws -> SourceModel {
      try folder.write(document.compact.utf8, to: file.name)
      return try SourceModel(checkpoint: file.checkpoint, config: folder["config.json"])
    }
    let bytes = try contents(of: "\(file.folder)/\(file.name)")
    let document = try bytes.withUnsafeBytes { try JSON(parsing: $0, file: file.name) }
    let plain = try open(document)
    var count = 0
    for mutation in Self.mutations(of: document, path: [], { $0 }) {
      count += 1
      let model: SourceModel
      do {
        model = try open(mutation.document)
      } catch {
        #expect(mutation.names.contains { "\(error)".contains($0) }, "\(mutation.text): \(error)")
        #expect(!"\(error)".contains("\n"))
        continue
      }
      if !Set(model.notes).isSubset(of: plain.notes) { continue }
      let isSame =
        model.config == plain.config && model.preprocessing == plain.preprocessing && model.labels == plain.labels
      let allowed = isSame ? Self.harmless : Self.understood
      #expect(
        allowed.contains { NamePattern($0).matches(mutation.text) },
        "\(mutation.text): \(isSame ? "passes" : "makes another model") in silence")
    }
    #expect(count > 30)
  }

  /// What changes nothing.
  private static let harmless =
    [
      "* removed", "* is null", "label2id is an object", "pretrained_cfg.pool_size *", "representation_size renamed",
      "encoder is an object", "encoder.moe is an object", "encoder.moe.router is an object",
      "encoder.moe.layers is longer",
    ]
    + [
      // What no library looks at when it classifies, or what the tensors tell.
      "architectures", "attention_probs_dropout_prob", "hidden_dropout_prob", "drop_path_rate", "dtype",
      "encoder_stride", "initializer_range", "layerscale_value", "out_features", "out_indices", "stage_names",
      "apply_layernorm", "reshape_hidden_states", "use_mask_token", "pooler_act", "pooler_output_size",
      "transformers_version", "pretrained_cfg.classifier", "pretrained_cfg.custom_load", "pretrained_cfg.first_conv",
      "pretrained_cfg.fixed_input_size", "pretrained_cfg.license", "pretrained_cfg.num_classes", "pretrained_cfg.tag",
      "label2id.kind 0", "do_convert_rgb",
      // Nothing is dropped unless it is asked for, and an ensemble's encoder ignores position_emb.
      "encoder.moe.group_size", "encoder.moe.router.dispatcher.*", "encoder.moe.router.dispatcher",
      "encoder.position_emb",
    ].map { "\($0) is *" }

  /// What makes another model because the file says so.
  private static let understood =
    [
      "pretrained_cfg removed", "pretrained_cfg is null", "pretrained_cfg is an object", "pretrained_cfg.crop_pct *",
      "encoder.position_emb.temperature *", "size is a number",
    ]
    + [
      "model_args.num_heads", "num_attention_heads", "pretrained_cfg.mean", "pretrained_cfg.std", "layer_norm_eps",
      "id2label.*", "image_mean", "image_std", "resample", "do_normalize", "size.shortest_edge",
      "encoder.moe.router.num_selected_experts", "encoder.moe.ensemble_size",
    ].map { "\($0) is *" }

  // MARK: Mutations

  private static func mutations(
    of value: JSON, path: [String], _ put: (JSON) -> JSON
  ) -> [Mutation] {
    guard case .object(let members) = value else { return [] }
    var mutations: [Mutation] = []
    func add(_ kind: String, _ key: String, _ members: [(key: String, value: JSON)]) {
      let text = (path + [key]).joined(separator: ".")
      var names: [String] = [key]
      names += path.suffix(1)
      names += alternatives(key)
      mutations.append(Mutation(text: "\(text) \(kind)", names: names, document: put(.object(members))))
    }
    for (index, (key, value)) in members.enumerated() {
      func with(_ key: String, _ value: JSON?) -> [(key: String, value: JSON)] {
        var changed = members
        changed.remove(at: index)
        if let value { changed.insert((key, value), at: index) }
        return changed
      }
      add("removed", key, with(key, nil))
      add("renamed", key, with("\(key)_other", value))
      for (kind, other) in others(than: value) { add("is \(kind)", key, with(key, other)) }
      mutations += Self.mutations(of: value, path: path + [key]) { put(.object(with(key, $0))) }
    }
    if path.last.map({ !$0.contains("2") }) ?? true {
      let unheardOf: (key: String, value: JSON) = ("unheard_of", .number(1))
      add("added", "unheard_of", members + CollectionOfOne(unheardOf))
    }
    return mutations
  }

  /// What a message may say in place of a field's name.
  private static func alternatives(_ key: String) -> [String] {
    let names = [
      "model_args": ["architecture"], "classifier": ["tensor cls"], "position_emb": ["pos_embedding"],
      "name": ["pos_embedding"], "num_register_tokens": ["register tokens"], "ensemble_size": ["Router/dense/kernel"],
      "representation_size": ["pre_logits/kernel", "head/kernel"], "image_processor_type": ["crop_size"],
    ]
    return names[key] ?? []
  }

  /// Values of the same and of other types.
  private static func others(than value: JSON) -> [(kind: String, value: JSON)] {
    let types: [(kind: String, value: JSON)] = [
      ("null", .null), ("a text", .string("zzz")), ("a list", .array([])), ("an object", .object([])),
      ("a number", .number(7)), ("a flag", .bool(true)),
    ]
    switch value {
    case .null: return types.filter { $0.kind != "null" }
    case .bool(let flag):
      let turned: [(kind: String, value: JSON)] = [("turned", .bool(!flag))]
      return types.filter { $0.kind != "a flag" } + turned
    case .string: return types
    case .number(let number):
      let numbers: [(kind: String, value: JSON)] = [
        ("more", .number(number + 1)), ("twice", .number(2 * number)), ("0", .number(0)),
        ("negative", .number(-1 - number)),
      ]
      return types.filter { $0.kind != "a number" } + numbers
    case .array(let elements):
      let lists: [(kind: String, value: JSON)] = [
        ("longer", .array(elements + elements.suffix(1))), ("shorter", .array(elements.dropLast())),
      ]
      return types + lists
    case .object: return types
    }
  }
}
