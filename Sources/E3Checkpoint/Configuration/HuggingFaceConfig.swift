import E3Host

/// Hugging Face's `config.json` of a ViT, DeiT, Dinov2 or Dinov2WithRegisters for classification, and the
/// `preprocessor_config.json` beside it.
///
/// Source: https://github.com/huggingface/transformers, src/transformers/models/*/configuration_*.py.
func huggingFaceConfig(_ root: ConfigObject) throws(FileError) -> ConfigDocument {
  let types = ["vit", "deit", "dinov2", "dinov2_with_registers"]
  guard let type = try root.string("model_type", oneOf: types) else {
    throw FileError(file: root.file, problem: "model_type is missing")
  }
  try root.requireKnown(modelFields.union(otherFields))
  var document = ConfigDocument(file: root.file)
  document.names = ConfigDocument.FieldNames(
    layerCount: "num_hidden_layers", headCount: "num_attention_heads", mlpSize: "intermediate_size",
    classCount: "id2label", channels: "num_channels")
  let isDinov2 = type.hasPrefix("dinov2")
  document.imageSize = try root.sides("image_size") ?? [224, 224]
  document.patchSize = try root.sides("patch_size") ?? [16, 16]
  if isDinov2 { readSquarePositions(&document) }
  document.channels = try root.size("num_channels", in: [1, 3]) ?? 3
  let hidden = try root.size("hidden_size") ?? 768
  document.hiddenSize = hidden
  document.layerCount = try root.size("num_hidden_layers", maximum: ConfigDocument.layerLimit) ?? 12
  document.headCount = try root.size("num_attention_heads")
  if document.headCount == nil {
    document.headCount = 12
    document.names.headCount = "num_attention_heads (not given)"
  }
  let given = try root.bool("qkv_bias")
  document.parts[.queryBias] = (given ?? true, "qkv_bias is \(given.map { "\($0)" } ?? "not given, that is, true")")
  if isDinov2 {
    document.names.mlpSize = "hidden_size times mlp_ratio"
    document.mlpSize = try mlpSize(hidden, try root.number("mlp_ratio") ?? 4, root)
    if try root.bool("use_swiglu_ffn") == true {
      throw root.fault("use_swiglu_ffn", "true", "false: MLPs with SwiGLU are not computed")
    }
  } else {
    document.mlpSize = try root.size("intermediate_size") ?? 3072
  }
  if type == "dinov2_with_registers" {
    document.registerTokens = try root.size("num_register_tokens", minimum: 0) ?? 4
  } else {
    document.registerTokens = type == "deit" ? 1 : 0  // the distillation token
  }
  document.activation = try activation(root)
  document.layerNormEpsilon = try root.epsilon("layer_norm_eps") ?? (isDinov2 ? 1e-6 : 1e-12)
  try addLabels(root, to: &document)
  if let type = try root.text("problem_type"), type != "single_label_classification" {
    document.notes.append(
      "\(root.file): trained for \(type), but the answers are those of a softmax over the classes")
  }
  let folder = root.file.lastIndex(of: "/").map { String(root.file[...$0]) } ?? ""
  if exists("\(folder)preprocessor_config.json") {
    let file = try MappedFile(path: "\(folder)preprocessor_config.json")
    let object = ConfigObject(value: try JSON(parsing: file.bytes, file: file.path), path: "", file: file.path)
    let preprocessing = try huggingFacePreprocessing(object, of: type, notes: &document.notes)
    document.preprocessing = preprocessing
    let crop = preprocessing.crop
    let expected = document.runSize.map { [$0.height, $0.width] } ?? document.imageSize ?? []
    if expected != [crop.height, crop.width] {
      // Dinov2 resizes its positions to every image; the others refuse one of another size.
      guard isDinov2 else {
        throw FileError(
          file: file.path,
          problem: "images of \(crop.height)x\(crop.width), expected image_size of the model, "
            + "\(expected.map(String.init).joined(separator: "x"))")
      }
      document.runSize = crop
      document.notes.append("\(file.path): images are \(crop.height)x\(crop.width): positions are resized to them")
    }
  }
  return document
}

/// Dinov2 takes as many positions as a square has for those of a square, and resizes them to the images that are none.
///
/// Source: src/transformers/models/dinov2/modeling_dinov2.py, interpolate_pos_encoding.
private func readSquarePositions(_ document: inout ConfigDocument) {
  guard let sides = document.imageSize, let patches = document.patchSize, sides[0] != sides[1] else { return }
  let (image, patch) = (Grid(height: sides[0], width: sides[1]), Grid(height: patches[0], width: patches[1]))
  let grid = image.patches(of: patch)
  guard grid.height != grid.width, let square = Grid(square: grid.count) else { return }
  document.imageSize = [square.height * patch.height, square.width * patch.width]
  document.runSize = image
  document.notes.append(
    "\(document.file): image_size is \(image.height)x\(image.width): its \(grid.count) positions are taken for those "
      + "of \(square.height)x\(square.width) patches and resized, as transformers does")
}

/// Fields that say what the model is.
private let modelFields: Set<String> = [
  "model_type", "architectures", "image_size", "patch_size", "num_channels", "hidden_size", "num_hidden_layers",
  "num_attention_heads", "intermediate_size", "mlp_ratio", "use_swiglu_ffn", "num_register_tokens", "hidden_act",
  "layer_norm_eps", "qkv_bias", "id2label", "label2id", "num_labels",
]

/// Fields that change nothing at inference, or that the tensors tell (`layerscale_value`).
private let otherFields: Set<String> = [
  "layerscale_value", "attention_probs_dropout_prob", "hidden_dropout_prob", "drop_path_rate",
  "initializer_range", "encoder_stride", "pooler_act", "pooler_output_size", "problem_type", "torch_dtype", "dtype",
  "transformers_version", "out_features", "out_indices", "stage_names", "apply_layernorm", "reshape_hidden_states",
  "use_mask_token", "finetuning_task", "return_dict", "output_attentions", "output_hidden_states", "use_cache",
  "classifier_dropout", "gradient_checkpointing", "torchscript", "use_bfloat16", "task_specific_params",
  "tie_word_embeddings", "is_encoder_decoder", "is_decoder", "add_cross_attention", "cross_attention_hidden_size",
  "chunk_size_feed_forward", "pruned_heads", "tf_legacy_loss", "max_length", "min_length", "do_sample", "name_or_path",
  "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "prefix",
  "tokenizer_class", "license", "ignore_mismatched_sizes", "quantization_config",
]

/// The width of an MLP, of which a configuration says `mlp_ratio`.
func mlpSize(_ hidden: Int, _ ratio: Double, _ object: ConfigObject) throws(FileError) -> Int {
  let size = (Double(hidden) * ratio).rounded(.towardZero)
  guard size >= 1, size <= Double(ConfigDocument.sizeLimit) else {
    throw object.fault("mlp_ratio", "\(ratio)", "a ratio that gives a width of 1 to \(ConfigDocument.sizeLimit)")
  }
  return Int(size)
}

private func activation(_ root: ConfigObject) throws(FileError) -> ModelConfig.Activation {
  let forms: [String: ModelConfig.Activation] = [
    "gelu": .gelu, "gelu_python": .gelu, "gelu_new": .geluTanh, "gelu_fast": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
    "gelu_accurate": .geluTanh,
  ]
  let name = try root.string("hidden_act", oneOf: forms.keys.sorted()) ?? "gelu"
  return forms[name] ?? .gelu
}

private func addLabels(_ root: ConfigObject, to document: inout ConfigDocument) throws(FileError) {
  guard case .object(let members)? = root.json("id2label") else {
    // Without the field there are two classes of no name.
    document.classCount = try root.size("num_labels")
    return
  }
  var labels = [String?](repeating: nil, count: members.count)
  for (key, value) in members {
    guard let index = Int(key), labels.indices.contains(index), labels[index] == nil, case .string(let label) = value
    else { throw root.fault("id2label", "\(value.text()) for \(key)", "a text for each class from 0 on") }
    labels[index] = label
  }
  document.classCount = members.count
  let all = labels.compactMap { $0 }
  // What the library writes where nobody gave names.
  if all.enumerated().contains(where: { $0.element != "LABEL_\($0.offset)" }) { document.labels = all }
}

/// Hugging Face's image processors whose defaults are known, by the first part of their classes' names.
private enum ImageProcessor: String {
  case vit = "ViT"
  case deit = "DeiT"
  case bit = "Bit"
  case clip = "CLIP"

  /// - Parameter type: the name of the class, in any version of the library.
  init?(type: String) {
    let ends = ["ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor"]
    guard let end = ends.first(where: type.hasSuffix) else { return nil }
    self.init(rawValue: String(type.dropLast(end.count)))
  }

  /// The one of a model whose `preprocessor_config.json` names none.
  init(model: String) { self = model == "vit" ? .vit : model == "deit" ? .deit : .bit }

  var filter: SourcePreprocessing.Filter { self == .vit ? .bilinear : .bicubic }
  var crops: Bool { self != .vit }
  /// Whether one number for the size is that of the shorter side, not of both.
  var keepsRatio: Bool { self == .bit || self == .clip }
}

/// The recipe of a `preprocessor_config.json` beside a model of the type `model`.
///
/// Source: src/transformers/image_processing_utils.py and models/*/image_processing_*.py.
private func huggingFacePreprocessing(
  _ root: ConfigObject, of model: String, notes: inout [String]
) throws(FileError) -> SourcePreprocessing {
  try root.requireKnown([
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std", "image_processor_type", "feature_extractor_type", "processor_class", "do_convert_rgb",
    "data_format", "input_data_format", "default_to_square", "do_pad", "pad_size", "device", "return_tensors",
    "disable_grouping", "image_seq_length", "use_fast", "size_divisor",
  ])
  let (processor, extractor) = (try root.text("image_processor_type"), try root.text("feature_extractor_type"))
  let type = processor ?? extractor ?? ""
  let known = type.isEmpty ? ImageProcessor(model: model) : ImageProcessor(type: type)
  if try root.bool("do_pad") == true { throw root.fault("do_pad", "true", "false") }
  guard try root.bool("do_resize") ?? true else { throw root.fault("do_resize", "false", "true") }
  guard try root.bool("do_rescale") ?? true else { throw root.fault("do_rescale", "false", "true") }
  if let factor = try root.number("rescale_factor"), abs(factor * 255 - 1) > 1e-6 {
    throw root.fault("rescale_factor", "\(factor)", "1/255")
  }
  let filters: [SourcePreprocessing.Filter] = [.nearest, .lanczos, .bilinear, .bicubic, .box, .hamming]
  let filter: SourcePreprocessing.Filter
  if let number = try root.size("resample", in: Array(filters.indices)) {
    filter = filters[number]
  } else {
    guard !root.has("resample") else { throw root.fault("resample", "null", "a number from 0 to 5") }
    guard let known else {
      throw root.fault(
        "resample", "missing", "a number from 0 to 5: the default of image_processor_type \"\(type)\" is not known")
    }
    filter = known.filter
    notes.append(
      "\(root.file): resample is missing: \(filter.rawValue) is taken, as \(known.rawValue)ImageProcessor has by "
        + "default")
  }

  let resize: SourcePreprocessing.Resize
  switch root.json("size") {
  case .number?:
    let side = try root.size("size", maximum: ConfigDocument.sideLimit) ?? 0
    guard let known else {
      throw root.fault(
        "size", "\(side)",
        "height and width, or shortest_edge: what one number means for image_processor_type \"\(type)\" is not known")
    }
    resize = known.keepsRatio ? .shorterSide(side) : .exact(Grid(height: side, width: side))
  case .object?:
    guard let size = try root.object("size") else { throw root.fault("size", "null", "an object") }
    try size.requireKnown(["height", "width", "shortest_edge"])
    if let side = try size.size("shortest_edge", maximum: ConfigDocument.sideLimit) {
      resize = .shorterSide(side)
    } else if let height = try size.size("height", maximum: ConfigDocument.sideLimit),
      let width = try size.size("width", maximum: ConfigDocument.sideLimit)
    {
      resize = .exact(Grid(height: height, width: width))
    } else {
      throw root.fault("size", "an object", "height and width, or shortest_edge")
    }
  default: throw root.fault("size", "missing", "a size in pixels")
  }

  let crops = try root.bool("do_center_crop") ?? known?.crops ?? false
  let crop: Grid
  if crops {
    if case .object? = root.json("crop_size"), let size = try root.object("crop_size"),
      let height = try size.size("height", maximum: ConfigDocument.sideLimit),
      let width = try size.size("width", maximum: ConfigDocument.sideLimit)
    {
      crop = Grid(height: height, width: width)
    } else if let side = try root.size("crop_size", maximum: ConfigDocument.sideLimit) {
      crop = Grid(height: side, width: side)
    } else {
      throw root.fault("crop_size", "missing", "a size in pixels")
    }
  } else {
    guard case .exact(let size) = resize else {
      throw root.fault("do_center_crop", "false", "true where only the shorter side is given")
    }
    crop = size
  }
  let normalises = try root.bool("do_normalize") ?? true
  let mean = normalises ? try root.numbers("image_mean") : [0]
  let deviation = normalises ? try root.numbers("image_std") : [1]
  guard let mean, let deviation, deviation.allSatisfy({ $0 > 0 }) else {
    throw FileError(file: root.file, problem: "image_mean and image_std are missing or not above 0")
  }
  if type.hasSuffix("Fast"), crops {
    notes.append(
      "\(root.file): the crop's offset is rounded down, as transformers 5 does; \(type) of transformers 4 rounded half "
        + "a pixel to even")
  }
  return SourcePreprocessing(
    resize: resize, filter: filter, crop: crop, cropRounding: .down, mean: mean, deviation: deviation)
}
