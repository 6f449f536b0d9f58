import E3Host

/// Whose names the tensors have.
public enum Naming: String, Sendable {
  case vmoe = "V-MoE"
  /// vit_jax and big_vision.
  case bigVision = "vit_jax or big_vision"
  case timm
  case huggingFace = "Hugging Face"
  case torchvision

  /// Tensors that every model has under these names: what stands before one is the way to the model in the checkpoint.
  /// Where the first is lost, another tells whose it was.
  private var anchors: [String] {
    switch self {
    case .vmoe: ["encoder_norm/scale", "encoder_norm/bias", "encoderblock_0/LayerNorm_0/scale"].map { "Encoder/\($0)" }
    case .bigVision:
      [
        "encoder_norm/scale", "encoder_norm/bias", "encoderblock_0/LayerNorm_0/scale", "encoderblock/LayerNorm_0/scale",
      ].map { "Transformer/\($0)" }
    case .timm: ["patch_embed.proj.weight", "patch_embed.proj.bias"]
    case .huggingFace: ["weight", "bias"].map { "embeddings.patch_embeddings.projection.\($0)" }
    case .torchvision: ["conv_proj.weight", "conv_proj.bias"]
    }
  }

  /// Whether `name` is that of a tensor in an encoder block of the model whose names begin with `prefix`.
  func isInBlock(_ name: String, prefix: String) -> Bool {
    // transformers 5 writes ViTMSN's blocks beside the model that they are of.
    let outer = innerPrefix(prefix)
    if self == .huggingFace, outer != prefix, name.hasPrefix(outer),
      bareName(String(name.dropFirst(outer.count))).hasPrefix("encoder.layer.")
    {
      return true
    }
    guard name.hasPrefix(prefix) else { return false }
    let own = bareName(String(name.dropFirst(prefix.count)))
    return blocks.contains(where: own.hasPrefix)
  }

  /// Why the model has no use for the tensor `name`; nil where that is not known.
  ///
  /// - Parameters:
  ///   - root: what stands before the model and its training state in the file.
  ///   - prefix: what stands before all names of the model, `root` included.
  func reasonUnused(_ name: String, shape: [Int], root: String, prefix: String) -> String? {
    if isInBlock(name, prefix: prefix) { return UnusedTensors.reasonInBlock(name, shape: shape) }
    if name.hasPrefix(prefix), let reason = unused[bareName(String(name.dropFirst(prefix.count)))] { return reason }
    let isBelow = !root.isEmpty && name.hasPrefix(root)
    return UnusedTensors.reason(isBelow ? String(name.dropFirst(root.count)) : name, shape: shape, isTop: !isBelow)
  }

  /// What the library's models have beside that which classifies.
  private var unused: [String: String] {
    switch self {
    case .vmoe, .bigVision, .torchvision: [:]
    case .timm: ["mask_token": "mask for training"]
    case .huggingFace:
      [
        "embeddings.mask_token": "mask for training",
        "pooler.dense.weight": "pooler, which classification does not use",
        "pooler.dense.bias": "pooler, which classification does not use",
      ]
    }
  }

  /// Whether the names are those of PyTorch's modules.
  private var isTorch: Bool { self != .vmoe && self != .bigVision }

  /// A name without the modules that wrap others.
  private func bareName(_ name: String) -> String {
    guard isTorch else { return name }
    let bare = Wrappers.removed(from: name)
    return self == .timm ? Self.withoutChunk(bare) : bare
  }

  /// `blocks.CHUNK.BLOCK.…`, as DINOv2 trains with FSDP, is `blocks.BLOCK.…`: its blocks are counted through all chunks.
  ///
  /// Source: https://github.com/facebookresearch/dinov2, dinov2/models/vision_transformer.py, `BlockChunk`.
  private static func withoutChunk(_ name: String) -> String {
    guard name.hasPrefix("blocks.") else { return name }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 3, parts[1...2].allSatisfy({ Int($0) != nil }) else { return name }
    return "blocks." + parts[2...].joined(separator: ".")
  }

  private var blocks: [String] {
    switch self {
    case .vmoe: ["Encoder/encoderblock"]
    case .bigVision: ["Transformer/encoderblock"]
    case .timm: ["blocks."]
    case .huggingFace: ["encoder.layer.", "layers."]
    case .torchvision: ["encoder.layers."]
    }
  }

  /// The model that a checkpoint holds: its naming, and what stands before all of its names.
  ///
  /// - Parameter root: what stands before `names` in the file.
  /// - Returns: nil where no name is known.
  /// - Throws: a checkpoint of several models.
  static func find(
    in names: some Sequence<String>, below root: String = "", path: String
  ) throws(FileError) -> (naming: Naming, prefix: String)? {
    // By the way to the model and its first anchor, with the first name that told it.
    var found: [String: (naming: Naming, prefix: String, name: String)] = [:]
    for name in names {
      let bare = Wrappers.removed(from: name)
      for naming in [Naming.vmoe, .bigVision, .timm, .huggingFace, .torchvision] {
        for anchor in naming.anchors where (naming.isTorch ? bare : name).hasSuffix(anchor) {
          let prefix =
            name.hasSuffix(anchor) ? String(name.dropLast(anchor.count)) : Wrappers.way(in: name, to: anchor)
          let isWhole = prefix.isEmpty || prefix.hasSuffix("/") || prefix.hasSuffix(".")
          guard isWhole, UnusedTensors.reason(name, isTop: root.isEmpty) == nil else { continue }
          let key = prefix + naming.anchors[0]
          found[key] = (naming, prefix, min(name, found[key]?.name ?? name))
        }
      }
    }
    guard found.count > 1 else { return found.values.first.map { ($0.naming, $0.prefix) } }
    let tensors = found.values.map(\.name).sorted().prefix(4).map { root + $0 }.joined(separator: ", ")
    let innermost = found.values.max { ($0.prefix.utf8.count, $0.name) < ($1.prefix.utf8.count, $1.name) }?.prefix ?? ""
    throw FileError(
      file: path,
      problem: "holds \(found.count) models, those of \(tensors): leave the others out with --ignore, "
        + "as in --ignore '\(root + innermost)*'")
  }

  /// Turns the model's tensors into those of V-MoE's tree.
  ///
  /// - Parameters:
  ///   - root: what stands before the names in the file.
  ///   - prefix: what stands before the model's names below it.
  /// - Throws: a tensor that is there twice; one that is missed although no other name of a model stands for it; one that
  ///   belongs to what is not computed.
  func translate(
    _ stored: [String: any TensorSource], root: String, prefix: String, path: String
  ) throws(FileError) -> TranslatedTensors {
    let inner = innerPrefix(prefix)
    let way = root + inner
    var own: [String: any TensorSource] = [:]
    var rest: [String: any TensorSource] = [:]
    // What the file calls those whose names have wrappers.
    var wrapped: [String: String] = [:]
    for (name, tensor) in stored {
      guard name.hasPrefix(inner) else {
        rest[name] = tensor
        continue
      }
      let (full, bare) = (String(name.dropFirst(inner.count)), bareName(String(name.dropFirst(inner.count))))
      guard own.updateValue(tensor, forKey: bare) == nil else { throw twice(bare, in: stored.keys, inner, root, path) }
      if bare != full { wrapped[bare] = full }
    }
    func fileName(_ name: String) -> String { way + (wrapped[name] ?? name) }
    var facts = NamingFacts()
    let base = bareName(String(prefix.dropFirst(inner.count)))
    switch self {
    case .vmoe:
      var origins: [String: Origin] = [:]
      for (name, tensor) in own { origins[name] = Origin(name: way + name, shape: tensor.shape, layout: .same) }
      return TranslatedTensors(tensors: own, rest: rest, origins: origins)
    case .bigVision:
      let (tensors, origins) = try bigVisionNames(own, prefix: way, path: path)
      // big_vision puts the class token in behind the positions; vit_jax, and big_vision at first, have one for it.
      let isOld = origins[ParameterNames.positionEmbedding]?.name.hasSuffix("posembed_input/pos_embedding") ?? true
      facts.positionedTokens = isOld ? [.all] : [.all, .none]
      return TranslatedTensors(tensors: tensors, rest: rest, facts: facts, origins: origins)
    case .timm, .huggingFace, .torchvision:
      var translation = Translation(own)
      facts.activation = .gelu
      switch self {
      case .timm: translateTimm(&translation, &facts)
      case .huggingFace: translateHuggingFace(&translation, &facts, base: base)
      default: translateTorchvision(&translation, &facts)
      }
      let settled = translation.settle()
      facts.parts.merge(settled.parts) { $1 }
      facts.parts = facts.parts.mapValues { NamingFacts.Part(isThere: $0.isThere, example: fileName($0.example)) }
      facts.layersWithoutBias = settled.layersWithoutBias
      let lost = translation.origins.values.filter { $0.shape == nil }.map(\.name).sorted()
      let stands = lost.lazy.compactMap { name in Reparametrisation.fault(name) { own[$0] != nil } }.first
      if let (name, problem) = stands ?? translation.faults.first {
        throw FileError(file: path, tensor: fileName(name), problem: problem)
      }
      let given = wrapped
      rest.merge(translation.rest.map { (inner + (given[$0.key] ?? $0.key), $0.value) }) { $1 }
      return TranslatedTensors(
        tensors: translation.tensors, rest: rest, facts: facts,
        origins: translation.origins.mapValues { Origin(name: fileName($0.name), shape: $0.shape, layout: $0.layout) })
    }
  }

  /// Two names of the file are one without the modules that wrap others.
  private func twice(
    _ name: String, in names: some Sequence<String>, _ inner: String, _ root: String, _ path: String
  ) -> FileError {
    let all = names.filter { $0.hasPrefix(inner) && bareName(String($0.dropFirst(inner.count))) == name }.sorted()
    return FileError(
      file: path, tensor: root + (all.last ?? name),
      problem: "a second tensor for \(name), beside \(root + (all.first ?? name)): leave one of them out with --ignore")
  }

  /// What the file would call a tensor of V-MoE's that it does not have: what its neighbours are called.
  ///
  /// - Parameter prefix: what stands before all names of the model.
  func fileName(ofLost name: String, prefix: String, beside origins: [String: Origin]) -> String {
    let parts = name.split(separator: "/")
    for count in parts.indices.dropFirst().reversed() {
      let folder = parts[..<count].joined(separator: "/") + "/"
      for (neighbour, origin) in origins.sorted(by: { $0.key < $1.key }) where neighbour.hasPrefix(folder) {
        let (depth, components) = (neighbour.split(separator: "/").count, origin.name.split(separator: "/"))
        guard components.count >= depth else { continue }
        return (components.dropLast(depth - count) + parts[count...]).joined(separator: "/")
      }
    }
    return prefix + name
  }

  /// Where the model with its head begins: Hugging Face's heads stand beside the encoder, not in it.
  func innerPrefix(_ prefix: String) -> String {
    guard self == .huggingFace else { return prefix }
    let bare = Wrappers.removed(fromEndOf: prefix)
    for model in ["vit.", "deit.", "dinov2.", "dinov2_with_registers."] where bare.hasSuffix(model) {
      let outer = String(bare.dropLast(model.count))
      if outer.isEmpty || outer.hasSuffix(".") { return outer }
    }
    return prefix
  }
}

/// A model's tensors under V-MoE's names, and what else the names of a checkpoint say.
struct TranslatedTensors {
  var tensors: [String: any TensorSource]
  /// Tensors that are none of the model's, as the file names them.
  var rest: [String: any TensorSource]
  var facts = NamingFacts()
  /// By V-MoE's names: what the file has for them, whether it is there or missed.
  var origins: [String: Origin] = [:]
}

/// Which of the tokens before the patches have a position of their own.
enum PositionedTokens { case all, classToken, none }

/// What a checkpoint's names say about the model beyond the shapes.
struct NamingFacts {
  /// What libraries with these names compute unless a configuration says otherwise.
  var activation = ModelConfig.Activation.geluTanh
  var epsilon: Float = 1e-6
  /// Nil where the names leave it open.
  var classifier: ModelConfig.Classifier?
  /// Whether the names allow another classifier than `classifier`.
  var isClassifierAssumed = false
  /// Parts that the library's models may lack; none where the names leave it open.
  var parts: [OptionalPart: Part] = [:]
  var finalNorm = ModelConfig.FinalNorm.beforePooling
  /// Whether the names are those of Dinov2's blocks; nil for others than Hugging Face's.
  var isDinov2: Bool?
  /// Whether a token for distillation is the only one that may stand between class token and patches.
  var isDistilled = false
  /// Under V-MoE's names, `encoderblock_*` for all blocks.
  var layersWithoutBias: [String] = []
  /// How the library brings positions to another image size.
  var positionResize = PositionResize.linear
  /// Which of the tokens before the patches have positions: the ways that the names allow.
  var positionedTokens: [PositionedTokens] = [.all]

  struct Part {
    let isThere: Bool
    /// What the file calls one of its tensors.
    let example: String
  }
}
