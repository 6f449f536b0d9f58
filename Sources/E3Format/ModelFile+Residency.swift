import CE3

// What of a file a session keeps in memory that is smaller than it.

extension ModelFile {
  /// The bytes of the header, which has the checksum of configurations and table.
  public var header: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: MemoryLayout<e3_file_header>.size)
  }

  /// Where the byte at `offset` of the file is.
  public func address(of offset: UInt64) -> UnsafeRawPointer { base + Int(min(offset, UInt64(size))) }

  /// Bytes that an expert has, zeros before the next one included: both begin at a page.
  public static func pagedBytes(_ extent: e3_file_extent) -> UInt64 {
    ExtentPlan.aligned(extent.length, to: UInt64(E3_FILE_PAGE_ALIGNMENT))
  }

  /// Bytes of everything but the experts of all networks. `self` is the view of the first network.
  ///
  /// Cost: reads the table.
  /// - Throws: `fileChanged`.
  public func bytesWithoutExperts() throws(E3Error) -> UInt64 {
    var bytes = UInt64(size)
    for index in sections.upperBound..<extentCount where extents[index].kind == UInt32(ExtentKind.expert.rawValue) {
      if try storedIndex(of: index) == index { bytes -= min(bytes, Self.pagedBytes(extents[index])) }
    }
    return bytes
  }

  /// How many images of the calibration chose the expert, with one token at least; 0 where the file does not say.
  public func uses(ofExpert index: Int, block: Int) -> UInt32 {
    guard expertUsesIndex >= 0 else { return 0 }
    let section = bytes(at: Int(expertUsesIndex))
    let place = 4 * (Int(firstExpert) + shape.moeBlocks(before: block) * shape.expertCount + index)
    guard place >= 0, place + 4 <= section.count else { return 0 }
    return section.load(fromByteOffset: place, as: UInt32.self)
  }

  func validateExpertUses() throws(E3Error) {
    guard expertUsesIndex >= 0 else { return }
    var count = 0
    try forEachNetwork { (view) throws(E3Error) in count += view.shape.moeBlockCount * view.shape.expertCount }
    guard bytes(at: Int(expertUsesIndex)).count == 4 * count else { throw .fileTable }
  }
}
