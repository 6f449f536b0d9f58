import CE3
import E3DataSets
import E3Format
import E3Host
import E3Runtime

/// A session of the int8 runtime on one thread, for the images of the host's tools.
///
/// It goes through the C interface that every program uses. A picture goes through the runtime's own preprocessing, as
/// `e3-run` does with it, whatever its size; prepared values go in as they are, as `e3-run --tensor` does. So every answer
/// is, bit for bit, what `e3-run` gives.
package final class ModelSession {
  package let model: MappedModel
  private let handle: UnsafeMutablePointer<e3_model>
  private let arena: UnsafeMutableRawBufferPointer
  private var session: OpaquePointer?

  /// - Parameter recordsRouting: Whether `routing(layer:)` will be asked.
  package init(_ model: MappedModel, recordsRouting: Bool = false) throws(FileError) {
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

  /// The answer to an image; its pointers hold until the next call.
  ///
  /// - Parameter name: what messages call the image.
  package func run(_ image: DataSetImage, name: @autoclosure () -> String) throws(FileError) -> e3_result {
    do throws(E3Error) {
      switch image {
      case .tensor(let values): return try run(values)
      case .picture(let picture): return try picture.withFrame { (frame) throws(E3Error) in try run(frame) }
      }
    } catch {
      throw fault(error, image, name())
    }
  }

  /// The values `[height][width][channels]` that the network sees of an image.
  ///
  /// - Parameter name: what messages call the image.
  package func prepared(_ image: DataSetImage, name: @autoclosure () -> String) throws(FileError) -> [Float] {
    do throws(E3Error) {
      switch image {
      case .tensor(let values):
        guard values.count == model.file.shape.imageValues else { throw .tensorSize }
        return values
      case .picture(let picture): return try picture.withFrame { (frame) throws(E3Error) in try prepare(frame) }
      }
    } catch {
      throw fault(error, image, name())
    }
  }

  private func run(_ values: [Float]) throws(E3Error) -> e3_result {
    var result = Self.emptyResult
    try Self.check(e3_session_run_tensor(session, values, values.count, &result))
    return result
  }

  private func run(_ frame: UnsafePointer<e3_frame>) throws(E3Error) -> e3_result {
    var result = Self.emptyResult
    try Self.check(e3_session_run_frame(session, frame, &result))
    return result
  }

  private func prepare(_ frame: UnsafePointer<e3_frame>) throws(E3Error) -> [Float] {
    var values = [Float](repeating: 0, count: model.file.shape.imageValues)
    try Self.check(e3_session_preprocess(session, frame, &values, values.count))
    return values
  }

  /// Member logits `[M][C]` of one prepared image, `[height][width][channels]` in the model's value range.
  package func memberLogits(_ image: [Float]) throws(FileError) -> [[Float]] {
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
  package func selfTest() throws(FileError) {
    do throws(E3Error) {
      try Self.check(e3_session_self_test(session))
    } catch {
      throw fault(error)
    }
  }

  private func fault(_ error: E3Error) -> FileError { FileError(file: model.path, problem: error.text) }

  private func fault(_ error: E3Error, _ image: DataSetImage, _ name: String) -> FileError {
    let shape = model.file.shape
    var problem = error.text
    if error == .tensorSize, case .tensor(let values) = image {
      problem =
        "\(values.count) values, but \(model.path) takes \(shape.imageHeight) x \(shape.imageWidth) x "
        + "\(shape.channels) = \(shape.imageValues)"
    }
    return FileError(file: name, problem: problem)
  }

  private static var emptyResult: e3_result {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    return result
  }

  private static func check(_ status: e3_status) throws(E3Error) {
    guard status == E3_OK else { throw E3Error(rawValue: status) }
  }
}

extension Picture {
  /// Hands the picture to `body` as the frame that the C interface takes.
  fileprivate func withFrame<R>(_ body: (UnsafePointer<e3_frame>) throws(E3Error) -> R) throws(E3Error) -> R {
    let result = pixels.withUnsafeBytes { pixels in
      var frame = e3_frame()
      frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
      frame.format = e3_pixel_format(channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8)
      frame.width = UInt32(width)
      frame.height = UInt32(height)
      frame.planes.0 = pixels.baseAddress
      frame.sizes.0 = pixels.count
      return Result { () throws(E3Error) in try body(&frame) }
    }
    return try result.get()
  }
}
