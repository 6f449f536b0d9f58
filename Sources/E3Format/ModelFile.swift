import CE3

/// A validated view of the bytes of a model file, used in place.
///
/// A value of a few hundred bytes that can be copied freely; it refers to the file's bytes, which must stay mapped,
/// unchanged and at the same address. Every accessor is constant-time and cannot fail: what could is checked once, here.
public struct ModelFile: BitwiseCopyable, @unchecked Sendable {
  /// Start of the file; 64-byte aligned.
  let base: UnsafeRawPointer
  /// Bytes of the file as its header says; the mapping may be longer.
  public let size: Int
  /// The dimensions that everything else follows from.
  public let shape: ModelShape
  /// Entries of the table, optional sections included.
  public let extentCount: Int
  /// Table index of an optional section, or -1.
  var labelsIndex = -1
  var provenanceIndex = -1
  var goldenIndex = -1
  var calibrationIndex = -1
  var statisticsIndex = -1

  /// Validates everything but the int8 weights and the checksums of extents.
  ///
  /// Cost: reads header, configuration, table and the optional sections but the statistics; no weights are touched.
  /// - Parameter bytes: The file, 64-byte aligned. Bytes past the file's own size are ignored, so that a model can be
  ///   used from a larger flash partition.
  /// - Throws: `nullArgument`, `fileAlignment`, `fileMagic`, `fileTruncated`, `fileVersion`,
  ///   `fileNumerics`, `fileHeader`, `fileConfig`, `fileTable`, `fileEncoding`, `fileExtent`, `fileValues`, `fileLabels`. Checked in the order of
  ///   FORMAT.md, section "Validation".
  public init(validating bytes: UnsafeRawBufferPointer) throws(E3Error) {
    let header = try FileHeader.read(bytes)
    guard let start = bytes.baseAddress else { throw .nullArgument }
    base = start
    size = Int(header.file_size)
    extentCount = Int(header.extent_count)
    let config = (start + MemoryLayout<e3_file_header>.size).load(as: e3_file_config.self)
    guard ModelShape.problem(in: config) == nil else {
      throw header.isNewer ? .fileVersion : .fileConfig
    }
    shape = try ModelShape(validating: config)
    try validateTable(newer: header.isNewer)
    try validateOptionalSections()
  }

  /// The table entry at `index`.
  public func extent(at index: Int) -> e3_file_extent {
    precondition(index >= 0 && index < extentCount, "no such extent")
    return extents[index]
  }

  /// The bytes of the extent at `index`.
  public func bytes(at index: Int) -> UnsafeRawBufferPointer {
    let extent = extent(at: index)
    return UnsafeRawBufferPointer(start: base + Int(extent.offset), count: Int(extent.length))
  }

  var extents: UnsafePointer<e3_file_extent> {
    (base + Int(ExtentPlan.tableEnd(extentCount: 0))).assumingMemoryBound(to: e3_file_extent.self)
  }

  var plan: ExtentPlan { ExtentPlan(shape) }

  /// Place in the table of the extent that the plan numbers `index`: the sections stand after the floats.
  public func tableIndex(ofPlanned index: Int) -> Int {
    index < plan.floatCount ? index : index + extentCount - plan.count
  }

  /// Number in the plan of the extent at `index` of the table; nil for an optional section.
  public func plannedIndex(ofTable index: Int) -> Int? {
    let (floats, sections) = (plan.floatCount, extentCount - plan.count)
    if index < floats { return index }
    return index < floats + sections ? nil : index - sections
  }
}

extension e3_file_header {
  /// Whether the file was written for a later minor version of the format than this reader knows.
  var isNewer: Bool { version_minor > UInt32(E3_FILE_VERSION_MINOR) }
}
