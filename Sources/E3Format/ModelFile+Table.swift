import CE3

extension ModelFile {
  /// First kind of the optional sections, and of those that a reader may skip.
  static var firstOptionalKind: UInt32 { 64 }
  static var firstAncillaryKind: UInt32 { 128 }

  /// Compares the table with the plans, and lays out every extent within the file.
  mutating func validateTable(newer: Bool) throws(E3Error) {
    let first = self
    var end = ExtentPlan.tableEnd(extentCount: extentCount, networks: networkCount)
    try forEachNetwork { (view) throws(E3Error) in
      end = try view.validate(planned: 0..<view.plan.floatCount, first: first, after: end)
    }
    var previous = Self.firstOptionalKind - 1
    for index in sections {
      let extent = extents[index]
      guard extent.kind > previous else { throw .fileTable }
      previous = extent.kind
      try register(extent, at: index, newer: newer)
      end = try place(extent, after: end, alignment: UInt64(E3_FILE_EXTENT_ALIGNMENT))
    }
    try forEachNetwork { (view) throws(E3Error) in
      end = try view.validate(planned: view.plan.floatCount..<view.plan.count, first: first, after: end)
    }
    guard end == UInt64(size) else { throw .fileExtent }
  }

  /// The part of ``validateTable(newer:)`` for some extents of this network; returns the end of the last.
  ///
  /// - Parameter first: The view of the first network.
  private func validate(
    planned: Range<Int>, first: ModelFile, after start: UInt64
  ) throws(E3Error) -> UInt64 {
    var end = start
    for index in planned {
      let extent = extents[tableIndex(ofPlanned: index)]
      let expected = plan.entry(at: index, encoding: ExtentEncoding(rawValue: .init(extent.encoding)))
      guard Self.isKnown(extent.encoding) else { throw .fileEncoding }
      guard extent.kind == UInt32(expected.kind.rawValue), extent.block == UInt32(expected.block),
        extent.index == UInt32(expected.expert), extent.encoding == UInt32(expected.encoding.rawValue),
        extent.length == expected.length
      else { throw .fileTable }
      if network > 0, extent.offset < end {
        guard try first.isShared(extent, expected, before: network) else { throw .fileExtent }
        continue
      }
      end = try place(extent, after: end, alignment: expected.alignment)
    }
    return end
  }

  private static func isKnown(_ encoding: UInt32) -> Bool {
    encoding >= UInt32(E3_FILE_ENCODING_INT8.rawValue) && encoding <= UInt32(E3_FILE_ENCODING_INT4.rawValue)
  }

  /// Notes where an optional section is. Unknown ones below the ancillary kinds bear on the answers and are refused.
  private mutating func register(_ extent: e3_file_extent, at index: Int, newer: Bool) throws(E3Error) {
    switch ExtentKind(rawValue: .init(extent.kind)) {
    case .labels: labelsIndex = index
    case .provenance: provenanceIndex = index
    case .golden: goldenIndex = index
    case .calibration: calibrationIndex = index
    case .statistics: statisticsIndex = index
    case .setThresholds: setThresholdsIndex = Int32(index)
    case .expertUses: expertUsesIndex = Int32(index)
    case .earlyStops: earlyStopsIndex = index
    default:
      if extent.kind >= Self.firstAncillaryKind { return }
      throw newer ? .fileVersion : .fileTable
    }
    guard Self.isKnown(extent.encoding) else { throw .fileEncoding }
    let expected = ExtentPlan.section(ExtentKind(rawValue: .init(extent.kind)), length: 0)
    guard extent.encoding == UInt32(expected.encoding.rawValue), extent.block == 0, extent.index == 0
    else { throw .fileTable }
  }

  /// Checks that `extent` lies at the first aligned position after `end` and within the file; returns its own end.
  private func place(_ extent: e3_file_extent, after end: UInt64, alignment: UInt64) throws(E3Error) -> UInt64 {
    // `end` is at most `size`, an Int, so rounding it up cannot overflow.
    guard extent.offset == ExtentPlan.aligned(end, to: alignment), extent.offset <= UInt64(size),
      extent.length <= UInt64(size) - extent.offset
    else { throw .fileExtent }
    return extent.offset + extent.length
  }
}
