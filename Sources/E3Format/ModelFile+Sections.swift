import CE3

/// The golden input of a file and the member logits that the runtime must give for it, bit for bit.
public struct GoldenView {
  /// [image height][image width][channels] bytes of an image of the model's own size.
  public let pixels: UnsafePointer<UInt8>
  /// [M][C], of the members of all networks.
  public let logits: UnsafePointer<Float>
}

extension ModelFile {
  mutating func validateOptionalSections(_ header: e3_file_header) throws(E3Error) {
    if labelsIndex >= 0 { try validateLabels() }
    if provenanceIndex >= 0 {
      guard bytes(at: provenanceIndex).isUTF8 else { throw .fileValues }
    }
    if goldenIndex >= 0 { try validateGolden() }
    try validateCalibration(header)
    try validateExpertUses()
    try validateEarlyStops(header)
  }

  private func validateLabels() throws(E3Error) {
    let section = bytes(at: labelsIndex)
    let tableBytes = 4 * shape.classCount
    guard section.count >= tableBytes else { throw .fileLabels }
    let textBytes = section.count - tableBytes
    var start = 0
    for index in 0..<shape.classCount {
      let end = section.load(fromByteOffset: 4 * index, as: UInt32.self)
      guard end >= UInt32(start), UInt64(end) <= UInt64(textBytes) else { throw .fileLabels }
      let text = UnsafeRawBufferPointer(rebasing: section[(tableBytes + start)..<(tableBytes + Int(end))])
      guard text.isUTF8, text.hasNoControlCharacters else { throw .fileLabels }
      start = Int(end)
    }
    guard start == textBytes else { throw .fileLabels }
  }

  private func validateGolden() throws(E3Error) {
    let section = bytes(at: goldenIndex)
    guard section.count == goldenPixelBytes + 4 * memberCount * shape.classCount else { throw .fileTable }
    guard section.isZero(from: shape.imageValues, to: goldenPixelBytes),
      UnsafeRawBufferPointer(rebasing: section[goldenPixelBytes...]).allFinite
    else { throw .fileValues }
  }

  /// Bytes from the start of the golden section to its logits.
  private var goldenPixelBytes: Int { (shape.imageValues + 63) / 64 * 64 }

  /// Number of label texts: C, or 0.
  public var labelCount: Int { labelsIndex >= 0 ? shape.classCount : 0 }

  /// The UTF-8 text of class `index`, not terminated; nil when the file has no label for it, or its bytes have changed
  /// so that there is none.
  public func label(_ index: Int) -> UnsafeRawBufferPointer? {
    guard index >= 0, index < labelCount else { return nil }
    let section = bytes(at: labelsIndex)
    let tableBytes = 4 * shape.classCount
    guard section.count >= tableBytes else { return nil }
    let start = index == 0 ? 0 : section.load(fromByteOffset: 4 * (index - 1), as: UInt32.self)
    let end = section.load(fromByteOffset: 4 * index, as: UInt32.self)
    guard start <= end, UInt64(end) <= UInt64(section.count - tableBytes) else { return nil }
    return UnsafeRawBufferPointer(rebasing: section[(tableBytes + Int(start))..<(tableBytes + Int(end))])
  }

  /// The UTF-8 JSON object that says where the weights come from, not terminated.
  public var provenance: UnsafeRawBufferPointer? { provenanceIndex >= 0 ? bytes(at: provenanceIndex) : nil }

  /// The golden input and output, when the file carries them.
  public var golden: GoldenView? {
    guard goldenIndex >= 0, let start = bytes(at: goldenIndex).baseAddress else { return nil }
    return GoldenView(
      pixels: start.assumingMemoryBound(to: UInt8.self),
      logits: (start + goldenPixelBytes).assumingMemoryBound(to: Float.self))
  }
}
