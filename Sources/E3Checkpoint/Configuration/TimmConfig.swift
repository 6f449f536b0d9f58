import E3Host

/// timm's `config.json`, as its models on the Hugging Face Hub have it: the architecture's name, `model_args` that
/// differ from it, and `pretrained_cfg` for the preprocessing.
///
/// Source: https://github.com/huggingface/pytorch-image-models, timm/models/_hub.py and _pretrained.py.
func timmConfig(_ root: ConfigObject) throws(FileError) -> ConfigDocument {
  // An older form has the fields of pretrained_cfg at the top.
  let isOld = !root.has("pretrained_cfg")
  try root.requireKnown(
    recordFields.union(isOld ? pretrainedFields : []).union([
      "architecture", "num_classes", "num_features", "global_pool", "model_args", "pretrained_cfg",
    ]))
  var document = ConfigDocument(file: root.file)
  document.names = ConfigDocument.FieldNames(
    hiddenSize: "num_features", layerCount: "depth or architecture", headCount: "num_heads", imageSize: "input_size")
  guard let name = try root.text("architecture") else { throw root.fault("architecture", "missing", "a name") }
  let architecture = try TimmArchitecture(name, file: root.file)
  document.activation = architecture.activation
  document.layerNormEpsilon = architecture.epsilon
  document.headCount = architecture.headCount
  if architecture.headCount != nil { document.names.headCount = "num_heads of \(name) (not given)" }
  document.registerTokens = architecture.registerTokens
  document.registerName = architecture.isDistilled ? "dist_token" : nil
  document.layerCount = architecture.layerCount
  document.parts = architecture.parts
  document.hiddenSize = try root.size("num_features")
  // 0: a backbone without head, whose tensors say so.
  document.classCount = try root.size("num_classes", minimum: 0).flatMap { $0 > 0 ? $0 : nil }
  let pretrained = isOld ? root : try root.object("pretrained_cfg")
  if let pretrained {
    if !isOld { try pretrained.requireKnown(pretrainedFields.union(recordFields).union(["architecture"])) }
    if let size = try pretrained.integers("input_size") {
      guard size.count == 3, size[0] == 1 || size[0] == 3, size[1] > 0, size[2] > 0 else {
        throw pretrained.fault("input_size", "\(size)", "[channels, height, width]")
      }
      document.channels = size[0]
      document.imageSize = Array(size[1...])
    }
  }
  try addPooling(try root.text("global_pool"), to: &document, root)
  if let arguments = try root.object("model_args") { try addArguments(arguments, to: &document) }
  addPooledNorm(to: &document, isGiven: try root.object("model_args")?.bool("fc_norm") != nil)
  if let pretrained { try addPreprocessing(pretrained, to: &document) }
  try addLabels(root, pretrained, to: &document)
  return document
}

/// Fields about the files and their origin.
private let recordFields: Set<String> = [
  "tag", "custom_load", "url", "file", "hf_hub_id", "hf_hub_filename", "source", "license", "license_url", "origin_url",
  "paper_name", "paper_ids", "notes", "label_names", "label_descriptions", "labels", "version", "model_card",
]

private let pretrainedFields: Set<String> = [
  "input_size", "test_input_size", "min_input_size", "fixed_input_size", "interpolation", "crop_pct", "test_crop_pct",
  "crop_mode", "mean", "std", "num_classes", "label_offset", "pool_size", "test_pool_size", "first_conv", "classifier",
  "state_dict",
]

/// What timm's name of a model says that no tensor does.
private struct TimmArchitecture {
  var activation = ModelConfig.Activation.gelu
  var epsilon: Float = 1e-6
  /// Whatever width `model_args` give. Nil for a size that is not known.
  var headCount: Int?
  /// Nil for a size that is not known.
  var layerCount: Int?
  /// Of a name like `vit_small_patch14_reg4_dinov2`, and the distillation token of a distilled model.
  var registerTokens: Int
  var isDistilled: Bool
  /// Where `model_args` do not say otherwise.
  var parts: [OptionalPart: (isThere: Bool, reason: String)] = [:]

  init(_ name: String, file: String) throws(FileError) {
    func contains(_ part: String) -> Bool { "_\(name)_".holds("_\(part)_") }
    guard ["vit_", "deit_", "deit3_", "flexivit_"].contains(where: name.hasPrefix), !contains("dinov3"),
      !contains("rope"),
      !contains("quickgelu"), !contains("xp"), !contains("rpn"), !contains("relpos"), !contains("srelpos")
    else {
      throw FileError(
        file: file,
        problem:
          "architecture is \"\(name)\"; of timm's models vit_*, deit_*, deit3_* and flexivit_* with plain blocks, "
          + "learned positions and GELU are read")
    }
    let usesTanh =
      contains("siglip")
      && (contains("giantopt") || contains("so400m") && contains("patch16") || contains("base") && contains("patch32")
        || contains("large") && contains("512"))
    activation = usesTanh ? .geluTanh : .gelu
    epsilon = contains("clip") ? 1e-5 : 1e-6
    let depths = [
      "tiny": 12, "small": 12, "base": 12, "medium": 12, "betwixt": 12, "wee": 14, "little": 14, "so150m": 18,
      "mediumd": 20, "so150m2": 21, "large": 24, "so400m": 27, "huge": 32, "giant": 40, "giantopt": 40, "gigantic": 48,
    ]
    layerCount = contains("36x1") ? 36 : name.split(separator: "_").dropFirst().first.flatMap { depths[String($0)] }
    headCount = Self.headCount(name, contains)
    let registers = name.split(separator: "_").lazy.compactMap { $0.hasPrefix("reg") ? Int($0.dropFirst(3)) : nil }
      .first
    isDistilled = contains("distilled")
    registerTokens = registers ?? (isDistilled ? 1 : 0)
    // Where the name does not say for certain that there is such a part, it may be there or not.
    let isEarlyGap = contains("gap") && registers == nil
    parts[.outputBias] = (true, "\(name) has proj_bias")
    parts[.mlpBias] = parts[.outputBias]
    if !contains("miil"), !contains("so150m2"), !(isEarlyGap && (contains("medium") || contains("betwixt"))) {
      parts[.queryBias] = (true, "\(name) has qkv_bias")
    }
    let scaled = [
      "deit3", "dinov2", "tipsv2", "plus", "wee", "little", "medium", "mediumd", "betwixt", "so150m2", "36x1",
    ]
    if scaled.contains(where: contains) { parts[.layerScale] = (true, "\(name) has LayerScale") }
    if contains("gap") {
      let hasPooledNorm = !isEarlyGap && !contains("so150m")
      parts[.pooledNorm] = (hasPooledNorm, "\(name) has \(hasPooledNorm ? "" : "no ")fc_norm")
    }
  }

  /// Source: timm/models/vision_transformer.py and deit.py, `num_heads`.
  private static func headCount(_ name: String, _ contains: (String) -> Bool) -> Int? {
    if name == "vit_base_patch16_gap_224" { return 16 }
    if contains("plus") { return 14 }
    if contains("giant"), ["dinov2", "tipsv2", "v3"].contains(where: contains) { return 24 }
    let counts = [
      "tiny": 3, "xsmall": 4, "wee": 4, "pwee": 4, "little": 5, "small": 6, "medium": 8, "mediumd": 8, "betwixt": 10,
      "base": 12, "so150m2": 13, "so150m": 14, "large": 16, "intern300m": 16, "so400m": 16, "huge": 16, "giant": 16,
      "giantopt": 16, "gigantic": 16,
    ]
    return name.split(separator: "_").dropFirst().first.flatMap { counts[String($0)] }
  }
}

private func addPooling(_ pool: String?, to document: inout ConfigDocument, _ root: ConfigObject) throws(FileError) {
  switch pool {
  case nil: break
  case "token"?: document.classifier = document.classifier == .tokenPair ? .tokenPair : .token
  case "avg"?: document.classifier = .patchMean
  case "map"?: document.classifier = .map
  case let pool?: throw root.fault("global_pool", "\"\(pool)\"", "one of \"token\", \"avg\", \"map\"")
  }
}

/// Without the field a mean is normalised behind the pooling, and everything else before it; some architectures do
/// without for a mean, too.
private func addPooledNorm(to document: inout ConfigDocument, isGiven: Bool) {
  guard !isGiven, let classifier = document.classifier else { return }
  let isMean = classifier == .patchMean || classifier == .gap
  guard !isMean || document.parts[.pooledNorm] == nil else { return }
  let pool = isMean ? "avg" : classifier == .map ? "map" : "token"
  document.parts[.pooledNorm] = (isMean, "fc_norm is not given, that is, \(isMean) with global_pool \(pool)")
}

/// Arguments that differ from the architecture's own.
private func addArguments(_ arguments: ConfigObject, to document: inout ConfigDocument) throws(FileError) {
  try arguments.requireKnown([
    "img_size", "patch_size", "in_chans", "num_classes", "global_pool", "embed_dim", "depth", "num_heads", "mlp_ratio",
    "qkv_bias", "proj_bias", "init_values", "class_token", "no_embed_class", "reg_tokens", "fc_norm", "act_layer",
    "norm_layer", "pool_include_prefix", "dynamic_img_size", "dynamic_img_pad", "drop_rate", "pos_drop_rate",
    "patch_drop_rate",
    "proj_drop_rate", "attn_drop_rate", "drop_path_rate", "weight_init", "fix_init", "strict_img_size", "pos_embed",
  ])
  document.imageSize = try arguments.sides("img_size") ?? document.imageSize
  document.patchSize = try arguments.sides("patch_size")
  document.padsImages = try arguments.bool("dynamic_img_pad") ?? false
  document.channels = try arguments.size("in_chans", in: [1, 3]) ?? document.channels
  document.hiddenSize = try arguments.size("embed_dim") ?? document.hiddenSize
  if let count = try arguments.size("num_heads") {
    document.headCount = count
    document.names.headCount = "num_heads"
  }
  document.layerCount =
    try arguments.size("depth", maximum: ConfigDocument.layerLimit) ?? document.layerCount
  if let ratio = try arguments.number("mlp_ratio"), let hidden = document.hiddenSize {
    document.mlpSize = try mlpSize(hidden, ratio, arguments)
    document.names.mlpSize = "mlp_ratio"
  }
  if let given = try arguments.bool("qkv_bias") { document.parts[.queryBias] = (given, "qkv_bias is \(given)") }
  if let given = try arguments.bool("proj_bias") {
    document.parts[.outputBias] = (given, "proj_bias is \(given)")
    document.parts[.mlpBias] = document.parts[.outputBias]
  }
  if let given = try arguments.bool("fc_norm") { document.parts[.pooledNorm] = (given, "fc_norm is \(given)") }
  if let given = try arguments.number("init_values") {
    document.parts[.layerScale] = (given != 0, "init_values is \(given)")
  } else if arguments.isNull("init_values") {
    document.parts[.layerScale] = (false, "init_values is null")
  }
  document.registerTokens = try arguments.size("reg_tokens", minimum: 0) ?? document.registerTokens
  document.hasClassToken = try arguments.bool("class_token") ?? document.hasClassToken
  try addPooling(try arguments.text("global_pool"), to: &document, arguments)
  if try arguments.bool("pool_include_prefix") == true, document.classifier == .patchMean { document.classifier = .gap }
  switch try arguments.text("pos_embed") {
  case nil, "learn"?: break
  case ""?, "none"?: document.positionEmbedding = ModelConfig.PositionEmbedding.none
  case let name?: throw arguments.fault("pos_embed", "\"\(name)\"", "one of \"learn\", \"none\"")
  }
  switch try arguments.text("act_layer") {
  case nil: break
  case "gelu"?: document.activation = .gelu
  case "gelu_tanh"?: document.activation = .geluTanh
  case let name?: throw arguments.fault("act_layer", "\"\(name)\"", "one of \"gelu\", \"gelu_tanh\"")
  }
  if let name = try arguments.text("norm_layer"), name != "layernorm" {
    throw arguments.fault("norm_layer", "\"\(name)\"", "\"layernorm\"")
  }
}

/// The recipe of timm's evaluation transform.
///
/// Source: timm/data/transforms_factory.py, transforms_imagenet_eval.
private func addPreprocessing(_ pretrained: ConfigObject, to document: inout ConfigDocument) throws(FileError) {
  guard let mean = try pretrained.numbers("mean"), let deviation = try pretrained.numbers("std"),
    let image = document.imageSize
  else { return }
  guard deviation.allSatisfy({ $0 > 0 }) else { throw pretrained.fault("std", "\(deviation)", "numbers above 0") }
  let filters: [SourcePreprocessing.Filter] = SourcePreprocessing.Filter.allCases
  let filter =
    try pretrained.string("interpolation", oneOf: filters.map(\.rawValue))
    .flatMap(SourcePreprocessing.Filter.init) ?? .bicubic
  let share = try pretrained.number("crop_pct") ?? 0.875
  guard share > 0, share <= 1 else { throw pretrained.fault("crop_pct", "\(share)", "above 0 and at most 1") }
  func side(_ size: Int) -> Int { min(ConfigDocument.sideLimit, Int((Double(size) / share).rounded(.down))) }
  let grid = Grid(height: image[0], width: image[1])
  let resize: SourcePreprocessing.Resize
  switch try pretrained.string("crop_mode", oneOf: ["center", "squash"]) ?? "center" {
  case "squash": resize = .exact(Grid(height: side(grid.height), width: side(grid.width)))
  default:
    let sides = Grid(height: side(grid.height), width: side(grid.width))
    resize = sides.height == sides.width ? .shorterSide(sides.height) : .cover(sides)
  }
  document.preprocessing = SourcePreprocessing(
    resize: resize, filter: filter, crop: grid, cropRounding: .halfToEven, mean: mean, deviation: deviation)
}

private func addLabels(
  _ root: ConfigObject, _ pretrained: ConfigObject?, to document: inout ConfigDocument
) throws(FileError) {
  guard case .array(let elements)? = root.json("label_names") ?? root.json("labels") ?? pretrained?.json("label_names")
  else { return }
  let descriptions = root.json("label_descriptions") ?? pretrained?.json("label_descriptions")
  var texts: [[UInt8]: String] = [:]
  if case .object(let members)? = descriptions {
    for (key, value) in members { if case .string(let text) = value { texts[Array(key.utf8)] = text } }
  }
  var labels: [String] = []
  for element in elements {
    guard case .string(let name) = element else { throw root.fault("label_names", element.text(), "texts") }
    labels.append(texts[Array(name.utf8)] ?? name)
  }
  document.labels = labels
}
