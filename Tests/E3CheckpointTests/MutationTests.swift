import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

/// Every tensor of every kind of checkpoint: lost, renamed, of another shape, or there a second time under a name that
/// stands for the same elsewhere. None of it may make another model in silence.
@Suite("Changed checkpoints") struct MutationTests {
  struct Model: Sendable, CustomStringConvertible {
    let checkpoint: String
    /// Nil: shapes alone, and the number of heads, which no shape tells.
    let config: String?
    var description: String {
      checkpoint.replacing("\(packageRoot.path)/Tests/E3Goldens/", with: "") + (config == nil ? " alone" : "")
    }
  }

  static let models: [Model] = {
    let libraries = Goldens.libraryModels.map { Model(checkpoint: $0.folder, config: "\($0.folder)/config.json") }
    let (library, data) = (Goldens.libraryDirectory, Goldens.smallDirectory)
    let others = [
      "\(library)/hf_Dinov2ForImageClassification/memory.pt": "\(library)/hf_Dinov2ForImageClassification",
      "\(library)/big_vision/train.npz": "\(data)/vit_token", "\(library)/big_vision/stacked.npz": "\(data)/vit_token",
      "\(data)/vit_token/vit_token_published.npz": "\(data)/vit_token",
      "\(data)/e3_token/e3_token.safetensors": "\(data)/e3_token",
      "\(data)/e3_groups/e3_groups_prefixed.safetensors": "\(data)/e3_groups",
      "\(data)/vmoe_map/vmoe_map.safetensors": "\(data)/vmoe_map",
    ]
    let alone = [
      "timm_vit_small_patch14_reg4_dinov2", "timm_deit_tiny_distilled_patch16_224", "hf_DeiTForImageClassification",
      "hf_Dinov2WithRegistersForImageClassification",
    ]
    return libraries + others.sorted { $0.key < $1.key }.map { Model(checkpoint: $0, config: "\($1)/config.json") }
      + alone.map { Model(checkpoint: "\(library)/\($0)", config: nil) }
  }()

  private typealias Table = ShapeTable

  private struct Mutation {
    /// What it is, the names that it is about, with those that it makes, and the table that it leaves.
    let text: String
    let names: [String]
    let table: Table
    /// What a tensor's shape became.
    var shape: [Int]?
  }

  @Test("whatever happens to a tensor is refused with a message that names it, or is understood", arguments: models)
  func mutations(of model: Model) throws {
    let folder = try TemporaryFolder()
    let config = try model.config ?? folder.write(#"{"encoder": {"num_heads": 2}}"#, to: "heads.json")
    let table = try Self.table(of: model)
    try #require(try problem(table, config, folder) == nil)
    var count = 0
    for mutation in Self.mutations(of: table) {
      count += 1
      let message = try problem(mutation.table, config, folder)
      guard let message else {
        #expect(Self.isUnderstood(mutation, model), "\(mutation.text): is read")
        continue
      }
      var names = mutation.names + mutation.names.map(Self.family)
      // The first norm of a block does not tell which number the second one had.
      names += names.map { $0.replacing("LayerNorm_2", with: "LayerNorm_1") }
      if mutation.text.hasSuffix("of the layer removed") { names.append("its patch embedding is lost") }
      #expect(names.contains { message.contains($0) }, "\(mutation.text): \(message)")
      #expect(!message.contains("\n"))
      // Its shape, or what would go with it: where a matrix alone tells the width of an MLP or the number of classes.
      guard let shape = mutation.shape else { continue }
      #expect(["\(shape)", "expected [\(shape[0])]"].contains { message.contains($0) }, "\(mutation.text): \(message)")
    }
    #expect(count > 100)
  }

  /// What is read all the same: patterns of models and of what happened to them.
  private static let understood: [(model: String, mutation: String)] = [
    // The same tensor by another name that is known.
    ("*", "* renamed by its synonym, *"),
    // Nothing tells the size of the images, and so that of the patches.
    ("*torchvision_vit", "conv_proj.weight *er along axis 2"),
    ("*torchvision_vit", "conv_proj.weight *er along axis 3"),
    ("* alone", "*proj*.weight *er along axis 2"),
    ("* alone", "*proj*.weight *er along axis 3"),
    // timm's and DINOv2's options: zeros are taken, and a note says so.
    ("*timm* alone", "*blocks.*.attn.proj.bias, all blocks, removed"),
    ("*timm* alone", "*blocks.*.attn.qkv.bias, all blocks, removed"),
    // Nothing tells that there were any, or how many.
    ("*reg4_dinov2 alone", "reg_token *"),
    ("*WithRegisters* alone", "*.register_tokens *er along axis 1"),
    // So many positions as patches are big_vision's, whose class token has none, and a note says so.
    ("*big_vision/*.npz", "*pos_embedding shorter along axis 1"),
    // A note says that the head reads the mean of the patches.
    ("*reg4_dinov2 alone", "cls_token removed"),
  ]

  private static func isUnderstood(_ mutation: Mutation, _ model: Model) -> Bool {
    understood.contains {
      NamePattern($0.model).matches(model.description) && NamePattern($0.mutation).matches(mutation.text)
    }
  }

  private func problem(_ table: Table, _ config: String, _ folder: TemporaryFolder) throws -> String? {
    let path = try writeShapes(table, to: "m.safetensors", in: folder)
    return fault { _ = try SourceModel(checkpoint: path, config: config) }
  }

  // MARK: Mutations

  /// What the model has no use for is not looked at.
  private static func table(of model: Model) throws -> Table {
    let unused = Set(try Checkpoint(path: model.checkpoint).passedOver.map(\.name))
    return try shapes(of: model.checkpoint).filter { !unused.contains($0.key) }
  }

  /// Of a tensor that each block has: those of the first block, of the last one where it is lost, and of all blocks.
  private static func mutations(of table: Table) -> [Mutation] {
    let names = table.keys.sorted()
    let groups = Dictionary(grouping: names, by: withoutBlock).values.sorted { $0[0] < $1[0] }
    let layers =
      Dictionary(grouping: names, by: family).values.filter { $0.count > 1 }
      + Dictionary(grouping: names) { family(withoutBlock($0)) }.values.filter { $0.count > 2 }
    let lost = layers.sorted { $0[0] < $1[0] }.map { names in
      Mutation(
        text: "\(names[0]) and \(names.count - 1) more of the layer removed", names: names,
        table: table.filter { !names.contains($0.key) })
    }
    return lost
      + groups.flatMap { names -> [Mutation] in
        let first = mutations(of: [names[0]], in: table)
        guard names.count > 1, let last = names.last else { return first }
        let rest = table.filter { $0.key != last }
        return first + [Mutation(text: "\(last) removed", names: [last], table: rest)] + mutations(of: names, in: table)
      }
  }

  private static func mutations(of names: [String], in table: Table) -> [Mutation] {
    let text = names.count > 1 ? "\(withoutBlock(names[0])), all blocks," : names[0]
    let rest = table.filter { !names.contains($0.key) }
    func changed(_ kind: String, to shape: [Int]) -> Mutation {
      let changed = Dictionary(uniqueKeysWithValues: names.map { ($0, shape) })
      return Mutation(text: "\(text) \(kind)", names: names, table: rest.merging(changed) { $1 }, shape: shape)
    }
    func moved(_ kind: String, _ rename: (String) -> String) -> [Mutation] {
      let moved = Dictionary(uniqueKeysWithValues: names.map { (rename($0), table[$0] ?? []) })
      guard moved.keys.allSatisfy({ table[$0] == nil }) else { return [] }
      let both = names + moved.keys
      return [
        Mutation(text: "\(text) renamed\(kind)", names: both, table: rest.merging(moved) { $1 }),
        Mutation(text: "\(text) there twice\(kind)", names: both, table: table.merging(moved) { $1 }),
      ]
    }
    let shape = table[names[0]] ?? []
    var mutations = [
      Mutation(text: "\(text) removed", names: names, table: rest), changed("with an axis more", to: shape + [1]),
    ]
    for axis in shape.indices {
      for (kind, step) in [("longer", 1), ("shorter", -1)] where step > 0 || shape.count == 3 && shape[axis] > 1 {
        var other = shape
        other[axis] += step
        mutations.append(changed("\(kind) along axis \(axis)", to: other))
      }
    }
    if shape.reversed() != shape { mutations.append(changed("transposed", to: shape.reversed())) }
    mutations += moved("") { "\($0)_other" }
    for (kind, pairs) in [(" by its synonym", synonyms), ("", namesakes)] {
      for (part, other) in pairs + pairs.map({ ($1, $0) }) where names[0].contains(part) {
        mutations += moved("\(kind), \(other)") { $0.replacing(part, with: other) }
      }
    }
    return mutations
  }

  /// Parts of names of the same tensor.
  private static let synonyms = [
    ("ls1.gamma", "gamma_1"), ("reg_token", "register_tokens"), ("MlpBlock_0", "MlpBlock_3"), ("MAPHead_0", "MapHead"),
    ("MultiHeadDotProductAttention_0", "SelfAttention"), ("Transformer/posembed_input/pos_embedding", "pos_embedding"),
    ("Transformer/", "Encoder/"),
  ]

  /// Parts of names of tensors that have the same place in other models, or another one in the same.
  private static let namesakes = [
    ("reg_token", "dist_token"), ("fc_norm", "norm"), ("head.", "head_dist."), ("head.", "pre_logits.fc."),
    ("cls_token", "class_token"), ("norm1", "ln_1"), ("norm1", "layernorm_before"), ("norm2", "layernorm_after"),
    ("layer_scale1.lambda1", "ls1.gamma"), ("attention.attention.query", "attention.q_proj"),
    ("attention.output.dense", "attention.o_proj"), ("intermediate.dense", "mlp.fc1"), ("output.dense", "mlp.fc2"),
    ("encoder.layer.", "layers."), ("mlp.0", "mlp.linear_1"), ("mlp.3", "mlp.linear_2"),
    ("register_tokens", "distillation_token"), ("classifier.", "cls_classifier."),
    ("classifier.", "distillation_classifier."), ("patch_embed.proj", "conv_proj"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"), ("MlpBlock_", "Mlp_"),
    ("encoderblock_0", "encoderblock"), ("LayerNorm_0", "LayerNorm_2"), ("Mlp/", "Moe/Mlp/"), ("head/", "pre_logits/"),
  ]

  /// The name with `*` for the block's number.
  private static func withoutBlock(_ name: String) -> String {
    name.replacing(#/((^|\.)(blocks|layers?)\.|encoderblock_|encoder_layer_)\d+/#) { "\($0.output.1)*" }
  }

  /// The layer that the tensor is of.
  private static func family(_ name: String) -> String {
    guard let end = name.lastIndex(where: { $0 == "." || $0 == "/" }) else { return name }
    return String(name[..<end])
  }
}
