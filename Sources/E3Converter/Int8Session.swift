import CE3
import E3Checkpoint
import E3Format
import E3Runtime

/// A session of the int8 runtime on one thread, through the C interface that every program uses.
package final class Int8Session {
  package let model: MappedModel
  private let handle: UnsafeMutablePointer<e3_model>
  private let arena: UnsafeMutableRawBufferPointer
  private var session: OpaquePointer?

  /// - Parameter recordsRouting: Whether `routing(layer:)` will be asked.
  package init(_ model: MappedModel, recordsRouting: Bool = false) throws(CheckpointError) {
    self.model = model
    handle = .allocate(capacity: 1)
    handle.initialize(to: e3_model())
    var options = e3_session_options()
    options.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
    options.record_routing = recordsRouting ? 1 : 0
    var (size, alignment) = (0, 0)
    var status = e3_model_open(model.bytes.baseAddress, model.bytes.count, handle)
    if status == E3_OK { status = e3_session_query(handle, &options, &size, &alignment) }
    arena = .allocate(byteCount: size, alignment: max(alignment, 1))
    if status == E3_OK { status = e3_session_create(handle, &options, arena.baseAddress, size, &session) }
    guard status == E3_OK else { throw fault(E3Error(rawValue: status)) }
  }

  deinit {
    e3_session_destroy(session)
    arena.deallocate()
    handle.deallocate()
  }

  /// The answer to prepared values `[height][width][channels]`; its pointers hold until the next call.
  package func run(_ values: [Float]) throws(E3Error) -> e3_result {
    var result = Self.emptyResult
    try Self.check(e3_session_run_tensor(session, values, values.count, &result))
    return result
  }

  /// The answer to a camera frame; its pointers hold until the next call.
  package func run(_ frame: UnsafePointer<e3_frame>) throws(E3Error) -> e3_result {
    var result = Self.emptyResult
    try Self.check(e3_session_run_frame(session, frame, &result))
    return result
  }

  /// The values `[height][width][channels]` that the network sees of a camera frame.
  package func prepare(_ frame: UnsafePointer<e3_frame>) throws(E3Error) -> [Float] {
    var values = [Float](repeating: 0, count: model.file.shape.imageValues)
    try Self.check(e3_session_preprocess(session, frame, &values, values.count))
    return values
  }

  /// Member logits `[M][C]` of one prepared image, `[height][width][channels]` in the model's value range.
  func memberLogits(_ image: [Float]) throws(CheckpointError) -> [[Float]] {
    do throws(E3Error) {
      let (result, shape) = (try run(image), model.file.shape)
      return (0..<shape.memberCount).map { member in
        Array(UnsafeBufferPointer(start: result.member_logits + member * shape.classCount, count: shape.classCount))
      }
    } catch {
      throw fault(error)
    }
  }

  /// What the routers of the MoE layer `index` did with the last image; its pointers hold until the next one.
  ///
  /// - Precondition: the session records routing and has that layer.
  package func routing(layer index: Int) -> e3_routing {
    var routing = e3_routing()
    routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
    let status = e3_session_get_routing(session, UInt32(index), &routing)
    precondition(status == E3_OK, "the session records no layer \(index)")
    return routing
  }

  /// Runs the file's golden input and compares the member logits bit for bit.
  func selfTest() throws(CheckpointError) {
    do throws(E3Error) {
      try Self.check(e3_session_self_test(session))
    } catch {
      throw fault(error)
    }
  }

  private func fault(_ error: E3Error) -> CheckpointError { CheckpointError(file: model.path, problem: error.text) }

  private static var emptyResult: e3_result {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    return result
  }

  private static func check(_ status: e3_status) throws(E3Error) {
    guard status == E3_OK else { throw E3Error(rawValue: status) }
  }
}
