import E3Host

/// timm's `config.json`, as its models on the Hugging Face Hub have it: the architecture's name, `model_args` that
/// differ from it, and `pretrained_cfg` for the preprocessing.
///
/// Source: https://github.com/huggingface/pytorch-image-models, timm/models/_hub.py and _pretrained.py.
func timmConfig(_ root: ConfigObject) throws(FileError) -> ConfigDocument {
  let isWrapped = root.has("model_type")
  // An older form has the fields of pretrained_cfg at the top.
  let isOld = !root.has("pretrained_cfg") && !isWrapped
  try root.requireKnown(
    recordFields.union(isOld ? pretrainedFields : []).union(isWrapped ? wrapperFields : []).union([
      "architecture", "num_classes", "num_features", "global_pool", "model_args", "pretrained_cfg",
    ]),
    elsewhere: argumentFields.sorted().map { "model_args.\($0)" }
      + pretrainedFields.sorted().map { "pretrained_cfg.\($0)" })
  var document = ConfigDocument(file: root.file)
  document.names = ConfigDocument.FieldNames(
    hiddenSize: "num_features", layerCount: "depth or architecture", headCount: "num_heads", channels: "in_chans",
    imageSize: "input_size")
  guard let name = try root.text("architecture") else { throw root.fault("architecture", "missing", "a name") }
  let architecture = try TimmArchitecture(name, file: root.file)
  document.activation = architecture.activation
  document.normEpsilon = 1e-6
  document.headCount = architecture.headCount
  if architecture.headCount != nil { document.names.headCount = "num_heads of \(name) (not given)" }
  document.registerCount = architecture.registerCount
  document.registerName = architecture.isDistilled ? "dist_token" : nil
  document.layerCount = architecture.layerCount
  document.parts = architecture.parts
  if let given = architecture.hasClassToken {
    (document.hasClassToken, document.classTokenReason) = (given, "\(name) has \(given ? "a" : "no") class token")
  }
  document.positionsPrefix = architecture.positionsPrefix.map {
    ($0, "no_embed_class is not given, that is, \(!$0) for \(name)")
  }
  document.hiddenSize = try root.size("num_features")
  // 0: a backbone without head, whose tensors say so.
  let (stated, labelled) = (try root.size("num_classes", minimum: 0), try root.size("num_labels", minimum: 0))
  let classes = stated ?? labelled
  document.classCount = classes.flatMap { $0 > 0 ? $0 : nil }
  let pretrained = isOld ? root : try root.object("pretrained_cfg")
  if let pretrained {
    if !isOld { try pretrained.requireKnown(pretrainedFields.union(recordFields).union(["architecture"])) }
    if let size = try pretrained.integers("input_size") {
      guard size.count == 3, size[0] == 1 || size[0] == 3, size[1] > 0, size[2] > 0 else {
        throw pretrained.fault("input_size", "\(size)", "[channels, height, width] with 1 or 3 channels")
      }
      document.channels = size[0]
      document.imageSize = Array(size[1...])
    }
    if let offset = try pretrained.size("label_offset", minimum: 0), offset > 0 {
      throw pretrained.fault("label_offset", "\(offset)", "0: a head of which the first rows are left out is not read")
    }
  }
  let (pool, arguments) = (try root.text("global_pool"), try root.object("model_args"))
  // timm itself goes by the arguments alone.
  let built = try arguments?.text("global_pool") ?? architecture.pooling
  if let pool, let built, pool != built {
    throw root.fault("global_pool", "\"\(pool)\"", "\"\(built)\" as model_args or \(name) has it")
  }
  try addPooling(built ?? pool, to: &document, root)
  if let arguments { try addArguments(arguments, classes, to: &document) }
  // The name tells the heads, which no tensor does: it must be that of the tensors.
  if arguments?.json("embed_dim") == nil, let width = architecture.hiddenSize {
    if let given = document.hiddenSize, given != width {
      throw root.fault("num_features", "\(given)", "\(width) as \(name) has it, or embed_dim in model_args")
    }
    document.hiddenSize = width
    document.names.hiddenSize = "embed_dim of \(name) (not given)"
  }
  if document.patchSize == nil, let side = architecture.patchSize {
    document.patchSize = [side, side]
    document.names.patchSize = "patch_size of \(name) (not given)"
  }
  addPooledNorm(to: &document, isGiven: try root.object("model_args")?.bool("fc_norm") != nil)
  if let pretrained {
    let isSaid = !isOld || recipeFields.contains(where: root.has)
    try addPreprocessing(pretrained, isSaid: isSaid, to: &document)
  }
  try addLabels(root, pretrained, to: &document)
  if isWrapped { document.quantization = try quantization(root) }
  let folder = root.file.lastIndex(of: "/").map { String(root.file[...$0]) } ?? ""
  if isListed("\(folder)preprocessor_config.json") {
    document.notes.append(
      "\(folder)preprocessor_config.json: is not looked at: timm's images are prepared as pretrained_cfg says")
  }
  return document
}

/// `model_type` of timm's models in transformers, whose `config.json` has timm's fields and, beside them, what every
/// model there has.
///
/// Source: https://github.com/huggingface/transformers, src/transformers/models/timm_wrapper.
let timmWrapper = "timm_wrapper"

private let wrapperFields: Set<String> = otherFields.union(generationFields).union([
  "model_type", "architectures", "do_pooling", "id2label", "label2id", "num_labels",
])

/// Fields about the files and their origin.
private let recordFields: Set<String> = [
  "tag", "custom_load", "url", "file", "hf_hub_id", "hf_hub_filename", "source", "license", "license_url", "origin_url",
  "paper_name", "paper_ids", "notes", "description", "label_names", "label_descriptions", "labels", "version",
  "model_card",
]

private let pretrainedFields: Set<String> = [
  "input_size", "test_input_size", "min_input_size", "fixed_input_size", "interpolation", "crop_pct", "test_crop_pct",
  "crop_mode", "mean", "std", "num_classes", "label_offset", "pool_size", "test_pool_size", "first_conv", "classifier",
  "state_dict",
]

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

private let argumentFields: Set<String> = [
  "img_size", "patch_size", "in_chans", "num_classes", "global_pool", "embed_dim", "depth", "num_heads", "mlp_ratio",
  "qkv_bias", "qk_norm", "scale_attn_norm", "scale_mlp_norm", "proj_bias", "init_values", "class_token", "pos_embed",
  "no_embed_class", "reg_tokens", "pre_norm", "final_norm", "fc_norm", "pool_include_prefix", "dynamic_img_size",
  "dynamic_img_pad", "strict_img_size", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate",
  "attn_drop_rate", "drop_path_rate", "weight_init", "fix_init", "act_layer", "norm_layer", "attn_layer", "device",
  "dtype",
]

private func requireSame(
  _ field: String, _ value: Int?, _ otherField: String, _ other: Int?, _ arguments: ConfigObject
) throws(FileError) {
  guard let value, let other, value != other else { return }
  throw arguments.fault(field, "\(value)", "\(other) as \(otherField) beside model_args")
}

/// Arguments that make the model another one, unless they have the value that most models have.
private func refuseOthers(_ arguments: ConfigObject) throws(FileError) {
  let fields: [(name: String, expected: Bool, part: String)] = [
    ("pre_norm", false, "a norm before the first block"), ("qk_norm", false, "norms of queries and keys"),
    ("scale_attn_norm", false, "a norm inside attention"), ("scale_mlp_norm", false, "a norm inside MLPs"),
    ("final_norm", true, "no norm behind the last block"),
  ]
  for (name, expected, part) in fields {
    guard let given = try arguments.bool(name) ?? (arguments.isNull(name) ? false : nil), given != expected else {
      continue
    }
    throw arguments.fault(name, "\(given)", "\(expected): a model with \(part) is not computed here")
  }
  _ = try arguments.string("attn_layer", oneOf: ["", "attn"])
}

/// Arguments that differ from the architecture's own.
///
/// - Parameter fileClasses: `num_classes` beside them.
private func addArguments(
  _ arguments: ConfigObject, _ fileClasses: Int?, to document: inout ConfigDocument
) throws(FileError) {
  try arguments.requireKnown(argumentFields)
  try refuseOthers(arguments)
  let inputs = document.imageSize
  document.imageSize = try arguments.sides("img_size") ?? inputs
  if arguments.json("img_size") != nil { document.names.imageSize = "img_size" }
  if arguments.json("embed_dim") != nil { document.names.hiddenSize = "embed_dim" }
  if try arguments.bool("dynamic_img_size") == true, let inputs, let own = document.imageSize, inputs != own {
    document.runSize = Grid(height: inputs[0], width: inputs[1])
    document.notes.append(
      "\(document.file): images are \(inputs[0])x\(inputs[1]) (input_size) and img_size is \(own[0])x\(own[1]): positions "
        + "are resized, as dynamic_img_size says")
  }
  document.patchSize = try arguments.sides("patch_size")
  document.padsImages = try arguments.bool("dynamic_img_pad") ?? false
  document.channels = try arguments.size("in_chans", in: [1, 3]) ?? document.channels
  try requireSame("embed_dim", try arguments.size("embed_dim"), "num_features", document.hiddenSize, arguments)
  let classes = try arguments.size("num_classes", minimum: 0)
  try requireSame("num_classes", classes, "num_classes", fileClasses, arguments)
  document.classCount = classes.flatMap { $0 > 0 ? $0 : nil } ?? document.classCount
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
  if let given = try arguments.flag("qkv_bias") { document.parts[.queryBias] = (given, "qkv_bias is \(given)") }
  if let given = try arguments.flag("proj_bias") {
    document.parts[.outputBias] = (given, "proj_bias is \(given)")
    document.parts[.mlpBias] = document.parts[.outputBias]
  }
  if let given = try arguments.bool("fc_norm") { document.parts[.pooledNorm] = (given, "fc_norm is \(given)") }
  if let given = try arguments.number("init_values") {
    document.parts[.layerScale] = (given != 0, "init_values is \(given)")
  } else if arguments.isNull("init_values") {
    document.parts[.layerScale] = (false, "init_values is null")
  }
  document.registerCount = try arguments.size("reg_tokens", minimum: 0) ?? document.registerCount
  if let given = try arguments.flag("class_token") {
    (document.hasClassToken, document.classTokenReason) = (given, "class_token is \(given)")
  }
  if let given = try arguments.flag("no_embed_class") {
    document.positionsPrefix = (!given, "no_embed_class is \(given)")
  }
  try addPooling(try arguments.text("global_pool"), to: &document, arguments)
  if try arguments.bool("pool_include_prefix") == true, document.classifier == .patchMean { document.classifier = .gap }
  guard !arguments.isNull("pos_embed") else { throw arguments.fault("pos_embed", "null", "one of \"learn\", \"none\"") }
  switch try arguments.text("pos_embed") {
  case nil, "learn"?: break
  case ""?, "none"?: document.positionEmbedding = ModelConfig.PositionEmbedding.none
  case let name?: throw arguments.fault("pos_embed", "\"\(name)\"", "one of \"learn\", \"none\"")
  }
  // timm looks at no capitals, and takes its own default for null and for an empty name, whatever the architecture has.
  switch arguments.isNull("act_layer") ? "" : try arguments.text("act_layer")?.lowercased() {
  case nil: break
  case ""?, "gelu"?: document.activation = .gelu
  case "gelu_tanh"?: document.activation = .geluTanh
  case let name?: throw arguments.fault("act_layer", "\"\(name)\"", "one of \"gelu\", \"gelu_tanh\"")
  }
  // The second one is the first in float32, which all norms are here.
  if let name = try arguments.text("norm_layer"),
    !["", "layernorm", "layernormfp32"].contains(name.filter { $0 != "_" }.lowercased())
  {
    throw arguments.fault("norm_layer", "\"\(name)\"", "one of \"layernorm\", \"layernormfp32\"")
  }
}

private let recipeFields = ["interpolation", "crop_pct", "crop_mode", "mean", "std"]

/// The recipe of timm's evaluation transform.
///
/// Source: timm/data/transforms_factory.py, transforms_imagenet_eval; timm/data/config.py and constants.py for means and
/// deviations that are not given.
///
/// - Parameter isSaid: Whether the configuration says anything of images.
private func addPreprocessing(
  _ pretrained: ConfigObject, isSaid: Bool, to document: inout ConfigDocument
) throws(FileError) {
  var (mean, deviation) = (try pretrained.numbers("mean"), try pretrained.numbers("std"))
  guard (mean == nil) == (deviation == nil) else {
    throw pretrained.fault(mean == nil ? "mean" : "std", "missing", "one beside \(mean == nil ? "std" : "mean")")
  }
  // Three means are none of a grey picture.
  let isAssumed = mean == nil && isSaid && document.channels != 1
  if isAssumed { (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) }
  guard let mean, let deviation,
    let grid = document.runSize ?? document.imageSize.map({ Grid(height: $0[0], width: $0[1]) })
  else { return }
  if isAssumed {
    document.notes.append(
      "\(document.file): \(pretrained.fullName("mean")) and std are missing: ImageNet's are taken, as timm does "
        + "(0.485,0.456,0.406,0.229,0.224,0.225)")
  }
  guard deviation.allSatisfy({ $0 > 0 }) else { throw pretrained.fault("std", "\(deviation)", "numbers above 0") }
  let filters: [SourcePreprocessing.Filter] = SourcePreprocessing.Filter.allCases
  let filter =
    try pretrained.string("interpolation", oneOf: filters.map(\.rawValue))
    .flatMap(SourcePreprocessing.Filter.init) ?? .bicubic
  let share = try pretrained.number("crop_pct") ?? 0.875
  // Less would show an eighth of a picture's sides.
  guard share >= 0.125, share <= 1, Double(max(grid.height, grid.width)) / share <= Double(ConfigDocument.sideLimit)
  else {
    throw pretrained.fault(
      "crop_pct", "\(share)", "0.125 to 1, for pictures of at most \(ConfigDocument.sideLimit) pixels a side")
  }
  func side(_ size: Int) -> Int { Int((Double(size) / share).rounded(.down)) }
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
  let places: [(ConfigObject?, String)] = [
    (root, "label_names"), (root, "labels"), (root, "id2label"), (pretrained, "label_names"), (pretrained, "labels"),
  ]
  var given: [(object: ConfigObject, field: String, names: [Int: String])] = []
  for case (let object?, let field) in places {
    if let names = try object.labels(field), !names.isEmpty { given.append((object, field, names)) }
  }
  if let (object, field, names) = given.first, let last = names.keys.max() {
    if let other = given.first(where: { !haveSameTexts($0.names, names) }) {
      document.notes.append(
        "\(object.file): \(object.fullName(field)) and \(other.object.fullName(other.field)) differ: the labels of the "
          + "first are taken")
    }
    var texts = try descriptions(root)
    if texts == nil, let pretrained { texts = try descriptions(pretrained) }
    // An object may leave classes out, a list cannot.
    var count = names.count
    if case .object? = object.json(field) { count = max(last + 1, document.classCount ?? 0) }
    if count > document.classCount ?? count, case .object? = object.json(field), let classes = document.classCount {
      document.notes.append(
        "\(object.file): \(object.fullName(field)) has a text for class \(last), but the \(classes) classes are numbered "
          + "from 0 to \(classes - 1): no label is taken")
      return
    }
    // What transformers writes where nobody gave names.
    guard names.contains(where: { $0.value != "LABEL_\($0.key)" }) else { return }
    let labels = (0..<count).map { index in names[index].map { texts?[Array($0.utf8)] ?? $0 } ?? "" }
    document.labels = distinctLabels(
      labels, names: texts == nil ? nil : (0..<count).map { names[$0] ?? "" }, file: object.file,
      notes: &document.notes)
    noteNameless(labels, field, file: object.file, notes: &document.notes)
  }
}

/// Whether they have the same bytes.
private func haveSameTexts(_ a: [Int: String], _ b: [Int: String]) -> Bool {
  a.mapValues { Array($0.utf8) } == b.mapValues { Array($0.utf8) }
}

/// What stands for a label, by the label's bytes.
private func descriptions(_ object: ConfigObject) throws(FileError) -> [[UInt8]: String]? {
  guard let value = object.json("label_descriptions") else { return nil }
  guard case .object(let members) = value else {
    throw object.fault("label_descriptions", value.text(), "an object with a text for each label")
  }
  var texts: [[UInt8]: String] = [:]
  for (label, value) in members {
    guard case .string(let text) = value else {
      throw object.fault("label_descriptions", "\(value.text()) for \"\(label)\"", "a text")
    }
    texts[Array(label.utf8)] = text
  }
  return texts
}
