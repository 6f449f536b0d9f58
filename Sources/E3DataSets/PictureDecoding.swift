import CE3Pictures
import E3Host

/// Reads a JPEG, PNG, PPM or PGM file.
///
/// - Throws: a file that cannot be read, or that is no whole picture.
func readPicture(path: String) throws(FileError) -> Picture {
  let file = try MappedFile(path: path)
  return try decodePicture(file.bytes, path: path)
}

/// Decodes the JPEG, PNG, PPM or PGM picture in `bytes`, which messages call `path`.
///
/// - Throws: bytes that are no whole picture.
public func decodePicture(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) -> Picture {
  let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
  var message = [CChar](repeating: 0, count: Int(E3P_MESSAGE_BYTES))
  var header = e3p_header()
  func fault() -> FileError {
    let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return FileError(file: path, problem: String(decoding: text, as: UTF8.self))
  }
  guard e3p_read_header(data, bytes.count, &header, &message) == 0 else { throw fault() }
  let size = e3p_pixel_bytes(&header)
  var status: Int32 = -1
  let pixels = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
    status = e3p_decode(data, bytes.count, &header, buffer.baseAddress, &message)
    initialized = status == 0 ? size : 0
  }
  guard status == 0 else { throw fault() }
  return Picture(
    height: Int(header.height), width: Int(header.width), channels: Int(header.channels), pixels: pixels)
}
