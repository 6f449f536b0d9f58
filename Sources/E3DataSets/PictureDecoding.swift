import CE3Pictures
import E3Host

/// What transparent pixels of a picture show.
public enum PictureAlpha: String, CaseIterable, Sendable {
  /// A ground of this colour.
  case white, black
  /// Their own colour, as pipelines see it that drop the alpha channel.
  case ignore
}

/// Decodes the JPEG, PNG or PNM picture in `bytes`, which messages call `path`.
///
/// - Throws: bytes that are no whole picture.
public func decodePicture(
  _ bytes: UnsafeRawBufferPointer, path: String, alpha: PictureAlpha = .white
) throws(FileError) -> Picture {
  let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
  var message = [CChar](repeating: 0, count: Int(E3P_MESSAGE_BYTES))
  var header = e3p_header()
  var settings = e3p_settings()
  settings.alpha =
    switch alpha {
    case .white: E3P_ALPHA_WHITE
    case .black: E3P_ALPHA_BLACK
    case .ignore: E3P_ALPHA_IGNORE
    }
  func fault() -> FileError {
    let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return FileError(file: path, problem: String(decoding: text, as: UTF8.self))
  }
  guard e3p_read_header(data, bytes.count, &settings, &header, &message) == 0 else { throw fault() }
  let size = e3p_pixel_bytes(&header)
  var status: Int32 = -1
  let pixels = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
    status = e3p_decode(data, bytes.count, &settings, &header, buffer.baseAddress, &message)
    initialized = status == 0 ? size : 0
  }
  guard status == 0 else { throw fault() }
  return Picture(
    height: Int(header.height), width: Int(header.width), channels: Int(header.channels), pixels: pixels)
}
