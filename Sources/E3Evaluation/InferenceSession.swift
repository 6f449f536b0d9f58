import CE3
import E3Checkpoint
import E3Converter
import E3DataSets
import E3Format

/// One session of the int8 runtime on one thread, for the images of a data set.
///
/// A picture goes through the runtime's own preprocessing, as `e3-run` does with it, whatever its size; prepared values
/// go in as they are, as `e3-run --tensor` does. So every answer is, bit for bit, what `e3-run` gives.
package final class InferenceSession {
  private let session: Int8Session
  private var model: MappedModel { session.model }

  /// - Parameter recordsRouting: Whether `routing(layer:)` will be asked.
  package init(_ model: MappedModel, recordsRouting: Bool = false) throws(CheckpointError) {
    session = try Int8Session(model, recordsRouting: recordsRouting)
  }

  /// The answer to an image; its pointers hold until the next call.
  ///
  /// - Parameter name: what messages call the image.
  package func run(_ image: DataSetImage, name: @autoclosure () -> String) throws(CheckpointError) -> e3_result {
    do throws(E3Error) {
      switch image {
      case .tensor(let values): return try session.run(values)
      case .picture(let picture):
        return try withFrame(picture) { (frame) throws(E3Error) in try session.run(frame) }
      }
    } catch {
      throw fault(error, image, name())
    }
  }

  /// The values `[height][width][channels]` that the network sees of an image.
  func prepared(_ image: DataSetImage, name: @autoclosure () -> String) throws(CheckpointError) -> [Float] {
    do throws(E3Error) {
      switch image {
      case .tensor(let values):
        guard values.count == model.file.shape.imageValues else { throw .tensorSize }
        return values
      case .picture(let picture):
        return try withFrame(picture) { (frame) throws(E3Error) in try session.prepare(frame) }
      }
    } catch {
      throw fault(error, image, name())
    }
  }

  /// What the routers of the MoE layer `index` did with the last image.
  ///
  /// - Precondition: the session records routing and has that layer.
  func routing(layer index: Int) -> e3_routing { session.routing(layer: index) }

  private func fault(_ error: E3Error, _ image: DataSetImage, _ name: String) -> CheckpointError {
    let shape = model.file.shape
    var problem = error.text
    if error == .tensorSize, case .tensor(let values) = image {
      problem =
        "\(values.count) values, but \(model.path) takes \(shape.imageHeight) x \(shape.imageWidth) x "
        + "\(shape.channels) = \(shape.imageValues)"
    }
    return CheckpointError(file: name, problem: problem)
  }
}

private func withFrame<R>(
  _ picture: Picture, _ body: (UnsafePointer<e3_frame>) throws(E3Error) -> R
) throws(E3Error) -> R {
  let result = picture.pixels.withUnsafeBytes { pixels in
    var frame = e3_frame()
    frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
    frame.format = e3_pixel_format(picture.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8)
    frame.width = UInt32(picture.width)
    frame.height = UInt32(picture.height)
    frame.planes.0 = pixels.baseAddress
    frame.sizes.0 = pixels.count
    return Result { () throws(E3Error) in try body(&frame) }
  }
  return try result.get()
}
