/// Whether transparent pixels of `picture` show, which is the file `bytes` on white: it is another one in its own colours,
/// which a training sees that drops the alpha channel.
func showsTransparency(_ picture: Picture, _ bytes: UnsafeRawBufferPointer, path: String) -> Bool {
  guard hasAlpha(bytes), let own = try? decodePicture(bytes, path: path, alpha: .ignore) else { return false }
  return own != picture
}

/// Whether the file of a picture may say that pixels are transparent: a PNG with an alpha channel or with tRNS, which
/// stands before the pixels (PNG, 5.6).
private func hasAlpha(_ bytes: UnsafeRawBufferPointer) -> Bool {
  let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  guard bytes.count > 33, bytes.starts(with: signature) else { return false }
  if bytes[25] == 4 || bytes[25] == 6 { return true }
  var place = 33
  while place + 12 <= bytes.count {
    let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
    let kind = bytes[place + 4..<place + 8]
    if kind.elementsEqual("tRNS".utf8) { return true }
    if kind.elementsEqual("IDAT".utf8) { return false }
    place += 12 + length
  }
  return false
}
