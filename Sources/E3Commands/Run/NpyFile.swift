import CE3
import CE3Files

/// Images in a NumPy file: [N][height][width][channels] or [height][width][channels], C order, little-endian float32 in
/// the model's value range, or bytes, which are camera pixels and go through the preprocessing recipe.
struct NpyFile: ~Copyable {
  enum Element {
    case float32, uint8

    var bytes: Int { self == .float32 ? 4 : 1 }
  }

  let path: UnsafePointer<CChar>
  let element: Element
  let imageCount: Int
  let imageBytes: Int
  private let file: MappedFile
  private let firstImage: Int

  /// Maps the file and checks it against the model's image.
  init(_ path: UnsafePointer<CChar>, _ info: e3_model_info) throws(Failure) {
    let file = try MappedFile(path)
    let header = try NpyHeader(file.bytes, path)
    let image = (Int(info.image_height), Int(info.image_width), Int(info.channels))
    guard header.image == image else {
      throw .report(path, "the shape is ") { errors in
        Self.writeShape(header.imageCount, header.image, to: errors)
        errors.write(", the model takes images of ")
        Self.writeShape(nil, image, to: errors)
      }
    }
    let imageBytes = image.0 * image.1 * image.2 * header.element.bytes
    let imageCount = header.imageCount ?? 1
    let (total, overflow) = imageBytes.multipliedReportingOverflow(by: imageCount)
    guard !overflow, file.bytes.count - header.dataOffset >= total else {
      throw .report(path, "the file is shorter than its header says")
    }
    self.path = path
    self.file = file
    self.imageBytes = imageBytes
    element = header.element
    self.imageCount = imageCount
    firstImage = header.dataOffset
  }

  /// `(images, height, width, channels)`, or without the images.
  private static func writeShape(_ images: Int?, _ image: (Int, Int, Int), to stream: TextStream) {
    stream.write("(")
    if let images {
      stream.write(images)
      stream.write(", ")
    }
    stream.write(image.0)
    stream.write(", ")
    stream.write(image.1)
    stream.write(", ")
    stream.write(image.2)
    stream.write(")")
  }

  /// The bytes of an image, not necessarily aligned.
  func image(_ index: Int) -> UnsafeRawBufferPointer {
    let start = firstImage + index * imageBytes
    return UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + imageBytes])
  }
}

/// What the header of a `.npy` file of images says.
private struct NpyHeader {
  let element: NpyFile.Element
  let dataOffset: Int
  /// Nil when the shape is that of one image.
  let imageCount: Int?
  let image: (Int, Int, Int)

  init(_ bytes: UnsafeRawBufferPointer, _ path: UnsafePointer<CChar>) throws(Failure) {
    var header = ce3_npy()
    switch ce3_npy_read(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &header) {
    case CE3_NPY_OK: break
    case CE3_NPY_NOT_NPY: throw .report(path, "not a .npy file")
    case CE3_NPY_MALFORMED: throw .report(path, "a malformed .npy header")
    default: throw .report(path, "a truncated .npy file, or an unknown version of the format")
    }
    switch header.type {
    case CE3_NPY_FLOAT32: element = .float32
    case CE3_NPY_UINT8: element = .uint8
    default: throw .report(path, "the elements are neither little-endian float32 ('<f4') nor bytes ('|u1')")
    }
    guard header.is_fortran_order == 0 else { throw .report(path, "the array is not in C order") }
    let shape = (Int(header.shape.0), Int(header.shape.1), Int(header.shape.2), Int(header.shape.3))
    switch header.axes {
    case 3: (imageCount, image) = (nil, (shape.0, shape.1, shape.2))
    case 4: (imageCount, image) = (shape.0, (shape.1, shape.2, shape.3))
    default: throw .report(path, "the shape is not [N, height, width, channels] or [height, width, channels]")
    }
    dataOffset = Int(header.data_offset)
  }
}
