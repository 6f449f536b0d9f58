import CE3

/// A validated view of the bytes of a model file, used in place.
///
/// A value of a few hundred bytes that can be copied freely; it refers to the file's bytes, which must stay mapped,
/// unchanged and at the same address. Every accessor is constant-time and cannot fail: what could is checked once,
/// here. Where bytes change all the same, ``copyingTable(to:)`` keeps the accessors inside of them.
public struct ModelFile: BitwiseCopyable, @unchecked Sendable {
  /// Start of the file; 64-byte aligned.
  let base: UnsafeRawPointer
  /// Bytes of the file as its header says; the mapping may be longer.
  public let size: Int
  /// The dimensions that everything else follows from.
  public let shape: ModelShape
  /// Entries of the table, optional sections included.
  public let extentCount: Int
  /// The table: the file's, or a copy that nobody changes.
  private(set) var extents: UnsafePointer<e3_file_extent>
  /// Of header, configuration and table, as the header says.
  public let checksum: UInt64
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
  /// - Throws: `nullArgument`, `fileAlignment`, `fileMagic`, `fileTruncated`, `fileVersion`, `fileNumerics`,
  ///   `fileHeader`, `fileConfig`, `fileTable`, `fileEncoding`, `fileExtent`, `fileValues`, `fileLabels`. Checked in
  ///   the order of FORMAT.md, section "Validation".
  public init(validating bytes: UnsafeRawBufferPointer) throws(E3Error) {
    let header = try FileHeader.read(bytes)
    guard let start = bytes.baseAddress else { throw .nullArgument }
    base = start
    size = Int(header.file_size)
    extentCount = Int(header.extent_count)
    extents = (start + Int(ExtentPlan.tableEnd(extentCount: 0))).assumingMemoryBound(to: e3_file_extent.self)
    checksum = header.checksum
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

  /// The bytes of the extent at `index`; as many as the file has where its table has changed since.
  public func bytes(at index: Int) -> UnsafeRawBufferPointer {
    let extent = extent(at: index)
    let offset = Int(min(extent.offset, UInt64(size)))
    return UnsafeRawBufferPointer(start: base + offset, count: Int(min(extent.length, UInt64(size - offset))))
  }

  /// The same model with its table copied to `copy`, room for ``extentCount`` entries that live as long as the result:
  /// bytes that change from now on lead no accessor outside of the file.
  ///
  /// - Throws: `fileChanged` when the table is no longer the one that was validated.
  public func copyingTable(to copy: UnsafeMutablePointer<e3_file_extent>) throws(E3Error) -> ModelFile {
    copy.update(from: extents, count: extentCount)
    guard tableChecksum(of: copy) == checksum else { throw .fileChanged }
    var copied = self
    copied.extents = UnsafePointer(copy)
    return copied
  }

  /// The checksum that a header has with the file's configuration, as it was validated, and `table`.
  func tableChecksum(of table: UnsafePointer<e3_file_extent>) -> UInt64 {
    var header = base.load(as: e3_file_header.self)
    header.checksum = 0
    var hash = XXH64()
    withUnsafeBytes(of: header) { hash.update($0) }
    withUnsafeBytes(of: shape.config) { hash.update($0) }
    hash.update(UnsafeRawBufferPointer(start: table, count: extentCount * MemoryLayout<e3_file_extent>.stride))
    return hash.digest
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
