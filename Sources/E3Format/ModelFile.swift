import CE3

/// A validated view of the bytes of a model file, used in place: of one of its networks, and of what they share.
///
/// A value of a few hundred bytes that can be copied freely; it refers to the file's bytes, which must stay mapped,
/// unchanged and at the same address. Every accessor is constant-time and cannot fail: what could is checked once,
/// here. Where bytes change all the same, ``copyingTable(to:configs:)`` keeps the accessors inside of them.
public struct ModelFile: BitwiseCopyable, @unchecked Sendable {
  /// Start of the file; 64-byte aligned.
  let base: UnsafeRawPointer
  /// Bytes of the file as its header says; the mapping may be longer.
  public let size: Int
  /// Dimensions of the network. Image, preprocessing and classes are those of all networks.
  public internal(set) var shape: ModelShape
  /// Entries of the table, optional sections included.
  public let extentCount: Int
  /// The table and the configurations: the file's, or copies that nobody changes.
  private(set) var extents: UnsafePointer<e3_file_extent>
  private(set) var configs: UnsafePointer<e3_file_config>
  /// Of header, configurations and table, as the header says.
  public let checksum: UInt64

  /// N: networks of the file; more than one are a deep ensemble.
  public let networkCount: Int
  /// M: members of all networks.
  public internal(set) var memberCount = 0
  /// Entries of the table before the optional sections, and those with them.
  var (sectionsStart, sectionsEnd) = (0, 0)
  /// Which of the networks this view is of.
  public internal(set) var network = 0
  /// Table indices of the network's first float and of its first linear layer.
  var firstFloat = 0
  var firstLinear = 0
  /// Members of the networks before this one.
  public internal(set) var firstMember = 0
  /// Bytes of the statistics before those of this network.
  var statisticsOffset: UInt64 = 0
  /// MoE blocks, and their experts, of the networks before this one.
  public var firstMoELayer: Int { Int(firstMoEBlock) }
  var firstMoEBlock: Int32 = 0
  var expertUsesIndex: Int32 = -1
  var setThresholdsIndex: Int32 = -1
  var firstExpert: Int32 = 0

  /// Table index of an optional section, or -1.
  var labelsIndex = -1
  var provenanceIndex = -1
  var goldenIndex = -1
  var calibrationIndex = -1
  var statisticsIndex = -1
  var earlyStopsIndex = -1

  /// Validates everything but the int8 weights and the checksums of extents. The view is of the first network.
  ///
  /// Cost: reads header, configurations, table and the optional sections but the statistics; no weights are touched.
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
    networkCount = Int(header.network_count)
    configs = (start + MemoryLayout<e3_file_header>.size).assumingMemoryBound(to: e3_file_config.self)
    extents = (start + Int(ExtentPlan.tableEnd(extentCount: 0, networks: networkCount)))
      .assumingMemoryBound(to: e3_file_extent.self)
    checksum = header.checksum
    let first = configs[0]
    guard ModelShape.problem(in: first) == nil else {
      throw header.isNewer ? .fileVersion : .fileConfig
    }
    shape = try ModelShape(validating: first)
    try validateNetworks(newer: header.isNewer)
    try validateTable(newer: header.isNewer)
    try validateOptionalSections(header)
  }

  /// The table entry at `index`.
  public func extent(at index: Int) -> e3_file_extent {
    precondition(index >= 0 && index < extentCount, "no such extent")
    return extents[index]
  }

  /// The bytes of the extent at `index`; as many as the file has where its table has changed since.
  @inline(never)
  public func bytes(at index: Int) -> UnsafeRawBufferPointer {
    let extent = extent(at: index)
    let offset = Int(min(extent.offset, UInt64(size)))
    return UnsafeRawBufferPointer(start: base + offset, count: Int(min(extent.length, UInt64(size - offset))))
  }

  /// The same model with table and configurations copied to `table`, room for ``extentCount`` entries, and `configs`,
  /// room for ``networkCount``, that live as long as the result: bytes that change from now on lead no accessor outside
  /// of the file.
  ///
  /// - Throws: `fileChanged` when they are no longer those that were validated.
  public func copyingTable(
    to table: UnsafeMutablePointer<e3_file_extent>, configs: UnsafeMutablePointer<e3_file_config>
  ) throws(E3Error) -> ModelFile {
    table.update(from: extents, count: extentCount)
    configs.update(from: self.configs, count: networkCount)
    // The first configuration is a copy already.
    if network == 0 { configs[0] = shape.config }
    guard tableChecksum(of: table, configs) == checksum else { throw .fileChanged }
    var copied = self
    copied.extents = UnsafePointer(table)
    copied.configs = UnsafePointer(configs)
    return copied
  }

  /// The checksum that a header has with these configurations and this table.
  private func tableChecksum(
    of table: UnsafePointer<e3_file_extent>, _ configs: UnsafePointer<e3_file_config>
  ) -> UInt64 {
    var header = base.load(as: e3_file_header.self)
    header.checksum = 0
    var hash = XXH64()
    withUnsafeBytes(of: header) { hash.update($0) }
    hash.update(UnsafeRawBufferPointer(start: configs, count: networkCount * MemoryLayout<e3_file_config>.stride))
    hash.update(UnsafeRawBufferPointer(start: table, count: extentCount * MemoryLayout<e3_file_extent>.stride))
    return hash.digest
  }

  var plan: ExtentPlan { ExtentPlan(shape) }

  /// The optional sections, by their places in the table: between the floats and the linear layers of all networks.
  public var sections: Range<Int> { sectionsStart..<sectionsEnd }
}

extension e3_file_header {
  /// Whether the file was written for a later minor version of the format than this reader knows.
  var isNewer: Bool { version_minor > UInt32(E3_FILE_VERSION_MINOR) }
}
