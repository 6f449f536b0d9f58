import CE3

extension ModelFile {
  /// Checks that the floats of an extent of this network are finite and their padding is zero.
  func verifyFloats(_ values: UnsafeRawBufferPointer, _ kind: ExtentKind) throws(E3Error) {
    guard values.allFinite else { throw .fileValues }
    let width: Int
    let used: Int
    switch kind {
    case .queryKeyNorm, .mapQuery, .mapKeyNorm: (width, used) = (shape.headSizePadded, shape.headSize)
    case .router:
      try validatePanels(values, inputs: shape.hiddenSize, outputs: shape.expertsPerMember, count: shape.memberCount)
      return
    case .head:
      // The bias is one more row of each panel's sixteen columns, stored after all panels.
      let biasBytes = 4 * shape.classCountPadded
      try validatePanels(
        UnsafeRawBufferPointer(rebasing: values.dropLast(biasBytes)), inputs: shape.headInputSize,
        outputs: shape.classCount, count: 1)
      try validatePadding(
        UnsafeRawBufferPointer(rebasing: values.suffix(biasBytes)), width: shape.classCountPadded,
        used: shape.classCount)
      return
    default: (width, used) = (shape.hiddenSizePadded, shape.hiddenSize)
    }
    try validatePadding(values, width: width, used: used)
  }

  /// Checks that the values from `used` to `width` of every row are zero.
  private func validatePadding(_ values: UnsafeRawBufferPointer, width: Int, used: Int) throws(E3Error) {
    if used == width { return }
    for row in stride(from: 0, to: values.count, by: 4 * width) {
      guard values.isZero(from: row + 4 * used, to: row + 4 * width) else { throw .fileValues }
    }
  }

  /// Checks that the columns past `outputs` in `count` matrices of `[ceil(outputs/16)][inputs][16]` floats are zero.
  private func validatePanels(
    _ values: UnsafeRawBufferPointer, inputs: Int, outputs: Int, count: Int
  ) throws(E3Error) {
    let used = outputs % 16
    if used == 0 { return }
    let panelBytes = 64 * inputs
    let matrixBytes = ModelShape.padded(outputs) / 16 * panelBytes
    for matrix in 1...count {
      for row in stride(from: matrix * matrixBytes - panelBytes, to: matrix * matrixBytes, by: 64) {
        guard values.isZero(from: row + 4 * used, to: row + 64) else { throw .fileValues }
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Whether all float32 values are finite. The buffer is 4-byte aligned and holds whole floats.
  var allFinite: Bool {
    // A float is not finite when its exponent is all ones; adding one exponent unit then carries into the sign bit.
    var carried: UInt32 = 0
    for offset in Swift.stride(from: 0, to: count, by: 4) {
      carried |= (load(fromByteOffset: offset, as: UInt32.self) & 0x7F80_0000) &+ 0x0080_0000
    }
    return carried & 0x8000_0000 == 0
  }

  /// Whether the bytes from `start` up to `end` are zero.
  func isZero(from start: Int, to end: Int) -> Bool {
    var any: UInt8 = 0
    for offset in start..<end { any |= self[offset] }
    return any == 0
  }
}
