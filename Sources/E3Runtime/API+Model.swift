import CE3
import E3Format

// Models: the part of e3.h that reads a file. `ModelFile` stands by value inside `e3_model`.

/// The model inside a handle.
///
/// - Throws: `nullArgument`.
func model(_ handle: UnsafePointer<e3_model>?) throws(E3Error) -> ModelFile {
  guard let handle else { throw .nullArgument }
  return UnsafeRawPointer(handle).load(as: ModelFile.self)
}

@c @implementation
public func e3_model_open(_ data: UnsafeRawPointer?, _ size: Int, _ handle: UnsafeMutablePointer<e3_model>?)
  -> e3_status
{
  status { () throws(E3Error) in
    guard let data, let handle else { throw .nullArgument }
    guard size >= 0 else { throw .fileTruncated }
    let file = try ModelFile(validating: UnsafeRawBufferPointer(start: data, count: size))
    handle.pointee = e3_model()
    UnsafeMutableRawPointer(handle).storeBytes(of: file, as: ModelFile.self)
  }
}

@c @implementation
public func e3_model_verify(_ handle: UnsafePointer<e3_model>?) -> e3_status {
  status { () throws(E3Error) in try model(handle).verifyChecksums() }
}

@c @implementation
public func e3_model_get_info(
  _ handle: UnsafePointer<e3_model>?, _ info: UnsafeMutablePointer<e3_model_info>?
) -> e3_status {
  status { () throws(E3Error) in
    let file = try model(handle)
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
    filled.hidden_size = UInt32(shape.hidden)
    filled.heads = UInt32(shape.headCount)
    filled.mlp_size = UInt32(shape.mlp)
    filled.representation_size = UInt32(shape.representation)
    filled.tokens = UInt32(shape.tokenCount)
    filled.labels = UInt32(file.labelCount)
    filled.calibrated = file.calibration == nil ? 0 : 1
    filled.multiply_accumulates = shape.multiplyAccumulates
    (filled.value_low, filled.value_high) = shape.valueBounds
    try fill(info, with: filled)
  }
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
    try fill(calibration, with: filled)
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
    guard let label = file.label(Int(index)) else { throw .indexRange }
    text.pointee = label.baseAddress?.assumingMemoryBound(to: CChar.self)
    length.pointee = label.count
  }
}
