import CE3
import E3Format

// Models: the part of e3.h that reads a file. `ModelFile` stands by value inside `e3_model`.

/// What an `e3_model` holds: a hash of the model, by which other bytes are told from one, and the model behind it.
private enum ModelHandle {
  static var modelOffset: Int { MemoryLayout<UInt64>.stride }

  /// Of the bytes of the model at `handle`; a copy of the handle has the same.
  static func hash(at handle: UnsafeRawPointer) -> UInt64 {
    let bytes = UnsafeRawBufferPointer(start: handle + modelOffset, count: MemoryLayout<ModelFile>.size)
    return XXH64.hash(bytes, seed: 0x6c65_646f_6d33_4521)
  }
}

/// The model inside a handle.
///
/// - Throws: `nullArgument`, `notAModel`.
func model(_ handle: UnsafePointer<e3_model>?) throws(E3Error) -> ModelFile {
  guard let handle else { throw .nullArgument }
  let bytes = UnsafeRawPointer(handle)
  guard Int(bitPattern: bytes) % MemoryLayout<e3_model>.alignment == 0,
    bytes.load(as: UInt64.self) == ModelHandle.hash(at: bytes)
  else { throw .notAModel }
  return bytes.load(fromByteOffset: ModelHandle.modelOffset, as: ModelFile.self)
}

@c @implementation
public func e3_model_open(_ data: UnsafeRawPointer?, _ size: Int, _ handle: UnsafeMutablePointer<e3_model>?)
  -> e3_status
{
  status { () throws(E3Error) in
    guard let data, let handle else { throw .nullArgument }
    guard size >= 0 else { throw .fileTruncated }
    // What the handle held before is no model any more, also where these bytes are none.
    handle.pointee = e3_model()
    let file = try ModelFile(validating: UnsafeRawBufferPointer(start: data, count: size))
    let bytes = UnsafeMutableRawPointer(handle)
    bytes.storeBytes(of: file, toByteOffset: ModelHandle.modelOffset, as: ModelFile.self)
    bytes.storeBytes(of: ModelHandle.hash(at: bytes), as: UInt64.self)
  }
}

@c @implementation
public func e3_model_verify(_ handle: UnsafePointer<e3_model>?) -> e3_status {
  status { () throws(E3Error) in try model(handle).verifyChecksums() }
}

@c @implementation
public func e3_model_scrub(
  _ handle: UnsafePointer<e3_model>?, _ scrub: UnsafeMutablePointer<e3_scrub>?, _ bytes: Int
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let scrub else { throw .nullArgument }
    guard scrub.pointee.struct_size >= UInt32(MemoryLayout<e3_scrub>.size) else { throw .structSize }
    try Scrub.run(file, &scrub.pointee, bytes: UInt64(UInt(bitPattern: bytes)))
  }
}

@c @implementation
public func e3_model_get_info(
  _ handle: UnsafePointer<e3_model>?, _ info: UnsafeMutablePointer<e3_model_info>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    var filled = modelInfo(file)
    (filled.members, filled.multiply_accumulates, filled.networks) = (
      UInt32(file.memberCount), 0, UInt32(file.networkCount)
    )
    filled.resident_minimum = try file.bytesWithoutExperts()
    filled.early = file.hasEarlyStops ? 1 : 0
    try file.forEachNetwork { (view) throws(E3Error) in
      filled.representation_size = max(filled.representation_size, UInt32(view.shape.headInputSize))
      let (sum, isLarge) = filled.multiply_accumulates.addingReportingOverflow(view.shape.multiplyAccumulates)
      filled.multiply_accumulates = isLarge ? .max : sum
    }
    try fill(info, with: filled, firstSize: Int(E3_MODEL_INFO_FIRST_SIZE))
  }
}

@c @implementation
public func e3_model_get_network_info(
  _ handle: UnsafePointer<e3_model>?, _ network: UInt32, _ info: UnsafeMutablePointer<e3_model_info>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard network < UInt32(file.networkCount) else { throw .indexRange }
    var filled = e3_model_info()
    try file.forEachNetwork { (view) throws(E3Error) in
      if view.network == Int(network) { filled = modelInfo(view) }
    }
    filled.resident_minimum = try file.bytesWithoutExperts()
    try fill(info, with: filled, firstSize: Int(E3_MODEL_INFO_FIRST_SIZE))
  }
}

/// What a network is.
private func modelInfo(_ file: ModelFile) -> e3_model_info {
  let shape = file.shape
  var filled = e3_model_info()
  filled.image_height = UInt32(shape.imageHeight)
  filled.image_width = UInt32(shape.imageWidth)
  filled.channels = UInt32(shape.channels)
  filled.classes = UInt32(shape.classCount)
  filled.members = UInt32(shape.memberCount)
  filled.experts = UInt32(shape.expertCount)
  filled.selected_experts = UInt32(shape.selectedExperts)
  filled.layers = UInt32(shape.layerCount)
  filled.hidden_size = UInt32(shape.hiddenSize)
  filled.heads = UInt32(shape.headCount)
  filled.mlp_size = UInt32(shape.mlpSize)
  filled.representation_size = UInt32(shape.headInputSize)
  filled.tokens = UInt32(shape.tokenCount)
  filled.labels = UInt32(file.labelCount)
  filled.calibrated = file.calibration == nil ? 0 : 1
  filled.multiply_accumulates = shape.multiplyAccumulates
  (filled.value_low, filled.value_high) = shape.valueBounds
  filled.networks = 1
  return filled
}

@c @implementation
public func e3_model_get_calibration(
  _ handle: UnsafePointer<e3_model>?, _ calibration: UnsafeMutablePointer<e3_calibration>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let stored = file.calibration else { throw .noCalibration }
    var filled = e3_calibration()
    filled.has_distance = file.hasStatistics ? 1 : 0
    filled.temperature = stored.temperature
    filled.accept_threshold = stored.accept_threshold
    filled.unknown_threshold = file.hasStatistics ? stored.unknown_threshold : .nan
    filled.set_threshold = stored.set_threshold
    filled.accept_coverage = stored.accept_coverage
    filled.known_coverage = file.hasStatistics ? stored.known_coverage : .nan
    filled.set_coverage = stored.set_coverage
    filled.images = stored.image_count
    filled.statistics_images = stored.statistics_count
    filled.distance_mean = stored.distance_mean
    filled.distance_deviation = stored.distance_deviation
    if file.hasStatistics {
      let score = UnknownScore(stored)
      filled.unit_length = score.hasUnitLength ? 1 : 0
      filled.background_weight = score.backgroundWeight
      (filled.uncertainty, filled.uncertainty_weight) = (stored.uncertainty, score.uncertaintyWeight)
    }
    let sets = SetScore(stored)
    filled.set_score = stored.set_score
    filled.set_free_ranks = UInt32(sets.freeRanks)
    filled.set_penalty = SetScore.penaltyUnit * Float(sets.penalty)
    filled.class_conditional = file.setThresholds == nil ? 0 : 1
    try fill(calibration, with: filled, firstSize: Int(E3_CALIBRATION_FIRST_SIZE))
  }
}

@c @implementation
public func e3_model_get_label(
  _ handle: UnsafePointer<e3_model>?, _ index: UInt32, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ length: UnsafeMutablePointer<Int>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
    guard let text, let length else { throw .nullArgument }
    guard Int(index) < file.labelCount else { throw .indexRange }
    guard let label = file.label(Int(index)) else { throw .fileChanged }
    text.pointee = label.baseAddress?.assumingMemoryBound(to: CChar.self)
    length.pointee = label.count
  }
}

@c @implementation
public func e3_model_get_preprocessing(
  _ handle: UnsafePointer<e3_model>?, _ preprocessing: UnsafeMutablePointer<e3_preprocessing>?
) -> e3_status {
  status { () throws(E3Error) in
    let config = try model(handle).shape.config
    var filled = e3_preprocessing()
    filled.resize = config.resize
    (filled.resize_height, filled.resize_width) = (config.resize_height, config.resize_width)
    (filled.fit, filled.filter, filled.crop_rounding) = (config.resize_fit, config.resize_filter, config.resize_crop)
    filled.pass_order = config.resize_order
    filled.normalized = config.value == UInt32(E3_FILE_VALUE_NORM.rawValue) ? 1 : 0
    (filled.low, filled.high) = (config.value_low, config.value_high)
    (filled.mean, filled.deviation) = (config.value_mean, config.value_deviation)
    try fill(preprocessing, with: filled)
  }
}

@c @implementation
public func e3_model_get_provenance(
  _ handle: UnsafePointer<e3_model>?, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ length: UnsafeMutablePointer<Int>?
) -> e3_status {
  status { () throws(E3Error) in
    let provenance = try model(handle).provenance
    guard let text, let length else { throw .nullArgument }
    text.pointee = provenance?.baseAddress?.assumingMemoryBound(to: CChar.self)
    length.pointee = provenance?.count ?? 0
  }
}
