import CE3

// After which networks of a deep ensemble an answer may stop: FORMAT.md, section 5.3.

extension ModelFile {
  /// Whether the file says when an answer may stop. What was fitted with another calibration than the file's says
  /// nothing.
  public var hasEarlyStops: Bool { earlyStopsIndex >= 0 }

  /// When an answer may stop after `network`, which is not the last. The file must have early stops.
  public func earlyStop(afterNetwork network: Int) -> e3_file_early_stop {
    // The head has the size of a stop.
    address(of: extents[Int(earlyStopsIndex)].offset).assumingMemoryBound(to: e3_file_early_stop.self)[network + 1]
  }

  mutating func validateEarlyStops() throws(E3Error) {
    guard hasEarlyStops else { return }
    let extent = extents[Int(earlyStopsIndex)]
    guard networkCount > 1, extent.length == UInt64(networkCount * MemoryLayout<e3_file_early_stop>.size) else {
      throw .fileTable
    }
    let numbers = MemoryLayout<UInt64>.size
    let section = UnsafeRawBufferPointer(
      start: address(of: extent.offset) + numbers, count: Int(extent.length) - numbers)
    guard section.allFinite else { throw .fileValues }
    // A writer that does not know the section keeps it when it calibrates anew.
    let fitted = address(of: extent.offset).load(as: UInt64.self)
    if calibrationIndex < 0 || fitted != extents[calibrationIndex].checksum { earlyStopsIndex = -1 }
  }
}
