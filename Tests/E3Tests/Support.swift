import CE3
import E3
import E3TestSupport

/// A model of the file's bytes, which it owns.
func openModel(_ file: SampleFile) throws -> Model {
  let bytes = try file.bytes
  return try Model(copying: bytes.span.bytes)
}

/// Reproducible values in -1...1, a prepared image of `model`.
func tensor(for model: Model, seed: UInt64 = 3) -> [Float] {
  var random = SplitMix(state: seed)
  return (0..<model.imageValues).map { _ in random.float }
}

/// What the C interface answers to `frame` or, without one, to `values`, from a model of the same bytes.
func answerFromC(_ bytes: [UInt8], values: [Float] = [], frame: e3_frame? = nil) throws -> [UInt32] {
  let file = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
  defer { file.deallocate() }
  file.copyBytes(from: bytes)
  var model = e3_model()
  try E3Error.require(e3_model_open(file.baseAddress, file.count, &model))
  var (size, alignment) = (0, 0)
  try E3Error.require(e3_session_query(&model, nil, &size, &alignment))
  let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: alignment)
  defer { arena.deallocate() }
  var session: OpaquePointer?
  try E3Error.require(e3_session_create(&model, nil, arena.baseAddress, size, &session))
  defer { e3_session_destroy(session) }
  var result = e3_result()
  result.struct_size = UInt32(MemoryLayout<e3_result>.size)
  if var frame {
    try E3Error.require(e3_session_run_frame(session, &frame, &result))
  } else {
    try E3Error.require(e3_session_run_tensor(session, values, values.count, &result))
  }
  let (members, classes) = (Int(result.members), Int(result.classes))
  var bits = (0..<classes).map { result.probabilities[$0].bitPattern }
  bits += (0..<members * classes).map { result.member_logits[$0].bitPattern }
  bits += (0..<members * classes).map { result.member_probabilities[$0].bitPattern }
  var info = e3_model_info()
  info.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
  try E3Error.require(e3_model_get_info(&model, &info))
  for member in 0..<members {
    let start = result.representations + member * Int(result.representation_stride)
    bits += (0..<Int(info.representation_size)).map { start[$0].bitPattern }
  }
  bits += [
    result.total_entropy, result.expected_entropy, result.mutual_information, result.disagreement, result.distance,
    result.relative_distance, result.unknown_score,
  ].map { $0.isNaN ? 0 : $0.bitPattern }
  bits += [result.top_class, result.decision]
  return bits + (0..<Int(result.prediction_set_count)).map { result.prediction_set[$0] }
}

extension StoredAnswer {
  /// The same numbers in the order of `answerFromC`.
  var bits: [UInt32] {
    var bits = probabilities.map(\.bitPattern)
    for rows in [memberLogits, memberProbabilities, representations] { bits += rows.joined().map(\.bitPattern) }
    bits += [totalEntropy, expectedEntropy, mutualInformation, disagreement].map(\.bitPattern)
    bits += [distance ?? 0, relativeDistance ?? 0, unknownScore ?? 0].map(\.bitPattern)
    return bits + [UInt32(topClass), decision.rawValue] + predictionSet.map { UInt32($0) }
  }
}

extension E3Error {
  static func require(_ status: e3_status) throws(E3Error) {
    guard status == E3_OK else { throw E3Error(rawValue: status) }
  }
}
