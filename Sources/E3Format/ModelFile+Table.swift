import CE3

extension ModelFile {
  /// First kind of the optional sections, and of those that a reader may skip.
  static var firstOptionalKind: UInt32 { 64 }
  static var firstAncillaryKind: UInt32 { 128 }

  /// Compares the table with the plan, and lays out every extent within the file.
  mutating func validateTable(newer: Bool) throws(E3Error) {
    guard extentCount >= plan.count else { throw .fileTable }
    var end = ExtentPlan.tableEnd(extentCount: extentCount)
    var previous = Self.firstOptionalKind - 1
    for index in 0..<extentCount {
      let extent = extents[index]
      guard let planned = plannedIndex(ofTable: index) else {
        guard extent.kind > previous else { throw .fileTable }
        previous = extent.kind
        try register(extent, at: index, newer: newer)
        end = try place(extent, after: end, alignment: UInt64(E3_FILE_EXTENT_ALIGNMENT))
        continue
      }
      let expected = plan.entry(at: planned, encoding: ExtentEncoding(rawValue: .init(extent.encoding)))
      guard Self.isKnown(extent.encoding) else { throw .fileEncoding }
      guard extent.kind == UInt32(expected.kind.rawValue), extent.block == UInt32(expected.block),
        extent.index == UInt32(expected.expert), extent.encoding == UInt32(expected.encoding.rawValue),
        extent.length == expected.length
      else { throw .fileTable }
      end = try place(extent, after: end, alignment: expected.alignment)
    }
    guard end == UInt64(size) else { throw .fileExtent }
  }

  private static func isKnown(_ encoding: UInt32) -> Bool {
    encoding >= UInt32(E3_FILE_ENCODING_INT8.rawValue) && encoding <= UInt32(E3_FILE_ENCODING_INT4.rawValue)
  }

  /// Notes where an optional section is. Unknown ones below the ancillary kinds bear on the answers and are refused.
  private mutating func register(_ extent: e3_file_extent, at index: Int, newer: Bool) throws(E3Error) {
    if extent.kind >= Self.firstAncillaryKind { return }
    switch ExtentKind(rawValue: .init(extent.kind)) {
    case .labels: labelsIndex = index
    case .provenance: provenanceIndex = index
    case .golden: goldenIndex = index
    case .calibration: calibrationIndex = index
    case .statistics: statisticsIndex = index
    default: throw newer ? .fileVersion : .fileTable
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
