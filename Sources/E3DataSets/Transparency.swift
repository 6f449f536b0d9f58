import Synchronization

/// Counts the pictures of a data set whose transparent pixels show: on white they are others than in their own colours,
/// which a training sees that drops the alpha channel.
final class Transparency: Sendable {
  private let looked = Mutex<(at: Set<Int>, transparent: Int)>((at: [], transparent: 0))

  var count: Int { looked.withLock { $0.transparent } }

  /// Looks at the picture of the number `index`, once, which is `picture` on white and has the file `bytes`.
  func look(at index: Int, _ picture: Picture, _ bytes: UnsafeRawBufferPointer, path: String) {
    guard hasAlpha(bytes), looked.withLock({ $0.at.insert(index).inserted }),
      let own = try? decodePicture(bytes, path: path, alpha: .ignore), own != picture
    else { return }
    looked.withLock { $0.transparent += 1 }
  }
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

/// What is said of the transparent pictures that were read of `sets`; nil without any, and where somebody said what
/// transparent pixels show.
///
/// - Parameter hasOption: Whether the command takes `--alpha`.
public func transparencyRemark(on sets: [DataSet], hasOption: Bool = true) -> String? {
  let count = sets.reduce(0) { $0 + $1.transparentCount }
  guard count > 0 else { return nil }
  let shown = "\(count == 1 ? "1 picture is" : "\(count) pictures are") transparent and shown on white"
  return hasOption
    ? "\(shown): --alpha ignore shows the pixels' own colours, as a training does that drops transparency (Pillow's "
      + "convert(\"RGB\"))"
    : "\(shown): where the training dropped transparency (Pillow's convert(\"RGB\")), give them opaque"
}
