import E3Host

/// Hugging Face's `config.json` of a ViT, ViTMSN, DeiT, Dinov2 or Dinov2WithRegisters for classification, and the
/// `preprocessor_config.json` or `processor_config.json` beside it.
///
/// Source: https://github.com/huggingface/transformers, src/transformers/models/*/configuration_*.py.
func huggingFaceConfig(_ root: ConfigObject) throws(FileError) -> ConfigDocument {
  let types = ["vit", "vit_msn", "deit", "dinov2", "dinov2_with_registers"]
  guard let type = try root.string("model_type", oneOf: types) else {
    throw FileError(file: root.file, problem: "model_type is missing")
  }
  try root.requireKnown(modelFields.union(otherFields).union(generationFields))
  var document = ConfigDocument(file: root.file)
  document.modelType = type
  document.names = ConfigDocument.FieldNames(
    layerCount: "num_hidden_layers", headCount: "num_attention_heads", mlpSize: "intermediate_size",
    classCount: "id2label", channels: "num_channels")
  let isDinov2 = type.hasPrefix("dinov2")
  document.imageSize = try root.sides("image_size") ?? [224, 224]
  document.patchSize = try root.sides("patch_size") ?? (type == "dinov2" ? [14, 14] : [16, 16])
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
  let given = try root.flag("qkv_bias")
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
    document.registerCount = try root.size("num_register_tokens", minimum: 0) ?? 4
  } else {
    document.registerCount = type == "deit" ? 1 : 0  // the distillation token
  }
  document.activation = try activation(root)
  document.normEpsilon = try root.epsilon("layer_norm_eps") ?? (isDinov2 || type == "vit_msn" ? 1e-6 : 1e-12)
  try addLabels(root, to: &document)
  document.quantization = try quantization(root)
  if let code = try root.object("auto_map")?.fields.first {
    document.notes.append(
      "\(root.file): auto_map names code of its own (\(code)), which is not looked at: the model is computed as "
        + "transformers' \(type)")
  }
  let task = try root.string(
    "problem_type", oneOf: ["regression", "single_label_classification", "multi_label_classification"])
  if task == "regression" { document.regression = "problem_type is \"regression\"" }
  if task == "multi_label_classification" {
    document.notes.append(
      "\(root.file): trained for multi_label_classification, a sigmoid for each class: the answers are those of a softmax "
        + "over the classes, whose order is the same and whose probabilities are others")
  }
  let folder = root.file.lastIndex(of: "/").map { String(root.file[...$0]) } ?? ""
  if let (object, preprocessing) = try processor(in: folder, of: type, notes: &document.notes) {
    (document.preprocessing, document.processorPath) = (preprocessing, object.file)
    let crop = preprocessing.crop
    let expected = document.runSize.map { [$0.height, $0.width] } ?? document.imageSize ?? []
    if expected != [crop.height, crop.width] {
      // Dinov2 resizes its positions to every image; the others refuse one of another size.
      guard isDinov2 else {
        throw FileError(
          file: object.file,
          problem: "images of \(crop.height)x\(crop.width), expected image_size of the model, "
            + "\(expected.map(String.init).joined(separator: "x"))")
      }
      document.runSize = crop
      document.notes.append("\(object.file): images are \(crop.height)x\(crop.width): positions are resized to them")
    }
  }
  return document
}

/// The recipe in `folder`: that of the `image_processor` in `processor_config.json`, as transformers 5 writes it and takes
/// it first, else that of `preprocessor_config.json`; nil where there is none.
///
/// Source: src/transformers/image_processing_base.py, get_image_processor_dict.
private func processor(
  in folder: String, of type: String, notes: inout [String]
) throws(FileError) -> (object: ConfigObject, recipe: SourcePreprocessing)? {
  func object(_ name: String) throws(FileError) -> ConfigObject? {
    guard isListed(folder + name) else { return nil }
    try requireFile(folder + name, "take it away")
    return try ConfigObject(parsing: MappedFile(path: folder + name))
  }
  let usual = "preprocessor_config.json"
  guard let first = try object("processor_config.json")?.object("image_processor") else {
    return try object(usual).map { (other) throws(FileError) in
      (other, try huggingFacePreprocessing(other, of: type, notes: &notes))
    }
  }
  let recipe = try huggingFacePreprocessing(first, of: type, notes: &notes)
  if let second = try? object(usual) {
    var unsaid: [String] = []
    let other = try? huggingFacePreprocessing(second, of: type, notes: &unsaid)
    if other != recipe {
      notes.append(
        "\(second.file): says something else than image_processor in \(first.file), which is taken, as transformers 5 "
          + "does: take away the one that is not the training's")
    }
  }
  return (first, recipe)
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
  "layer_norm_eps", "qkv_bias", "id2label", "label2id", "num_labels", "auto_map",
]

/// Fields that change nothing at inference, or that the tensors tell (`layerscale_value`).
let otherFields: Set<String> = [
  "layerscale_value", "attention_probs_dropout_prob", "hidden_dropout_prob", "drop_path_rate",
  "initializer_range", "encoder_stride", "pooler_act", "pooler_output_size", "problem_type", "torch_dtype", "dtype",
  "transformers_version", "out_features", "out_indices", "stage_names", "apply_layernorm", "reshape_hidden_states",
  "use_mask_token", "finetuning_task", "return_dict", "output_attentions", "output_hidden_states", "use_cache",
  "classifier_dropout", "gradient_checkpointing", "torchscript", "use_bfloat16", "task_specific_params",
  "tie_word_embeddings", "tie_encoder_decoder", "tie_last_hidden_states", "is_encoder_decoder", "is_decoder",
  "add_cross_attention", "cross_attention_hidden_size", "chunk_size_feed_forward", "pruned_heads", "tf_legacy_loss",
  "name_or_path", "tokenizer_class", "license", "ignore_mismatched_sizes", "quantization_config", "xla_device",
  "attn_implementation", "experts_implementation", "custom_pipelines",
]

/// Fields for models that write text. Older versions of the library write them for every model.
let generationFields: Set<String> = [
  "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
  "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
  "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate",
  "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
  "suppress_tokens", "begin_suppress_tokens", "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id",
  "decoder_start_token_id", "prefix",
]

/// The width of an MLP, of which a configuration says `mlp_ratio`.
func mlpSize(_ hidden: Int, _ ratio: Double, _ object: ConfigObject) throws(FileError) -> Int {
  let size = (Double(hidden) * ratio).rounded(.towardZero)
  guard size >= 1, size <= Double(ConfigDocument.sizeLimit) else {
    throw object.fault("mlp_ratio", "\(ratio)", "a ratio that gives a width of 1 to \(ConfigDocument.sizeLimit)")
  }
  return Int(size)
}

/// What `quantization_config` calls the way in which the weights were quantised; nil where there is none.
func quantization(_ root: ConfigObject) throws(FileError) -> String? {
  guard let quantization = try root.object("quantization_config") else { return nil }
  return try quantization.text("quant_method") ?? "a method that it does not name"
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
  let (named, numbered) = (try root.labels("id2label"), try labelNumbers(root))
  // Without the field there are two classes of no name.
  let count = try root.size("num_labels")
  document.classCount = named?.count ?? count
  if let named, let count, count != named.count {
    document.notes.append(
      "\(root.file): num_labels is \(count), and id2label has \(counted(named.count, "class", "classes")): id2label is taken, as "
        + "transformers does")
  }
  guard let texts = named ?? numbered else { return }
  var labels: [String] = []
  for index in 0..<texts.count {
    guard let text = texts[index] else {
      let shared = named == nil ? ", and id2label has to have those that two of them share" : ""
      throw FileError(
        file: root.file,
        problem: "\(named == nil ? "label2id" : "id2label") has a text for class \(texts.keys.max() ?? 0) and none for "
          + "class \(index): its \(counted(texts.count, "class", "classes")) are numbered from 0 to \(texts.count - 1)\(shared)"
      )
    }
    labels.append(text)
  }
  if let numbered, let odd = numbered.keys.sorted().first(where: { texts[$0] != numbered[$0] }) {
    document.notes.append(
      "\(root.file): class \(odd) is \"\(texts[odd] ?? "")\" in id2label and \"\(numbered[odd] ?? "")\" in label2id: "
        + "id2label is taken")
  }
  // What the library writes where nobody gave names.
  if labels.enumerated().contains(where: { $0.element != "LABEL_\($0.offset)" }) {
    document.labels = distinctLabels(labels, file: root.file, notes: &document.notes)
    noteNameless(labels, named == nil ? "label2id" : "id2label", file: root.file, notes: &document.notes)
  }
}

/// `label2id` the other way round. Two classes of one label have one number there.
private func labelNumbers(_ root: ConfigObject) throws(FileError) -> [Int: String]? {
  guard let value = root.json("label2id") else { return nil }
  guard case .object(let members) = value else { throw root.fault("label2id", value.text(), "an object") }
  var labels: [Int: String] = [:]
  for (label, value) in members {
    var index = value.integer
    if case .string(let text) = value { index = Int(text) }
    guard let index, index >= 0, labels.updateValue(label, forKey: index) == nil else {
      throw root.fault("label2id", "\(value.text()) for \"\(label)\"", "a class's own number for each text")
    }
  }
  return labels
}
