import E3Host

/// Whose names the tensors have.
public enum Naming: String, Sendable {
  case vmoe = "V-MoE"
  /// vit_jax and big_vision.
  case bigVision = "vit_jax or big_vision"
  case timm
  case huggingFace = "Hugging Face"
  case torchvision

  /// A tensor that every model has under these names: what stands before it is the way to the model in the checkpoint.
  private var anchors: [String] {
    switch self {
    case .vmoe: ["Encoder/encoder_norm/scale"]
    case .bigVision: ["Transformer/encoder_norm/scale"]
    case .timm: ["patch_embed.proj.weight"]
    case .huggingFace: ["embeddings.patch_embeddings.projection.weight"]
    case .torchvision: ["conv_proj.weight"]
    }
  }

  /// Whether `name` is that of a tensor in an encoder block of the model whose names begin with `prefix`.
  func isInBlock(_ name: String, prefix: String) -> Bool {
    name.hasPrefix(prefix) && blocks.contains { name.dropFirst(prefix.count).hasPrefix($0) }
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
  /// - Returns: nil where no name is known.
  /// - Throws: a checkpoint of several models.
  static func find(in names: some Sequence<String>, path: String) throws(FileError) -> (naming: Naming, prefix: String)?
  {
    var found: [(naming: Naming, prefix: String)] = []
    for name in names {
      for naming in [Naming.vmoe, .bigVision, .timm, .huggingFace, .torchvision] {
        for anchor in naming.anchors where name.hasSuffix(anchor) {
          let prefix = String(name.dropLast(anchor.count))
          let isWhole = prefix.isEmpty || prefix.hasSuffix("/") || prefix.hasSuffix(".")
          if isWhole, UnusedTensors.reason(prefix + anchor) == nil { found.append((naming, prefix)) }
        }
      }
    }
    guard found.count > 1 else { return found.first }
    let prefixes = found.map(\.prefix).sorted().prefix(4).map { "\"\($0)\"" }.joined(separator: ", ")
    throw FileError(
      file: path,
      problem: "holds \(found.count) models, whose names begin with \(prefixes): leave the others out with --ignore")
  }

  /// Turns the model's tensors into those of V-MoE's tree.
  ///
  func translate(
    _ stored: [String: any TensorSource], prefix: String, path: String
  ) throws(FileError) -> TranslatedTensors {
    let inner = innerPrefix(prefix)
    var own: [String: any TensorSource] = [:]
    var rest: [String: any TensorSource] = [:]
    for (name, tensor) in stored {
      if name.hasPrefix(inner) { own[String(name.dropFirst(inner.count))] = tensor } else { rest[name] = tensor }
    }
    var facts = NamingFacts()
    let base = String(prefix.dropFirst(inner.count))
    switch self {
    case .vmoe: return TranslatedTensors(tensors: own, rest: rest)
    case .bigVision: return TranslatedTensors(tensors: try bigVisionNames(own, path: path), rest: rest)
    case .timm, .huggingFace, .torchvision:
      var translation = Translation(own)
      facts.activation = .gelu
      switch self {
      case .timm: translateTimm(&translation, &facts)
      case .huggingFace: translateHuggingFace(&translation, &facts, base: base)
      default: translateTorchvision(&translation, &facts)
      }
      facts.layersWithoutBias = translation.settle()
      if let (name, problem) = translation.missed.first {
        throw FileError(file: path, tensor: inner + name, problem: problem)
      }
      rest.merge(translation.rest.map { (inner + $0.key, $0.value) }) { $1 }
      return TranslatedTensors(
        tensors: translation.tensors, rest: rest, facts: facts, origins: translation.origins.mapValues { inner + $0 })
    }
  }

  /// Where the model with its head begins: Hugging Face's heads stand beside the encoder, not in it.
  private func innerPrefix(_ prefix: String) -> String {
    guard self == .huggingFace else { return prefix }
    for model in ["vit.", "deit.", "dinov2.", "dinov2_with_registers."] where prefix.hasSuffix(model) {
      let outer = String(prefix.dropLast(model.count))
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
  /// By V-MoE's names: what the file calls the tensor, whether it is there or missed.
  var origins: [String: String] = [:]
}

/// What a checkpoint's names say about the model beyond the shapes.
struct NamingFacts {
  /// What libraries with these names compute unless a configuration says otherwise.
  var activation = ModelConfig.Activation.geluTanh
  var epsilon: Float = 1e-6
  /// Nil where the names leave it open.
  var classifier: ModelConfig.Classifier?
  /// Whether the names allow another classifier than `classifier`.
  var isClassifierAssumed = false
  /// Whether queries, keys and values have biases; nil where the names leave it open.
  var hasQueryBias: Bool?
  var finalNorm = ModelConfig.FinalNorm.beforePooling
  /// Under V-MoE's names, `encoderblock_*` for all blocks.
  var layersWithoutBias: [String] = []
  /// How the library brings positions to another image size.
  var positionResize = PositionResize.linear
}
