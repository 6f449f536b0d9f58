import E3Host

/// What a configuration says, each value of the right type and in range but not yet checked against the others or a
/// checkpoint. What it leaves out is nil.
struct ConfigDocument {
  /// Path of the file, for errors; of the checkpoint where there is no configuration.
  let file: String
  /// What the file calls the fields, for errors.
  var names = FieldNames()
  /// Whether there is a configuration at all.
  var isThere = true
  /// Hugging Face's `model_type`.
  var modelType: String?
  /// Whether the model is `VisionTransformerMoeEnsemble`, whose encoder ignores `position_emb` and `attention_qk_norm`.
  var isEnsemble = false
  var imageSize: [Int]?
  /// Size of the images that the model is run with, where it is not that of its position embedding.
  var runSize: Grid?
  /// Whether images are padded to whole patches, which is not done here.
  var padsImages = false
  var channels: Int?
  var patchSize: [Int]?
  var hiddenSize: Int?
  var layerCount: Int?
  var headCount: Int?
  var mlpSize: Int?
  var classCount: Int?
  /// Outer nil: not given; inner nil: explicitly without the layer.
  var representationSize: Int??
  var classifier: ModelConfig.Classifier?
  var hasClassToken: Bool?
  /// What says whether there is a class token, where it is not a field of V-MoE's.
  var classTokenReason: String?
  /// Whether class token and registers have positions, and what says so.
  var positionsPrefix: (isThere: Bool, reason: String)?
  var registerCount: Int?
  /// What the library calls the only register, where it is not what others are called.
  var registerName: String?
  var finalNorm: ModelConfig.FinalNorm?
  var activation: ModelConfig.Activation?
  var normEpsilon: Float?
  var positionEmbedding: ModelConfig.PositionEmbedding?
  var hasQueryKeyNorm: Bool?
  /// Parts that the model has or does not have, and what says so.
  var parts: [OptionalPart: (isThere: Bool, reason: String)] = [:]
  /// Nil when the file has no `encoder.moe`.
  var moe: MoE?
  var preprocessing: SourcePreprocessing?
  /// The file that says it, where it is another one.
  var processorPath: String?
  /// One for each class.
  var labels: [String]?
  /// What says that the outputs are no classes; nil where nothing does.
  var regression: String?
  /// What the configuration calls the way in which the weights were quantised; nil where it names none.
  var quantization: String?
  /// What the user should know, in lines.
  var notes: [String] = []

  struct MoE {
    let layers: [Int]?
    let expertCount: Int?
    let memberCount: Int?
    let groupSize: Int?
    let selectedExperts: Int?
    let dispatcher: Dispatcher?
  }

  struct Dispatcher {
    enum Rounding: String, CaseIterable { case ceil, round }
    let capacityFactor: Double?
    let capacity: Int?
    /// 0: off.
    let multipleOf: Int
    let rounding: Rounding
    let batchPriority: Bool
    let roundsToBFloat16: Bool
  }

  /// What a configuration calls its fields.
  struct FieldNames {
    var hiddenSize = "hidden_size"
    var layerCount = "encoder.num_layers"
    var headCount = "encoder.num_heads"
    var mlpSize = "encoder.mlp_dim"
    var classCount = "num_classes"
    var patchSize = "patch_size"
    var channels = "channels"
    var imageSize = "image_size"
  }

  /// Largest value of any size. Keeps the byte size of every array of three axes inside `Int`.
  static let sizeLimit = 1 << 20
  /// Largest side of an image or a patch in pixels.
  static let sideLimit = 1 << 14
  /// Largest number of blocks.
  static let layerLimit = 1 << 12

  /// No configuration: the checkpoint at `path` must tell everything.
  init(none path: String) {
    file = path
    isThere = false
  }

  /// A document whose fields are filled in next.
  init(file: String) { self.file = file }

  /// What the configuration at `path` calls its model, with the file; nil where it does not say it or cannot be read.
  static func modelName(_ path: String) -> (file: String, model: String)? {
    guard let mapped = try? MappedFile(path: path), let root = try? JSON(parsing: mapped.bytes, file: path) else {
      return nil
    }
    guard case .string(let name)? = root["model_type"] ?? root["architecture"] else { return nil }
    return (path, "\"\(name)\"")
  }

  /// Parses the file at `path`, whose fields tell whose it is.
  ///
  /// - Throws: an unreadable file, bad JSON, a field with a wrong type or value or that is not known, an architecture
  ///   that is not read.
  init(path: String) throws(FileError) {
    let root = try ConfigObject(parsing: MappedFile(path: path))
    if root.json("model_type") == .string(timmWrapper) {
      self = try timmConfig(root)
    } else if root.has("model_type") || root.has("architectures") {
      self = try huggingFaceConfig(root)
    } else if ["architecture", "model_args", "pretrained_cfg"].contains(where: root.has) {
      self = try timmConfig(root)
    } else {
      self = try vmoeConfig(root)
    }
  }
}
