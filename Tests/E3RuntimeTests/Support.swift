import CE3
import E3Format
import E3TestSupport
import Testing

/// A status other than E3_OK.
struct Failure: Error, Equatable { let status: e3_status }

func check(_ status: e3_status) throws(Failure) {
  guard status == E3_OK else { throw Failure(status: status) }
}

/// A model file in aligned memory, opened through the C API.
final class OpenModel {
  let memory: UnsafeMutableRawBufferPointer
  var handle = e3_model()

  init(_ bytes: [UInt8]) throws {
    memory = .allocate(byteCount: bytes.count, alignment: 4096)
    memory.copyBytes(from: bytes)
    try check(e3_model_open(memory.baseAddress, memory.count, &handle))
  }

  convenience init(_ config: e3_file_config, seed: UInt64 = 7, isCalibrated: Bool = false) throws {
    var file = SampleFile(config: config, seed: seed)
    if isCalibrated {
      file.calibration = SampleFile.thresholds(hasStatistics: true)
      file.hasStatistics = true
    }
    try self.init(file.bytes)
  }

  deinit { memory.deallocate() }

  var info: e3_model_info {
    var info = e3_model_info()
    info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    _ = e3_model_get_info(&handle, &info)
    return info
  }

  /// A reproducible image with values in -1...1.
  func image(seed: UInt64) -> [Float] {
    var random = SplitMix(state: seed)
    let info = info
    return (0..<Int(info.image_height * info.image_width * info.channels)).map { _ in random.float }
  }
}

/// Options with the struct size filled in.
func sessionOptions(threads: Int = 1, isa: Int = E3_ISA_AUTO) -> e3_session_options {
  var options = e3_session_options()
  options.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
  options.threads = UInt32(threads)
  options.isa = e3_isa(isa)
  return options
}

/// What an answer says, copied out of the arena.
struct Answer: Equatable {
  var logits: [UInt32]
  var probabilities: [UInt32]
  var uncertainty: [UInt32]
  var top: UInt32
  var decision: e3_decision
  var predictionSet: [UInt32]

  init(_ result: e3_result) {
    func bits(_ values: UnsafePointer<Float>, _ count: UInt32) -> [UInt32] {
      (0..<Int(count)).map { values[$0].bitPattern }
    }
    logits = bits(result.member_logits, result.members * result.classes)
    probabilities = bits(result.probabilities, result.classes)
    uncertainty = [
      result.total_entropy, result.expected_entropy, result.mutual_information, result.disagreement,
      result.top_probability, result.distance, result.relative_distance, result.unknown_score,
    ].map(\.bitPattern)
    top = result.top_class
    decision = result.decision
    predictionSet = (0..<Int(result.prediction_set_count)).map { result.prediction_set[$0] }
  }
}

/// A session in an arena of exactly the size that the query gives, with a guard pattern behind it.
final class OpenSession {
  static let guardBytes = 256
  let model: OpenModel
  let arena: UnsafeMutableRawBufferPointer
  let size: Int
  var handle: OpaquePointer?

  init(_ model: OpenModel, _ options: e3_session_options, arenaFill: UInt8 = 0xA5) throws {
    self.model = model
    var options = options
    var alignment = 0
    var bytes = 0
    try check(e3_session_query(&model.handle, &options, &bytes, &alignment))
    size = bytes
    arena = .allocate(byteCount: bytes + Self.guardBytes, alignment: alignment)
    arena.initializeMemory(as: UInt8.self, repeating: arenaFill)
    for index in size..<arena.count { arena[index] = 0xA5 }
    try check(e3_session_create(&model.handle, &options, arena.baseAddress, bytes, &handle))
  }

  deinit {
    e3_session_destroy(handle)
    arena.deallocate()
  }

  func run(_ image: [Float]) throws -> e3_result {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    try check(e3_session_run_tensor(handle, image, image.count, &result))
    return result
  }

  /// The answer, copied while the arena lives.
  func answer(_ image: [Float]) throws -> Answer {
    try withExtendedLifetime(self) { Answer(try run(image)) }
  }

  /// The answer to a camera frame, copied while the arena lives.
  func answer(_ frame: UnsafePointer<e3_frame>) throws -> Answer {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    return try withExtendedLifetime(self) {
      try check(e3_session_run_frame(handle, frame, &result))
      return Answer(result)
    }
  }

  var isGuardIntact: Bool { arena[size...].allSatisfy { $0 == 0xA5 } }
}

/// Calls `body` with a frame of `pixels`, `[height][width][3]`.
func withRGB24<R>(
  _ pixels: [UInt8], width: UInt32, height: UInt32, _ body: (UnsafePointer<e3_frame>) throws -> R
) throws -> R {
  try pixels.withUnsafeBytes { bytes in
    var frame = e3_frame()
    frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
    frame.format = e3_pixel_format(E3_PIXEL_RGB24)
    (frame.width, frame.height) = (width, height)
    frame.planes.0 = bytes.baseAddress
    frame.sizes.0 = bytes.count
    return try body(&frame)
  }
}

/// Configurations of which no dimension is a comfortable one.
let awkwardConfigs: [(name: String, config: e3_file_config)] = {
  var odd = SampleFile.config
  odd.capacity_mode = 0
  var wide = odd
  (wide.hidden_size, wide.head_count, wide.mlp_size, wide.layer_count) = (72, 3, 200, 4)
  (wide.member_count, wide.expert_count, wide.selected_experts) = (3, 9, 2)
  (wide.image_height, wide.image_width) = (40, 52)
  wide.moe_layers.0 = 0b1010
  wide.class_count = 37
  var lastDense = wide
  lastDense.moe_layers.0 = 0b0101
  var dense = wide
  (dense.member_count, dense.expert_count, dense.selected_experts) = (1, 0, 0)
  dense.moe_layers.0 = 0
  (dense.representation_size, dense.expert_mlp_size) = (0, 0)
  var sparse = wide
  (sparse.member_count, sparse.expert_count, sparse.selected_experts) = (1, 20, 3)
  var gap = wide
  gap.classifier = UInt32(E3_FILE_CLASSIFIER_GAP.rawValue)
  (gap.query_key_norm, gap.class_token) = (1, 0)
  var patches = wide
  patches.classifier = UInt32(E3_FILE_CLASSIFIER_GAP.rawValue)
  (patches.register_count, patches.norm_after_pooling) = (4, 1)
  var tokenAndPatches = wide
  tokenAndPatches.classifier = UInt32(E3_FILE_CLASSIFIER_TOKEN_GAP.rawValue)
  tokenAndPatches.register_count = 3
  var twoTokens = wide
  twoTokens.classifier = UInt32(E3_FILE_CLASSIFIER_TOKEN_PAIR.rawValue)
  (twoTokens.register_count, twoTokens.representation_size) = (1, 0)
  var first = wide
  (first.classifier, first.class_token) = (UInt32(E3_FILE_CLASSIFIER_FIRST.rawValue), 0)
  var normalized = wide
  normalized.query_key_norm = 1
  var map = wide
  map.classifier = UInt32(E3_FILE_CLASSIFIER_MAP.rawValue)
  (map.query_key_norm, map.class_token) = (1, 0)
  var capacity = wide
  capacity.capacity_mode = UInt32(E3_FILE_CAPACITY_VANILLA.rawValue)
  capacity.capacity = 12
  var priority = capacity
  priority.capacity_mode = UInt32(E3_FILE_CAPACITY_PRIORITY.rawValue)
  var onePatch = odd
  (onePatch.image_height, onePatch.image_width, onePatch.channels) = (3, 4, 1)
  var manyTokens = wide
  (manyTokens.patch_height, manyTokens.patch_width) = (2, 3)
  manyTokens.layer_count = 2
  manyTokens.moe_layers.0 = 0b10
  // More rows than the hidden layer's buffer holds, and more than that for one expert.
  var pieces = manyTokens
  (pieces.hidden_size, pieces.mlp_size, pieces.layer_count) = (24, 3100, 3)
  (pieces.member_count, pieces.expert_count, pieces.selected_experts) = (2, 4, 1)
  (pieces.patch_height, pieces.patch_width) = (3, 4)
  return [
    ("odd", odd), ("wide", wide), ("last block dense", lastDense), ("dense", dense), ("sparse, one member", sparse),
    ("mean pooling", gap), ("first token", first), ("normalised queries", normalized), ("attention pooling", map),
    ("capacity", capacity), ("batch priority", priority), ("one patch, grey", onePatch), ("341 tokens", manyTokens),
    ("rows in pieces", pieces), ("patches averaged, then normalised", patches),
    ("class token and mean of the patches", tokenAndPatches), ("two tokens", twoTokens),
  ]
}()
