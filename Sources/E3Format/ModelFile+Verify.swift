import CE3

extension ModelFile {
  /// Reads every byte: checksums, rules of floats and int8 weights, zero padding between extents. The view is of the
  /// first network.
  ///
  /// - Throws: `fileChanged` (header, configuration or table are not those that were validated), `fileChecksum`,
  ///   `fileValues`, `fileExtent` (a gap that is not zero).
  public func verifyChecksums() throws(E3Error) {
    try verifyTable()
    for index in 0..<extentCount { try verify(at: index) }
  }

  /// Whether header, configuration and table still are those that were validated.
  ///
  /// - Throws: `fileChanged`.
  func verifyTable() throws(E3Error) {
    let table = UnsafeRawBufferPointer(start: base, count: Int(tableEnd))
    guard FileHeader.checksum(table) == checksum, base.load(as: e3_file_header.self).checksum == checksum
    else { throw .fileChanged }
  }

  /// The part of ``verifyChecksums()`` for one extent and the gap before it.
  public func verify(at index: Int) throws(E3Error) {
    let gap = try gap(before: index)
    guard gap.isZero(from: 0, to: gap.count) else { throw .fileExtent }
    let bytes = bytes(at: index)
    guard XXH64.hash(bytes) == extent(at: index).checksum else { throw .fileChecksum }
    guard let owner = try network(ofTable: index), let planned = owner.plannedIndex(ofTable: index) else {
      if index == statisticsIndex {
        guard UInt64(bytes.count) == (try statisticsBytes()) else { throw .fileChanged }
        try forEachNetwork { (view) throws(E3Error) in try view.verifyStatistics() }
      }
      return
    }
    let encoding = ExtentEncoding(rawValue: .init(extent(at: index).encoding))
    try owner.verify(bytes, as: owner.plan.entry(at: planned, encoding: encoding))
  }

  /// The rules of the values of one of this network's extents.
  private func verify(_ bytes: UnsafeRawBufferPointer, as entry: ExtentPlan.Entry) throws(E3Error) {
    // The table may have changed since it was validated; the weights are then those of another layer, or none.
    guard UInt64(bytes.count) == entry.length, let start = bytes.baseAddress else { throw .fileChanged }
    guard entry.encoding != .float else {
      try verifyFloats(bytes, entry.kind)
      return
    }
    let kind = entry.kind
    switch kind {
    case .mlp, .expert, .mapMLP:
      let expand = LinearLayout(shape, kind, contract: false, encoding: entry.encoding)
      try Self.verifyPanels(start, expand)
      try Self.verifyPanels(
        start + Int(expand.length), LinearLayout(shape, kind, contract: true, encoding: entry.encoding))
    default:
      try Self.verifyPanels(start, LinearLayout(shape, kind))
    }
  }

  /// The bytes between the extent at `index` and what stands before it; none where it is shared.
  func gap(before index: Int) throws(E3Error) -> UnsafeRawBufferPointer {
    let file = UnsafeRawBufferPointer(start: base, count: size)
    if try isShared(index) { return UnsafeRawBufferPointer(rebasing: file[0..<0]) }
    var previous = index - 1
    while previous >= 0, try isShared(previous) { previous -= 1 }
    let start = previous < 0 ? Int(tableEnd) : file.offset(ofEnd: bytes(at: previous))
    let end = file.offset(ofStart: bytes(at: index))
    return UnsafeRawBufferPointer(rebasing: file[min(start, end)..<end])
  }

  /// End of header, configurations and table.
  private var tableEnd: UInt64 { ExtentPlan.tableEnd(extentCount: extentCount, networks: networkCount) }

  /// Weights in -127...127, scales finite and not negative, biases finite, compensation equal to its definition, and
  /// zeros wherever the matrix has no real input or output.
  static func verifyPanels(_ start: UnsafeRawPointer, _ layout: LinearLayout) throws(E3Error) {
    for panel in 0..<layout.panelCount {
      try verifyPanel(start + panel * layout.panelBytes, layout, firstOutput: panel * 16)
    }
  }

  private static func verifyPanel(
    _ panel: UnsafeRawPointer, _ layout: LinearLayout, firstOutput: Int
  ) throws(E3Error) {
    let scales = panel + layout.panelBytes - LinearLayout.tailBytes
    var isReal = SIMD16<Int32>(repeating: 0)
    for channel in 0..<16 {
      let scale = (scales + 4 * channel).load(as: Float.self)
      let bias = (scales + 64 + 4 * channel).load(as: Float.self)
      guard scale.isFinite, scale >= 0, bias.isFinite else { throw .fileValues }
      isReal[channel] = layout.isRealOutput(firstOutput + channel) ? -1 : 0
      if isReal[channel] == 0 {
        guard scale.bitPattern == 0, bias.bitPattern == 0 else { throw .fileValues }
      }
    }
    var sums = SIMD16<Int32>(repeating: 0)
    var foreign = SIMD16<Int32>(repeating: 0)  // non-zero where there must be zeros, or a weight of -128
    if layout.isInt4 { try verifyGrids(panel, layout) }
    for group in 0..<(layout.paddedInputs / 4) {
      let group4 = InputGroup(panel, layout, group)
      for j in 0..<4 {
        let weights = group4.weights(j)
        sums &+= weights
        let allowed = layout.isRealInput(4 * group + j) ? isReal : SIMD16<Int32>(repeating: 0)
        foreign |= weights & ~allowed
        foreign |= SIMD16<Int32>(repeating: 0).replacing(with: 1, where: weights .== -128)
      }
    }
    guard foreign == SIMD16<Int32>(repeating: 0) else { throw .fileValues }
    let compensation = (scales + 128).load(as: SIMD16<Int32>.self)
    guard compensation == sums &* 128 else { throw .fileValues }
  }

  /// No code of a grid gives a weight outside of -127...127, and what follows the grids is zero.
  private static func verifyGrids(_ panel: UnsafeRawPointer, _ layout: LinearLayout) throws(E3Error) {
    let grids = UnsafeRawBufferPointer(start: panel, count: layout.gridBytes)
    let used = layout.gridCount * Int(E3_FILE_PANEL_CHANNELS)
    for index in 0..<used {
      let (multiplier, zero) = (Int(grids[index] & 15), Int(grids[index] >> 4))
      guard multiplier * max(zero, 15 - zero) <= 127 else { throw .fileValues }
    }
    guard grids.isZero(from: used, to: grids.count) else { throw .fileValues }
  }
}

/// The weights of four inputs and the 16 outputs of a panel.
private struct InputGroup {
  /// Four bytes of each output, or four bytes with the codes in their upper or lower four bits.
  let words: SIMD16<Int32>
  let multiplier, zero: SIMD16<Int32>
  /// Bits below the codes in their bytes; -1 for int8.
  let shift: Int32

  init(_ panel: UnsafeRawPointer, _ layout: LinearLayout, _ group: Int) {
    guard layout.isInt4 else {
      (words, multiplier, zero, shift) = ((panel + 64 * group).load(as: SIMD16<Int32>.self), .zero, .zero, -1)
      return
    }
    words = (panel + layout.gridBytes + 64 * (group / 2)).load(as: SIMD16<Int32>.self)
    let place = 4 * group / Int(E3_FILE_GRID_INPUTS) * Int(E3_FILE_PANEL_CHANNELS)
    let grids = SIMD16<Int32>(truncatingIfNeeded: (panel + place).load(as: SIMD16<UInt8>.self))
    (multiplier, zero) = (grids & 15, grids &>> 4)
    shift = group % 2 == 0 ? 0 : 4
  }

  /// Those of input `j`.
  func weights(_ j: Int) -> SIMD16<Int32> {
    guard shift >= 0 else { return (words &<< Int32(24 - 8 * j)) &>> 24 }
    return multiplier &* ((words &>> Int32(8 * j + Int(shift))) & 15 &- zero)
  }
}

extension UnsafeRawBufferPointer {
  /// Where `part`, which lies within these bytes, starts and ends.
  fileprivate func offset(ofStart part: UnsafeRawBufferPointer) -> Int {
    guard let start = baseAddress, let partStart = part.baseAddress else { return 0 }
    return partStart - start
  }

  fileprivate func offset(ofEnd part: UnsafeRawBufferPointer) -> Int { offset(ofStart: part) + part.count }
}
