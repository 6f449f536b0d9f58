import CE3

#if _endian(big)
  #error("the file is little-endian and used in place")
#endif

/// The fixed start of a file.
public enum FileHeader {
  /// Checks the header and the checksum over header, configuration and table.
  ///
  /// After it, `bytes` hold `file_size` bytes, and `network_count` configurations, 1 to 64, and the table of
  /// `extent_count` entries lie within them.
  static func read(_ bytes: UnsafeRawBufferPointer) throws(E3Error) -> e3_file_header {
    guard let base = bytes.baseAddress else { throw .nullArgument }
    guard UInt(bitPattern: base) % UInt(E3_FILE_EXTENT_ALIGNMENT) == 0 else { throw .fileAlignment }
    let magic = E3_FILE_MAGIC
    for i in 0..<min(8, bytes.count) where bytes[i] != UInt8(truncatingIfNeeded: magic >> UInt64(8 * i)) {
      throw .fileMagic
    }
    guard bytes.count >= MemoryLayout<e3_file_header>.size else { throw .fileTruncated }
    let header = base.load(as: e3_file_header.self)
    guard header.version_major == UInt32(E3_FILE_VERSION_MAJOR) else { throw .fileVersion }
    guard header.numerics == UInt32(E3_FILE_NUMERICS) else { throw .fileNumerics }
    guard header.file_size <= UInt64(bytes.count) else { throw .fileTruncated }
    guard header.network_count >= 1 else { throw .fileHeader }
    guard header.network_count <= UInt32(E3_FILE_MAX_NETWORKS) else {
      throw header.isNewer ? .fileVersion : .fileHeader
    }
    let networks = Int(header.network_count)
    guard header.reserved == 0, header.reserved_tail == (0, 0),
      ExtentPlan.tableEnd(extentCount: Int(header.extent_count & 0x7FFF_FFFF), networks: networks) <= header.file_size,
      header.extent_count <= 0x7FFF_FFFF
    else { throw .fileHeader }
    let table = UnsafeRawBufferPointer(
      start: base, count: Int(ExtentPlan.tableEnd(extentCount: Int(header.extent_count), networks: networks)))
    guard checksum(table) == header.checksum else { throw .fileHeader }
    return header
  }

  /// The header's checksum: of `bytes`, which hold header, configurations and table, with the checksum itself as zero.
  public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var header = bytes.loadUnaligned(as: e3_file_header.self)
    header.checksum = 0
    var hash = XXH64()
    withUnsafeBytes(of: header) { hash.update($0) }
    hash.update(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(MemoryLayout<e3_file_header>.size)))
    return hash.digest
  }
}
