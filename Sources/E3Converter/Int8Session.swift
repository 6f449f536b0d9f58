import CE3
import E3Checkpoint
import E3Format
import E3Runtime

/// A model file run by the int8 runtime, through the C interface that every program uses.
final class Int8Session {
  private let path: String
  let shape: ModelShape
  private let arena: UnsafeMutableRawBufferPointer
  private let model: UnsafeMutablePointer<e3_model>
  private var session: OpaquePointer?

  /// Creates a session on one thread.
  ///
  /// - Parameters:
  ///   - bytes: The file; must stay mapped as long as this object lives.
  ///   - path: Name of the file in errors.
  ///   - recordsRouting: Whether `routing(layer:)` will be asked.
  init(bytes: UnsafeRawBufferPointer, path: String, recordsRouting: Bool = false) throws(CheckpointError) {
    self.path = path
    model = .allocate(capacity: 1)
    model.initialize(to: e3_model())
    var options = e3_session_options()
    options.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
    options.record_routing = recordsRouting ? 1 : 0
    var size = 0
    var alignment = 0
    do throws(E3Error) {
      try Self.check(e3_model_open(bytes.baseAddress, bytes.count, model))
      try Self.check(e3_session_query(model, &options, &size, &alignment))
      shape = try ModelFile(validating: bytes).shape
    } catch {
      model.deallocate()
      throw CheckpointError(file: path, problem: error.text)
    }
    arena = .allocate(byteCount: size, alignment: alignment)
    do throws(E3Error) {
      try Self.check(e3_session_create(model, &options, arena.baseAddress, arena.count, &session))
    } catch {
      throw CheckpointError(file: path, problem: error.text)
    }
  }

  deinit {
    e3_session_destroy(session)
    arena.deallocate()
    model.deallocate()
  }

  /// Member logits `[M][C]` of one prepared image, `[height][width][channels]` in the model's value range.
  func memberLogits(_ image: [Float]) throws(CheckpointError) -> [[Float]] {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    do throws(E3Error) {
      try Self.check(e3_session_run_tensor(session, image, image.count, &result))
    } catch {
      throw CheckpointError(file: path, problem: error.text)
    }
    return (0..<shape.memberCount).map { member in
      Array(UnsafeBufferPointer(start: result.member_logits + member * shape.classCount, count: shape.classCount))
    }
  }

  /// What the routers of the MoE layer `index` did with the last image; its pointers hold until the next one.
  ///
  /// - Precondition: the session records routing and has that layer.
  func routing(layer index: Int) -> e3_routing {
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
      throw CheckpointError(file: path, problem: error.text)
    }
  }

  private static func check(_ status: e3_status) throws(E3Error) {
    guard status == E3_OK else { throw E3Error(rawValue: status) }
  }
}
