import CE3
import E3Checkpoint
import E3Converter
import E3DataSets
import E3Format
import E3Runtime

/// One session of the int8 runtime on one thread, for the images of a data set.
///
/// A picture goes through the runtime's own preprocessing, as `e3-run` does with it, whatever its size; prepared values
/// go in as they are, as `e3-run --tensor` does. So every answer is, bit for bit, what `e3-run` gives.
package final class InferenceSession {
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
    guard status == E3_OK else { throw CheckpointError(file: model.path, problem: E3Error(rawValue: status).text) }
  }

  deinit {
    e3_session_destroy(session)
    arena.deallocate()
    handle.deallocate()
  }

  /// The answer to an image; its pointers hold until the next call.
  ///
  /// - Parameter name: what messages call the image.
  package func run(_ image: DataSetImage, name: @autoclosure () -> String) throws(CheckpointError) -> e3_result {
    var result = e3_result()
    result.struct_size = UInt32(MemoryLayout<e3_result>.size)
    let status =
      switch image {
      case .tensor(let values): e3_session_run_tensor(session, values, values.count, &result)
      case .picture(let picture): withFrame(picture) { e3_session_run_frame(session, $0, &result) }
      }
    try check(status, image, name())
    return result
  }

  /// The values `[height][width][channels]` that the network sees of an image.
  func prepared(_ image: DataSetImage, name: @autoclosure () -> String) throws(CheckpointError) -> [Float] {
    let count = model.file.shape.imageValues
    switch image {
    case .tensor(let values):
      try check(e3_status(values.count == count ? E3_OK : E3_ERROR_TENSOR_SIZE), image, name())
      return values
    case .picture(let picture):
      var values = [Float](repeating: 0, count: count)
      try check(withFrame(picture) { e3_session_preprocess(session, $0, &values, count) }, image, name())
      return values
    }
  }

  /// What the routers of the MoE layer `index` did with the last image.
  ///
  /// - Precondition: the session records routing and has that layer.
  func routing(layer index: Int) -> e3_routing {
    var routing = e3_routing()
    routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
    let status = e3_session_get_routing(session, UInt32(index), &routing)
    precondition(status == E3_OK, "the session records no layer \(index)")
    return routing
  }

  private func check(_ status: e3_status, _ image: DataSetImage, _ name: String) throws(CheckpointError) {
    guard status != E3_OK else { return }
    let shape = model.file.shape
    var problem = E3Error(rawValue: status).text
    if status == E3_ERROR_TENSOR_SIZE, case .tensor(let values) = image {
      problem =
        "\(values.count) values, but \(model.path) takes \(shape.imageHeight) x \(shape.imageWidth) x "
        + "\(shape.channels) = \(shape.imageValues)"
    }
    throw CheckpointError(file: name, problem: problem)
  }
}

private func withFrame(_ picture: Picture, _ body: (UnsafePointer<e3_frame>) -> e3_status) -> e3_status {
  picture.pixels.withUnsafeBytes { pixels in
    var frame = e3_frame()
    frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
    frame.format = e3_pixel_format(picture.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8)
    frame.width = UInt32(picture.width)
    frame.height = UInt32(picture.height)
    frame.planes.0 = pixels.baseAddress
    frame.sizes.0 = pixels.count
    return body(&frame)
  }
}
