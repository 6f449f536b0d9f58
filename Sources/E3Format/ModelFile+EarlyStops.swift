import CE3

// After which networks of a deep ensemble an answer may stop: FORMAT.md, section 5.3.

extension ModelFile {
  /// Whether the file says when an answer may stop. What was fitted with another calibration than the file's says
  /// nothing.
  public var hasEarlyStops: Bool { earlyStopsIndex >= 0 }

  /// When an answer may stop after `network`, which is not the last. The file must have early stops.
  public func earlyStop(afterNetwork network: Int) -> e3_file_early_stop {
    // The head has the size of a stop.
    address(of: extents[earlyStopsIndex].offset).assumingMemoryBound(to: e3_file_early_stop.self)[network + 1]
  }

  /// The share of the images that stop and may differ from the answer of all networks. The file must have early stops.
  public var earlyShare: Float { earlyHead.share }

  /// Whether no answer may stop: the file was calibrated on too few images, or on too many that differ. The file must
  /// have early stops.
  public var stopsNothing: Bool {
    var isNone = true
    for network in 0..<networkCount - 1 { isNone = isNone && earlyStop(afterNetwork: network).probability > 1 }
    return isNone
  }

  private var earlyHead: e3_file_early {
    address(of: extents[earlyStopsIndex].offset).load(as: e3_file_early.self)
  }

  /// - Parameter header: of the file.
  mutating func validateEarlyStops(_ header: e3_file_header) throws(E3Error) {
    guard hasEarlyStops else { return }
    let extent = extents[earlyStopsIndex]
    guard networkCount > 1, extent.length == UInt64(networkCount * MemoryLayout<e3_file_early_stop>.size) else {
      throw .fileTable
    }
    guard isShare(earlyHead.share), earlyHead.reserved == 0 else { throw header.isNewer ? .fileVersion : .fileValues }
    for network in 0..<networkCount - 1 {
      guard isValid(earlyStop(afterNetwork: network)) else { throw header.isNewer ? .fileVersion : .fileValues }
    }
    // A writer that does not know the section keeps it when it calibrates anew.
    if calibrationIndex < 0 || earlyHead.calibration != extents[calibrationIndex].checksum { earlyStopsIndex = -1 }
  }

  /// A NaN is in no range.
  private func isValid(_ stop: e3_file_early_stop) -> Bool {
    guard (0...Float.greatestFiniteMagnitude).contains(stop.probability), stop.unknown_score.isFinite,
      (0...1).contains(stop.stopped), (0...1).contains(stop.differing)
    else { return false }
    return true
  }
}
