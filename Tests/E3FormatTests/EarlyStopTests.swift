import E3Format
import E3TestSupport
import Testing

/// Section 129: after which networks an answer may stop.
@Suite("Early stops")
struct EarlyStopTests {
  private static var file: SampleFile {
    var file = SampleFile.ensemble
    (file.calibration, file.hasStatistics) = (SampleFile.thresholds(hasStatistics: true), true)
    file.earlyStops = (0..<2).map {
      e3_file_early_stop(probability: 0.5 + Float($0) / 4, unknown_score: Float($0) - 2, stopped: 0.5, differing: 0.01)
    }
    return file
  }

  private func edited(_ edit: (inout [UInt8]) throws -> Void) throws -> [UInt8] {
    var bytes = try Self.file.bytes
    try edit(&bytes)
    bytes.resealExtent(try #require(bytes.extentIndex(of: .earlyStops)))
    bytes.reseal()
    return bytes
  }

  private func hasStops(_ bytes: [UInt8]) throws -> Bool {
    try bytes.withAligned { try ModelFile(validating: $0).hasEarlyStops }
  }

  // promise: format-early
  @Test("are found network by network") func found() throws {
    #expect(try Self.file.bytes.verifyError == nil)
    try Self.file.bytes.withAligned { raw in
      let model = try ModelFile(validating: raw)
      #expect(model.hasEarlyStops && model.earlyShare == 0.005)
      let stops = (0..<2).map { model.earlyStop(afterNetwork: $0) }
      #expect(stops.map(\.probability) == [0.5, 0.75] && stops.map(\.unknown_score) == [-2, -1])
      #expect(stops.map(\.stopped) == [0.5, 0.5] && stops.map(\.differing) == [0.01, 0.01])
    }
    #expect(try hasStops(SampleFile.ensemble.bytes) == false)
  }

  @Test("of another number of networks, or of one, are refused") func length() throws {
    var file = Self.file
    for count in [0, 1, 3] {
      file.earlyStops = [e3_file_early_stop](repeating: e3_file_early_stop(), count: count)
      #expect(try file.bytes.openError == .fileTable, "\(count) stops")
    }
    (file.earlyStops, file.others) = ([], [])
    #expect(try file.bytes.openError == .fileTable)
  }

  // promise: format-early-values
  @Test("that are not finite are refused", arguments: Array(stride(from: 8, to: 48, by: 4)))
  func notFinite(offset: Int) throws {
    for value in [Float.nan, .infinity, -.infinity] {
      #expect(try edited { try $0.write(value, in: .earlyStops, at: offset) }.openError == .fileValues)
    }
  }

  // promise: format-early-values
  @Test(
    "of a share that is none, or of a negative probability, are refused; the bounds are not",
    arguments: [
      (8, [0, -0.25, 1.25], [1, .leastNonzeroMagnitude]), (16, [-0.25], [0, 1, 2, .greatestFiniteMagnitude]),
      (36, [], [-.greatestFiniteMagnitude, .greatestFiniteMagnitude]), (24, [-0.25, 1.25], [0, 1]),
      (44, [-0.25, 1.25], [0, 1]),
    ] as [(Int, [Float], [Float])])
  func ranges(offset: Int, wrong: [Float], right: [Float]) throws {
    for value in wrong {
      #expect(try edited { try $0.write(value, in: .earlyStops, at: offset) }.openError == .fileValues, "\(value)")
    }
    for value in right {
      let bytes = try edited { try $0.write(value, in: .earlyStops, at: offset) }
      #expect(try bytes.verifyError == nil && hasStops(bytes), "\(value)")
    }
  }

  @Test("with values of a later minor version are told from damaged ones") func newer() throws {
    let bytes = try edited {
      try $0.write(Float(-1), in: .earlyStops, at: 16)
      $0.header.version_minor = UInt32(E3_FILE_VERSION_MINOR) + 1
    }
    #expect(bytes.openError == .fileVersion)
  }

  // promise: format-early
  @Test("that were fitted with another calibration, or without one, count as absent") func stale() throws {
    let stale = try edited { try $0.write(UInt64(1), in: .earlyStops, at: 0) }
    #expect(stale.verifyError == nil)
    #expect(try hasStops(stale) == false)
    var file = Self.file
    (file.calibration, file.hasStatistics) = (nil, false)
    #expect(try hasStops(file.bytes) == false)
    file = Self.file
    let others = file.earlyStops
    file.earlyStops = nil
    let before = try file.bytes
    file.earlyStops = others
    file.calibration?.accept_threshold = 0.875
    var after = try file.bytes
    // As a writer of version 2.1 leaves it: a new calibration beside the stops of the one before.
    let old = try #require(before.extentIndex(of: .calibration))
    try after.write(before[extent: old].checksum, in: .earlyStops, at: 0)
    after.resealExtent(try #require(after.extentIndex(of: .earlyStops)))
    after.reseal()
    #expect(try hasStops(after) == false)
  }
}
