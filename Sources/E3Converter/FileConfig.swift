import E3Checkpoint
import E3Format
import E3Host

extension ModelShape {
  /// The shape of `model` with its preprocessing recipe, as the file stores it.
  ///
  /// - Throws: a size beyond the limits of the format; a recipe that the format cannot express. Errors name `file`.
  init(_ model: ModelConfig, _ preprocessing: Preprocessing, file: String) throws(FileError) {
    func fault(_ problem: String) -> FileError { FileError(file: file, problem: problem) }
    var config = e3_file_config()
    do throws(FieldRange) {
      try config.setSizes(model)
      try config.setExperts(model)
      try config.setPreprocessing(preprocessing, model)
    } catch {
      throw fault(error.problem)
    }
    if let problem = ModelShape.problem(in: config) { throw fault("not packable: \(problem)") }
    do throws(E3Error) { try self.init(validating: config) } catch { throw fault("not packable") }
  }
}

/// A value that does not fit its field of the file.
private struct FieldRange: Error {
  let problem: String
}

private func field(_ name: String, _ value: Int) throws(FieldRange) -> UInt32 {
  guard let value = UInt32(exactly: value) else { throw FieldRange(problem: "\(name) is \(value), expected 32 bits") }
  return value
}

extension e3_file_config {
  fileprivate mutating func setSizes(_ model: ModelConfig) throws(FieldRange) {
    image_height = try field("image height", model.imageHeight)
    image_width = try field("image width", model.imageWidth)
    channels = try field("channels", model.channels)
    patch_height = try field("patch height", model.patchHeight)
    patch_width = try field("patch width", model.patchWidth)
    hidden_size = try field("hidden_size", model.hiddenSize)
    layer_count = try field("num_layers", model.layerCount)
    head_count = try field("num_heads", model.headCount)
    mlp_size = try field("mlp_dim", model.mlpSize)
    class_count = try field("num_classes", model.classCount)
    representation_size = try field("representation_size", model.representationSize ?? 0)
    query_key_norm = model.hasQueryKeyNorm ? 1 : 0
    let kind: Classifier
    switch model.classifier {
    case .token: kind = .token
    case .first: kind = .first
    case .map: kind = .map
    case .patchMean: kind = .gap
    case .tokenAndPatchMean: kind = .tokenGap
    case .tokenPair: kind = .tokenPair
    case .gap:
      guard model.prefixCount == 0 else {
        throw FieldRange(problem: "the head reads the mean of all tokens, class token included")
      }
      kind = .gap
    }
    class_token = model.hasClassToken ? 1 : 0
    register_count = try field("registers", model.registerCount)
    norm_after_pooling = model.finalNorm == .afterPooling ? 1 : 0
    norm_epsilon = model.normEpsilon
    activation = UInt32((model.activation == .gelu ? Activation.geluErf : .geluTanh).rawValue)
    classifier = UInt32(kind.rawValue)
  }

  fileprivate mutating func setExperts(_ model: ModelConfig) throws(FieldRange) {
    member_count = try field("ensemble_size", model.memberCount)
    guard let experts = model.experts else { return }
    expert_count = try field("num_experts", experts.count)
    selected_experts = try field("num_selected_experts", experts.selected)
    expert_mlp_size = try field("mlp_dim", model.mlpSize)
    for layer in experts.layers {
      guard layer < 256 else { throw FieldRange(problem: "experts in block \(layer), expected blocks below 256") }
      withUnsafeMutableBytes(of: &moe_layers) { $0[layer / 8] |= 1 << UInt8(layer % 8) }
    }
    guard let limit = experts.capacity else { return }
    guard limit.groupSize == model.tokenCount * model.memberCount else {
      throw FieldRange(
        problem: "--capacity config routes \(limit.groupSize) tokens together, expected one image: reference")
    }
    let mode: CapacityMode = limit.batchPriority ? .priority : .vanilla
    capacity_mode = UInt32(mode.rawValue)
    capacity = try field("capacity", limit.slots)
  }

  fileprivate mutating func setPreprocessing(
    _ preprocessing: Preprocessing, _ model: ModelConfig
  ) throws(FieldRange) {
    let method: ResizeMethod
    switch preprocessing.resize {
    case .stretch: method = .stretch
    case .stretchFloat: method = .stretchFloat
    case .smallCrop(let side):
      method = .smallCrop
      let larger = max(model.imageHeight, model.imageWidth)
      resize_height = try field("--resize small-crop", side ?? (larger * 8 + 6) / 7)
      resize_width = resize_height
      guard resize_height >= larger else {
        throw FieldRange(problem: "--resize small-crop:\(resize_height) is smaller than the image's \(larger) pixels")
      }
    case .pillow(let size, let filter, let rounding):
      method = .pillow
      try setPillow(size, filter, rounding)
    }
    resize = UInt32(method.rawValue)
    switch preprocessing.value {
    case .range(let low, let high):
      value = UInt32(ValueMapping.range.rawValue)
      (value_low, value_high) = (low, high)
    case .norm(let mean, let deviation):
      value = UInt32(ValueMapping.norm.rawValue)
      value_mean = try perChannel(mean, "mean", model.channels)
      value_deviation = try perChannel(deviation, "deviation", model.channels)
    }
  }

  /// Pillow's resize. Its passes go in the order of Pillow 13, which is what people compare with.
  private mutating func setPillow(
    _ size: SourcePreprocessing.Resize, _ filter: SourcePreprocessing.Filter,
    _ rounding: SourcePreprocessing.CropRounding
  ) throws(FieldRange) {
    let (sides, fit): (Grid, e3_file_fit) =
      switch size {
      case .exact(let sides): (sides, E3_FILE_FIT_EXACT)
      case .cover(let sides): (sides, E3_FILE_FIT_COVER)
      case .shorterSide(let side): (Grid(height: side, width: side), E3_FILE_FIT_SHORTER)
      }
    resize_height = try field("--resize", sides.height)
    resize_width = try field("--resize", sides.width)
    guard resize_height >= image_height, resize_width >= image_width else {
      throw FieldRange(
        problem: "resized to \(sides.height) x \(sides.width), expected at least the image's "
          + "\(image_height) x \(image_width)")
    }
    let number: e3_file_filter =
      switch filter {
      case .nearest: E3_FILE_FILTER_NEAREST
      case .box: E3_FILE_FILTER_BOX
      case .bilinear: E3_FILE_FILTER_BILINEAR
      case .hamming: E3_FILE_FILTER_HAMMING
      case .bicubic: E3_FILE_FILTER_BICUBIC
      case .lanczos: E3_FILE_FILTER_LANCZOS
      }
    (resize_fit, resize_filter) = (UInt32(fit.rawValue), UInt32(number.rawValue))
    resize_order = UInt32(E3_FILE_ORDER_PILLOW_13.rawValue)
    resize_crop = UInt32((rounding == .down ? E3_FILE_CROP_DOWN : E3_FILE_CROP_HALF_EVEN).rawValue)
  }

  private func perChannel(_ values: [Float], _ name: String, _ channels: Int) throws(FieldRange) -> (
    Float, Float, Float
  ) {
    guard values.count == 1 || values.count == channels else {
      throw FieldRange(
        problem:
          "--value-norm has \(values.count) values of \(name), expected 1\(channels == 1 ? "" : " or \(channels)")")
    }
    func value(_ channel: Int) -> Float {
      channel < channels ? values[values.count == 1 ? 0 : channel] : 0
    }
    return (value(0), value(1), value(2))
  }
}
