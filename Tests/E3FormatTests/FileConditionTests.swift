import E3Format
import E3TestSupport
import Testing

/// Modified condition/decision coverage of what opening and verifying a file check beside the configuration: as
/// ``ConditionTests``, with files that differ in what one condition looks at.
@Suite("Each condition of the file's rules decides alone")
struct FileConditionTests {
  typealias Edit = @Sendable (inout [UInt8]) throws -> Void

  struct Condition: Sendable, CustomTestStringConvertible {
    /// As the source has it.
    let text: String
    let error: E3Error
    /// A valid file.
    var sample: SampleFile = .full
    /// Each makes this condition decide otherwise.
    let edits: [Edit]

    init(_ text: String, _ error: E3Error, of sample: SampleFile = .full, _ edits: Edit...) {
      (self.text, self.error, self.sample, self.edits) = (text, error, sample, edits)
    }

    var testDescription: String { text }
  }

  /// Changes the table entry of the first extent of `kind`.
  private static func entry(_ kind: ExtentKind, _ edit: @escaping @Sendable (inout e3_file_extent) -> Void) -> Edit {
    { bytes in
      let index = try #require(bytes.extentIndex(of: kind))
      edit(&bytes[extent: index])
    }
  }

  /// Changes a value inside the first extent of `kind`.
  private static func value<T: BitwiseCopyable & Sendable>(_ kind: ExtentKind, _ offset: Int, _ value: T) -> Edit {
    { try $0.write(value, in: kind, at: offset) }
  }

  /// Ends the file `bytes` behind the start of the first extent of `kind`.
  private static func cut(_ kind: ExtentKind, _ bytes: Int) -> Edit {
    { file in
      let end = Int(file[extent: try #require(file.extentIndex(of: kind))].offset) + bytes
      file.removeSubrange(end...)
      file.header.file_size = UInt64(end)
    }
  }

  /// Changes the calibration, which keeps its checksum.
  private static func calibration(_ edit: @escaping @Sendable (inout e3_file_calibration) -> Void) -> Edit {
    { bytes in
      let index = try #require(bytes.extentIndex(of: .calibration))
      var calibration: e3_file_calibration = bytes.read(at: Int(bytes[extent: index].offset))
      edit(&calibration)
      try bytes.write(calibration, in: .calibration, at: 0)
    }
  }

  private static var thresholds: SampleFile {
    var file = SampleFile.full
    file.calibration = SampleFile.thresholds(hasStatistics: false)
    return file
  }

  private static var withGrid: SampleFile {
    var file = SampleFile.calibrated
    file.calibration?.class_grid = 2
    file.calibration?.class_agreement = (1, -1, 0.5)
    return file
  }

  static let header: [Condition] = [
    .init("bytes[i] != UInt8(truncatingIfNeeded: magic >> UInt64(8 * i))", .fileMagic, { $0[0] ^= 1 }, { $0[7] ^= 1 }),
    .init("bytes.count >= MemoryLayout<e3_file_header>.size", .fileTruncated, { $0 = Array($0[..<63]) }),
    .init(
      "header.version_major == UInt32(E3_FILE_VERSION_MAJOR)", .fileVersion, { $0.header.version_major = 1 },
      { $0.header.version_major = 3 }),
    .init("header.numerics == UInt32(E3_FILE_NUMERICS)", .fileNumerics, { $0.header.numerics = 1 }),
    .init("header.file_size <= UInt64(bytes.count)", .fileTruncated, { $0.header.file_size += 1 }),
    .init("header.network_count >= 1", .fileHeader, { $0.header.network_count = 0 }),
    .init("header.network_count <= UInt32(E3_FILE_MAX_NETWORKS)", .fileHeader, { $0.header.network_count = 65 }),
    .init("header.reserved == 0", .fileHeader, { $0.header.reserved = 1 }),
    .init(
      "header.reserved_tail == (0, 0)", .fileHeader, { $0.header.reserved_tail.0 = 1 },
      { $0.header.reserved_tail.1 = 1 << 63 }),
    .init(
      "ExtentPlan.tableEnd(extentCount: Int(header.extent_count & 0x7FFF_FFFF), networks: networks) <= header.file_size",
      .fileHeader, { $0.header.extent_count = 0x7FFF_FFFF },
      { $0.header.file_size = ExtentPlan.tableEnd(extentCount: Int($0.header.extent_count)) - 1 }),
    .init("header.extent_count <= 0x7FFF_FFFF", .fileHeader, { $0.header.extent_count |= 0x8000_0000 }),
  ]

  static let table: [Condition] = [
    .init(
      "extent.kind > previous", .fileTable, entry(.provenance) { $0.kind = 64 }, entry(.golden) { $0.kind = 65 },
      entry(.labels) { $0.kind = 63 }),
    .init(
      "end == UInt64(size)", .fileExtent,
      {
        $0.append(0)
        $0.header.file_size += 1
      }),
    .init("Self.isKnown(extent.encoding)", .fileEncoding, entry(.norm0) { $0.encoding = 5 }),
    .init("Self.isKnown(extent.encoding)", .fileEncoding, entry(.labels) { $0.encoding = 5 }),
    .init("extent.kind == UInt32(expected.kind.rawValue)", .fileTable, entry(.norm1) { $0.kind = 16 }),
    .init("extent.block == UInt32(expected.block)", .fileTable, entry(.norm1) { $0.block = 1 }),
    .init("extent.index == UInt32(expected.expert)", .fileTable, entry(.expert) { $0.index = 1 }),
    .init(
      "extent.encoding == UInt32(expected.encoding.rawValue)", .fileTable, entry(.norm1) { $0.encoding = 1 },
      entry(.queryKeyValue) { $0.encoding = 4 }),
    .init("extent.length == expected.length", .fileTable, entry(.norm1) { $0.length += 1 }),
    // The first network shares nothing; a later one does where the entry lies before the end of what was placed.
    .init("network > 0", .fileExtent, of: .twins, { $0[extent: 2].offset = $0[extent: 1].offset }),
    .init(
      "extent.offset < end", .fileExtent, of: .twins,
      { bytes in
        let second = try secondNorm(bytes)
        bytes[extent: second].offset = UInt64(bytes.count) / 64 * 64
      }),
    .init(
      "try first.isShared(extent, expected, before: network)", .fileExtent, of: .twins,
      { bytes in
        let second = try secondNorm(bytes)
        bytes[extent: second].offset += 64
      }),
    .init(
      "encoding >= UInt32(E3_FILE_ENCODING_INT8.rawValue)", .fileEncoding, entry(.norm0) { $0.encoding = 0 }),
    .init(
      "encoding <= UInt32(E3_FILE_ENCODING_INT4.rawValue)", .fileEncoding, entry(.norm0) { $0.encoding = 5 }),
    .init("extent.kind >= Self.firstAncillaryKind", .fileTable, entry(.golden) { $0.kind = 127 }),
    .init("extent.encoding == UInt32(expected.encoding.rawValue)", .fileTable, entry(.labels) { $0.encoding = 2 }),
    .init("extent.block == 0", .fileTable, entry(.labels) { $0.block = 1 }),
    .init("extent.index == 0", .fileTable, entry(.labels) { $0.index = 1 }),
    .init(
      "extent.offset == ExtentPlan.aligned(end, to: alignment)", .fileExtent, entry(.norm1) { $0.offset += 64 },
      entry(.norm1) { $0.offset -= 64 }),
    // The next entry would begin behind the file, or reach out of it.
    .init("extent.offset <= UInt64(size)", .fileExtent, cut(.labels, 18)),
    .init(
      "extent.length <= UInt64(size) - extent.offset", .fileExtent, cut(.labels, 16),
      entry(.provenance) { $0.length = .max }),
  ]

  /// The table entry of the second network's first LayerNorm in ``SampleFile/twins``, which is shared.
  private static func secondNorm(_ bytes: [UInt8]) throws -> Int {
    let norms = (0..<Int(bytes.header.extent_count)).filter {
      bytes[extent: $0].kind == UInt32(ExtentKind.norm0.rawValue) && bytes[extent: $0].block == 0
    }
    return try #require(norms.dropFirst().first)
  }

  static let sections: [Condition] = [
    .init("bytes(at: provenanceIndex).isUTF8", .fileValues, value(.provenance, 2, 0xFF as UInt8)),
    .init(
      "section.count >= tableBytes", .fileLabels,
      { bytes in
        // Three classes have a table of 12 bytes; what follows is moved up.
        var file = SampleFile.full
        file.labels = []
        bytes = try file.bytes
      }),
    .init("end >= UInt32(start)", .fileLabels, value(.labels, 4, 2 as UInt32)),
    .init("UInt64(end) <= UInt64(textBytes)", .fileLabels, value(.labels, 8, 13 as UInt32)),
    .init("text.isUTF8", .fileLabels, value(.labels, 12, 0xFF as UInt8)),
    .init("text.hasNoControlCharacters", .fileLabels, value(.labels, 12, 0x1B as UInt8)),
    .init(
      "start == textBytes", .fileLabels,
      {
        // The last label is empty and the one before it a byte shorter.
        try $0.write(11 as UInt32, in: .labels, at: 4)
        try $0.write(11 as UInt32, in: .labels, at: 8)
      }),
    .init(
      "section.count == goldenPixelBytes + 4 * memberCount * shape.classCount", .fileTable,
      entry(.golden) { $0.length -= 4 }),
    .init(
      "section.isZero(from: shape.imageValues, to: goldenPixelBytes)", .fileValues, value(.golden, 189, 1 as UInt8)),
    .init(
      "UnsafeRawBufferPointer(rebasing: section[goldenPixelBytes...]).allFinite", .fileValues,
      value(.golden, 192, Float.infinity), value(.golden, 192 + 20, Float.nan)),
  ]

  static let calibration: [Condition] = [
    .init(
      "hasStatistics", .fileTable, of: .calibrated,
      {
        // Statistics alone: the section before them is another's.
        let index = try #require($0.extentIndex(of: .calibration))
        ($0[extent: index].kind, $0[extent: index + 1].kind) = (68, 200)
        $0[extent: index].encoding = 2
      }),
    .init(
      "bytes(at: calibrationIndex).count == CalibrationLayout.calibrationBytes", .fileTable, of: thresholds,
      entry(.calibration) { $0.length -= 4 }),
    .init(
      "isValid(calibration, minorVersion: header.version_minor)", .fileValues, of: thresholds,
      calibration { $0.temperature = 0 }),
    .init("calibration.model_hash == modelHash", .fileCalibration, of: .calibrated, calibration { $0.model_hash ^= 1 }),
    .init(
      "UInt64(bytes(at: statisticsIndex).count) != (try statisticsBytes())", .fileTable, of: .calibrated,
      entry(.statistics) { $0.length -= 4 }),
    .init(
      "CalibrationLayout.temperatures.contains(c.temperature)", .fileValues, of: .calibrated,
      calibration { $0.temperature = 0.0099 }, calibration { $0.temperature = 100.1 },
      calibration { $0.temperature = .nan }),
    .init(
      "(0...1).contains(c.accept_threshold)", .fileValues, of: .calibrated, calibration { $0.accept_threshold = -0.1 },
      calibration { $0.accept_threshold = 1.1 }),
    .init(
      "isSetThreshold(c.set_threshold, of: c)", .fileValues, of: .calibrated, calibration { $0.set_threshold = -0.1 },
      calibration { $0.set_threshold = 1.1 }, calibration { $0.set_threshold = .nan }),
    .init(
      "(0...(SetScore(c).isAdaptive ? Float.greatestFiniteMagnitude : 1)).contains(value)", .fileValues, of: .adaptive,
      calibration { $0.set_threshold = -0.1 }, calibration { $0.set_threshold = .infinity }),
    .init(
      "bytes(at: Int(setThresholdsIndex)).count == 4 * shape.classCount", .fileTable, of: .adaptive,
      entry(.setThresholds) { $0.length -= 4 }),
    .init(
      "!isSetThreshold(setThresholds[index], of: calibration)", .fileValues, of: .adaptive,
      value(.setThresholds, 0, Float(-0.1)), value(.setThresholds, 8, Float.nan)),
    .init("isShare(c.accept_coverage)", .fileValues, of: .calibrated, calibration { $0.accept_coverage = 0 }),
    .init("isShare(c.set_coverage)", .fileValues, of: .calibrated, calibration { $0.set_coverage = 1.1 }),
    .init("c.image_count > 0", .fileValues, of: .calibrated, calibration { $0.image_count = 0 }),
    .init("c.set_penalty == 0", .fileValues, of: .calibrated, calibration { $0.set_penalty = 1 }),
    .init("c.set_free_ranks == 0", .fileValues, of: .calibrated, calibration { $0.set_free_ranks = 1 }),
    .init("minorVersion >= 2", .fileValues, of: .adaptive, { $0.header.version_minor = 1 }),
    .init("c.set_penalty > 0", .fileValues, of: .adaptive, calibration { $0.set_penalty = 0 }),
    .init(
      "c.unknown_threshold.isFinite", .fileValues, of: .calibrated, calibration { $0.unknown_threshold = .infinity }),
    .init("isShare(c.known_coverage)", .fileValues, of: .calibrated, calibration { $0.known_coverage = 0 }),
    .init("c.statistics_count > 0", .fileValues, of: .calibrated, calibration { $0.statistics_count = 0 }),
    .init("c.distance_mean.isFinite", .fileValues, of: .calibrated, calibration { $0.distance_mean = -.infinity }),
    .init(
      "c.distance_deviation.isFinite", .fileValues, of: .calibrated, calibration { $0.distance_deviation = .infinity }),
    .init("c.distance_deviation >= 0", .fileValues, of: .calibrated, calibration { $0.distance_deviation = -1 }),
    .init(
      "hasNoWeights(c)", .fileValues, of: .calibrated, calibration { $0.distance = 0 }, calibration { $0.rows = 1 }),
    .init("hasNoWeights(c)", .fileValues, of: thresholds, calibration { $0.rows = 1 }),
    .init("c.rows == 0", .fileValues, of: .calibrated, calibration { $0.rows = 1 }),
    .init("c.background_weight == 0", .fileValues, of: .calibrated, calibration { $0.background_weight = 1 }),
    .init("c.uncertainty == 0", .fileValues, of: .calibrated, calibration { $0.uncertainty = 1 }),
    .init("c.uncertainty_weight == 0", .fileValues, of: .calibrated, calibration { $0.uncertainty_weight = 1 }),
    .init("c.foreign == 0", .fileValues, of: .calibrated, calibration { $0.foreign = 1 }),
    .init("c.foreign_count == 0", .fileValues, of: .calibrated, calibration { $0.foreign_count = 1 }),
    .init("c.foreign_auroc == 0", .fileValues, of: .calibrated, calibration { $0.foreign_auroc = 1 }),
    .init("c.relative_auroc == 0", .fileValues, of: .calibrated, calibration { $0.relative_auroc = 1 }),
    .init("minorVersion >= 1", .fileValues, of: .weighted, { $0.header.version_minor = 0 }),
    .init("hasValidWeights(c)", .fileValues, of: .weighted, calibration { $0.rows = 2 }),
    .init(
      "c.rows <= UInt32(E3_FILE_ROWS_UNIT_LENGTH.rawValue)", .fileValues, of: .weighted, calibration { $0.rows = 2 }),
    .init(
      "(0...1).contains(c.background_weight)", .fileValues, of: .weighted, calibration { $0.background_weight = 1.5 },
      calibration { $0.background_weight = .nan }),
    .init("c.uncertainty_weight == 0", .fileValues, of: .weighted, calibration { $0.uncertainty = 0 }),
    .init("c.uncertainty_weight > 0", .fileValues, of: .weighted, calibration { $0.uncertainty_weight = 0 }),
    .init(
      "c.uncertainty_weight.isFinite", .fileValues, of: .weighted, calibration { $0.uncertainty_weight = .infinity }),
    .init("c.foreign_count > 0", .fileValues, of: .weighted, calibration { $0.foreign_count = 0 }),
    .init("(0...1).contains(c.foreign_auroc)", .fileValues, of: .weighted, calibration { $0.foreign_auroc = 1.1 }),
    .init("(0...1).contains(c.relative_auroc)", .fileValues, of: .weighted, calibration { $0.relative_auroc = -0.1 }),
    .init("c.unknown_threshold == 0", .fileValues, of: thresholds, calibration { $0.unknown_threshold = 1 }),
    .init("c.known_coverage == 0", .fileValues, of: thresholds, calibration { $0.known_coverage = 0.5 }),
    .init("c.statistics_count == 0", .fileValues, of: thresholds, calibration { $0.statistics_count = 1 }),
    .init("c.statistics_hash == 0", .fileValues, of: thresholds, calibration { $0.statistics_hash = 1 }),
    .init("c.distance_mean == 0", .fileValues, of: thresholds, calibration { $0.distance_mean = 1 }),
    .init("c.distance_deviation == 0", .fileValues, of: thresholds, calibration { $0.distance_deviation = 1 }),
    .init(
      "c.distance == UInt32(E3_FILE_DISTANCE_NONE.rawValue)", .fileValues, of: thresholds,
      calibration { $0.distance = 1 }),
    .init(
      "isValid(c.class_agreement.0, c.class_grid)", .fileValues, of: withGrid,
      calibration { $0.class_agreement.0 = 1.1 }
    ),
    .init(
      "isValid(c.class_agreement.1, c.class_grid)", .fileValues, of: withGrid,
      calibration { $0.class_agreement.1 = -1.1 }),
    .init(
      "isValid(c.class_agreement.2, c.class_grid)", .fileValues, of: withGrid,
      calibration { $0.class_agreement.2 = .nan }),
    .init("c.class_grid == 0", .fileValues, of: thresholds, calibration { $0.class_grid = 2 }),
    .init(
      "(hasStatistics && ClassesLayout.isGrid(c.class_grid))", .fileValues, of: withGrid,
      calibration { $0.class_grid = 3 }),
    .init(
      "grid == 0 ? agreement == 0 : (-1...1).contains(agreement)", .fileValues, of: .calibrated,
      calibration { $0.class_agreement.2 = 0.1 }),
    .init("value > 0", .fileValues, of: .calibrated, calibration { $0.accept_coverage = 0 }),
    .init("value <= 1", .fileValues, of: .calibrated, calibration { $0.accept_coverage = 1.1 }),
    // At verification.
    .init("mine.allFinite", .fileValues, of: .calibrated, value(.statistics, 0, Float.nan)),
    .init(
      "UnsafeRawBufferPointer(start: view.centre, count: rowBytes).isZero(from: usedBytes, to: rowBytes)", .fileValues,
      of: .calibrated, value(.statistics, 4 * 4, Float(1))),
    .init(
      "row.isZero(from: usedBytes, to: rowBytes)", .fileValues, of: .calibrated,
      value(.statistics, 4 * (16 + 512 + 4), Float(1))),
    .init(
      "row.isZero(from: 0, to: 4 * min(first, 16))", .fileValues, of: .calibrated,
      value(.statistics, 4 * (16 + 3 * 16 + 2), Float(1))),
    .init(
      "row.isZero(from: 4 * real, to: 64)", .fileValues, of: .calibrated, value(.statistics, 4 * (16 + 4), Float(1))),
  ]

  /// A deep ensemble of three networks that may stop early.
  private static var stopping: SampleFile {
    var file = SampleFile.ensemble
    file.calibration = SampleFile.thresholds(hasStatistics: false)
    file.earlyStops = [e3_file_early_stop](
      repeating: e3_file_early_stop(probability: 0.5, unknown_score: 1, stopped: 0.5, differing: 0.5), count: 2)
    return file
  }

  /// One network, whose expert uses are as long as its early stops would be.
  private static var uses: SampleFile {
    var file = SampleFile.full
    file.expertUses = [0, 0, 0, 0]
    return file
  }

  static let early: [Condition] = [
    .init("networkCount > 1", .fileTable, of: uses, entry(.expertUses) { $0.kind = 129 }),
    .init(
      "extent.length == UInt64(networkCount * MemoryLayout<e3_file_early_stop>.size)", .fileTable, of: stopping,
      entry(.earlyStops) { $0.length -= 4 }),
    .init(
      "isShare(earlyHead.share)", .fileValues, of: stopping, value(.earlyStops, 8, Float(0)),
      value(.earlyStops, 8, Float(1.1)), value(.earlyStops, 8, Float.nan)),
    .init("earlyHead.reserved == 0", .fileValues, of: stopping, value(.earlyStops, 12, 1 as UInt32)),
    .init("isValid(earlyStop(afterNetwork: network))", .fileValues, of: stopping, value(.earlyStops, 32, Float(-1))),
    .init(
      "(0...Float.greatestFiniteMagnitude).contains(stop.probability)", .fileValues, of: stopping,
      value(.earlyStops, 16, Float(-0.1)), value(.earlyStops, 16, Float.infinity), value(.earlyStops, 32, Float.nan)),
    .init(
      "stop.unknown_score.isFinite", .fileValues, of: stopping, value(.earlyStops, 20, -Float.infinity),
      value(.earlyStops, 36, Float.nan)),
    .init(
      "(0...1).contains(stop.stopped)", .fileValues, of: stopping, value(.earlyStops, 24, Float(-0.1)),
      value(.earlyStops, 40, Float(1.1))),
    .init(
      "(0...1).contains(stop.differing)", .fileValues, of: stopping, value(.earlyStops, 28, Float(1.1)),
      value(.earlyStops, 44, Float(-0.1))),
  ]

  /// The first panel of the patch embedding: 40 padded inputs of 36, outputs 6 of 16; behind its weights the tail.
  private static let tail = 40 * 16

  static let verification: [Condition] = [
    .init("values.allFinite", .fileValues, value(.norm0, 0, Float.infinity)),
    .init(
      "values.isZero(from: row + 4 * used, to: row + 4 * width)", .fileValues, value(.norm0, 4 * 6, Float(1)),
      value(.norm0, 4 * (16 + 15), Float(1))),
    .init(
      "values.isZero(from: row + 4 * used, to: row + 64)", .fileValues, value(.router, 4 * 2, Float(1)),
      value(.head, 4 * 3, Float(1))),
    .init(
      "gap.isZero(from: 0, to: gap.count)", .fileExtent,
      { bytes in
        let expert = bytes[extent: try #require(bytes.extentIndex(of: .expert))]
        bytes[Int(expert.offset) - 1] = 1
      }),
    .init(
      "XXH64.hash(bytes) == extent(at: index).checksum", .fileChecksum,
      { $0[extent: try #require($0.extentIndex(of: .golden))].checksum ^= 1 }),
    .init("scale.isFinite", .fileValues, value(.patchEmbedding, tail, Float.infinity)),
    .init("scale >= 0", .fileValues, value(.patchEmbedding, tail, Float(-1))),
    .init("bias.isFinite", .fileValues, value(.patchEmbedding, tail + 64, Float.nan)),
    .init("scale.bitPattern == 0", .fileValues, value(.patchEmbedding, tail + 4 * 6, Float(1))),
    .init("bias.bitPattern == 0", .fileValues, value(.patchEmbedding, tail + 64 + 4 * 15, -Float(0))),
    .init("isReal[channel] == 0", .fileValues, value(.patchEmbedding, tail + 4 * 6, Float(1))),
    // A weight of an output, then of an input, that is not there, then one of -128; the compensation agrees.
    .init(
      "foreign == SIMD16<Int32>(repeating: 0)", .fileValues, weight(0, channel: 6, 1), weight(36, channel: 0, 1),
      weight(0, channel: 0, -128)),
    .init(
      "compensation == sums &* 128", .fileValues, value(.patchEmbedding, tail + 128, 1 as Int32)),
    .init(
      "multiplier * max(zero, 15 - zero) <= 127", .fileValues, of: .int4, value(.mlp, 0, 0xFF as UInt8),
      value(.mlp, 0, 0x0F as UInt8)),
    .init("grids.isZero(from: used, to: grids.count)", .fileValues, of: .int4, value(.mlp, 16, 1 as UInt8)),
  ]

  /// Sets a weight of the patch embedding, and the compensation as it then is.
  private static func weight(_ input: Int, channel: Int, _ value: Int8) -> Edit {
    { bytes in
      let start = Int(bytes[extent: try #require(bytes.extentIndex(of: .patchEmbedding))].offset)
      let place = input / 4 * 64 + channel * 4 + input % 4
      let old: Int8 = bytes.read(at: start + place)
      let compensation: Int32 = bytes.read(at: start + tail + 128 + 4 * channel)
      bytes.write(compensation + 128 * (Int32(value) - Int32(old)), at: start + tail + 128 + 4 * channel)
      try bytes.write(value, in: .patchEmbedding, at: place)
    }
  }

  static let all = header + table + sections + calibration + early + verification

  // promise: format-refused
  @Test("one way the file is verified, the other way refused with the rule's status", arguments: all)
  func decides(_ condition: Condition) throws {
    let base = try condition.sample.bytes
    #expect(base.verifyError == nil)
    for edit in condition.edits {
      var bytes = base
      try edit(&bytes)
      if bytes.count >= 64 { bytes.reseal() }
      #expect(bytes.verifyError == condition.error)
    }
  }

  /// What decides between two ways of reading, or looks at bytes that changed after they were validated: no rule of a file.
  private static let others: Set = [
    "setThresholdsIndex >= 0", "section.count >= 4 * shape.classCount", "labelsIndex >= 0", "provenanceIndex >= 0",
    "goldenIndex >= 0", "index >= 0", "index < labelCount", "start <= end",
    "UInt64(end) <= UInt64(section.count - tableBytes)", "calibrationIndex >= 0",
    "section.count >= CalibrationLayout.calibrationBytes", "!sections.contains(index)", "used == width", "used == 0",
    "FileHeader.checksum(table) == checksum", "base.load(as: e3_file_header.self).checksum == checksum",
    "hasEarlyStops", "calibrationIndex < 0", "earlyHead.calibration != extents[calibrationIndex].checksum",
    "index == statisticsIndex", "UInt64(bytes.count) == (try statisticsBytes())", "UInt64(bytes.count) == entry.length",
    "entry.encoding != .float", "try isShared(index)", "layout.isInt4", "shift >= 0",
    // Elsewhere: a test of an unaligned mapping, and of every damaged byte of the table.
    "UInt(bitPattern: base) % UInt(E3_FILE_EXTENT_ALIGNMENT) == 0", "checksum(table) == header.checksum",
  ]

  @Test(
    "none of the source's conditions is left out",
    arguments: [
      "FileHeader.swift", "ModelFile+Table.swift", "ModelFile+Sections.swift", "ModelFile+Calibration.swift",
      "ModelFile+Values.swift", "ModelFile+Verify.swift", "ModelFile+EarlyStops.swift",
    ])
  func complete(file: String) throws {
    let listed = Self.others.union(Self.all.map(\.text))
    for condition in try SourceConditions(file).conditions {
      #expect(listed.contains(condition), "no pair shows what decides: \(condition)")
    }
  }
}
