import E3Host

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
  init(model: String) { self = model.hasPrefix("vit") ? .vit : model == "deit" ? .deit : .bit }

  var filter: SourcePreprocessing.Filter { self == .vit ? .bilinear : .bicubic }
  var crops: Bool { self != .vit }
  /// Whether one number for the size is that of the shorter side, not of both.
  var keepsRatio: Bool { self == .bit || self == .clip }
}

/// The recipe of a `preprocessor_config.json`, or of the `image_processor` in a `processor_config.json`, beside a model of the type `model`.
///
/// Source: src/transformers/image_processing_utils.py and models/*/image_processing_*.py.
func huggingFacePreprocessing(
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
  /// What is not said, or means something else to other processors, is the known ones' alone.
  func unknown(_ field: String, _ found: String, _ expected: String) -> FileError {
    root.fault(field, found, "\(expected) image_processor_type \"\(type)\" is not known")
  }
  func does(_ field: String, _ byDefault: (ImageProcessor) -> Bool = { _ in true }) throws(FileError) -> Bool {
    if let given = try root.bool(field) { return given }
    guard let known else { throw unknown(field, "missing", "true or false: the default of") }
    return byDefault(known)
  }
  if try root.bool("do_pad") == true { throw root.fault("do_pad", "true", "false") }
  guard try does("do_resize") else { throw root.fault("do_resize", "false", "true") }
  let rescales = try does("do_rescale")
  let factor = rescales ? try root.number("rescale_factor") ?? 1 / 255 : 1
  guard factor.isFinite, factor > 0 else { throw root.fault("rescale_factor", "\(factor)", "above 0, mostly 1/255") }
  let filters: [SourcePreprocessing.Filter] = [.nearest, .lanczos, .bilinear, .bicubic, .box, .hamming]
  let filter: SourcePreprocessing.Filter
  if let number = try root.size("resample", in: Array(filters.indices)) {
    filter = filters[number]
  } else {
    guard !root.has("resample") else { throw root.fault("resample", "null", "a number from 0 to 5") }
    guard let known else { throw unknown("resample", "missing", "a number from 0 to 5: the default of") }
    filter = known.filter
    notes.append(
      "\(root.file): resample is missing: \(filter.rawValue) is taken, as \(known.rawValue)ImageProcessor has by "
        + "default")
  }

  let limit = ConfigDocument.sideLimit
  let resize: SourcePreprocessing.Resize
  switch root.json("size") {
  case .number?:
    let side = try root.size("size", maximum: limit) ?? 0
    guard let known else { throw unknown("size", "\(side)", "height and width: what one number means for") }
    if let squares = try root.bool("default_to_square"), squares == known.keepsRatio {
      throw root.fault(
        "default_to_square", "\(squares)",
        "\(!squares) as \(known.rawValue)ImageProcessor has, or height and width or shortest_edge in size")
    }
    resize = known.keepsRatio ? .shorterSide(side) : .exact(Grid(height: side, width: side))
  case .object?:
    guard let size = try root.object("size") else { throw root.fault("size", "null", "an object") }
    try size.requireKnown(["height", "width", "shortest_edge"])
    let (height, width) = (try size.size("height", maximum: limit), try size.size("width", maximum: limit))
    switch (try size.size("shortest_edge", maximum: limit), height, width) {
    case (let side?, nil, nil):
      guard known != nil else {
        throw unknown("size", "shortest_edge", "height and width: what a shorter side means for")
      }
      resize = .shorterSide(side)
    case (nil, let height?, let width?): resize = .exact(Grid(height: height, width: width))
    default:
      throw root.fault("size", "of \(size.fields.joined(separator: ", "))", "either height and width or shortest_edge")
    }
  case let size: throw root.fault("size", size?.text() ?? "missing", "a size in pixels")
  }

  let crops = try does("do_center_crop", \.crops)
  let crop: Grid
  if crops {
    guard known != nil else { throw unknown("do_center_crop", "true", "false: what is cropped, and when, by") }
    if case .object? = root.json("crop_size"), let size = try root.object("crop_size") {
      try size.requireKnown(["height", "width"])
      guard let height = try size.size("height", maximum: limit), let width = try size.size("width", maximum: limit)
      else { throw root.fault("crop_size", "of \(size.fields.joined(separator: ", "))", "height and width") }
      crop = Grid(height: height, width: width)
    } else if let side = try root.size("crop_size", maximum: limit) {
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
  if crops {
    let (side, other) =
      switch resize {
      case .shorterSide(let side): (side, side)
      case .exact(let size), .cover(let size): (size.height, size.width)
      }
    // A picture may stand or lie: the shorter side has to do for both.
    guard side >= crop.height, other >= crop.width else {
      throw root.fault(
        "size", side == other ? "\(side)" : "\(side)x\(other)",
        "at least crop_size, \(crop.height)x\(crop.width): transformers pads smaller pictures with black, which is not "
          + "done here")
    }
  }
  let normalises = try does("do_normalize")
  let mean = normalises ? try root.numbers("image_mean") : [0]
  let deviation = normalises ? try root.numbers("image_std") : [1]
  guard var mean, var deviation, deviation.allSatisfy({ $0 > 0 }) else {
    throw FileError(file: root.file, problem: "image_mean and image_std are missing or not above 0")
  }
  var largest = 1.0
  if abs(factor * 255 - 1) > 1e-6 {
    // Byte * factor is normalised: the same numbers of byte / 255 are smaller by 255 * factor.
    largest = 255 * factor
    (mean, deviation) = (mean.map { Float(Double($0) / largest) }, deviation.map { Float(Double($0) / largest) })
    notes.append(
      "\(root.file): \(rescales ? "rescale_factor is \(factor)" : "do_rescale is false"): image_mean and image_std are "
        + "taken as of pixels in 0...\(largest)")
  }
  if known == nil {
    notes.append(
      "\(root.file): image_processor_type \"\(type)\" is not known: its fields are done as they "
        + "say, and nothing else")
  }
  if type.hasSuffix("Fast"), crops {
    notes.append(
      "\(root.file): the crop's offset is rounded down, as transformers 5 does; \(type) of transformers 4 rounded half "
        + "a pixel to even")
  }
  return SourcePreprocessing(
    resize: resize, filter: filter, crop: crop, cropRounding: .down, mean: mean, deviation: deviation,
    largest: Float(largest), normalises: normalises)
}
