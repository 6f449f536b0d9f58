import E3Format
import E3TestSupport
import Testing

@Suite("Calibration sections")
struct CalibrationTests {
  private func edited(_ file: SampleFile = .calibrated, _ edit: (inout [UInt8]) throws -> Void) throws -> [UInt8] {
    var bytes = try file.bytes
    try edit(&bytes)
    bytes.reseal()
    return bytes
  }

  /// The error of opening a file whose calibration was changed.
  private func error(
    hasStatistics: Bool = true, _ edit: (inout e3_file_calibration) -> Void
  ) throws -> E3Error? {
    var file = SampleFile.calibrated
    file.hasStatistics = hasStatistics
    var calibration = SampleFile.thresholds(hasStatistics: hasStatistics)
    edit(&calibration)
    file.calibration = calibration
    return try file.bytes.openError
  }

  @Test("a calibrated file opens, verifies and shows what it stores")
  func opens() throws {
    let bytes = try SampleFile.calibrated.bytes
    #expect(bytes.verifyError == nil)
    try bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      let calibration = try #require(file.calibration)
      #expect(calibration.temperature == 1.25 && calibration.unknown_threshold == 3 && calibration.image_count == 100)
      #expect(calibration.model_hash == file.modelHash)
      #expect(file.hasStatistics)
      let section = bytes[extent: try #require(bytes.extentIndex(of: .statistics))]
      for member in 0..<2 {
        let view = file.statistics(member: member)
        // Centre and class means of 16 floats, whitenings of one panel of 16 x 16.
        let start = Int(section.offset) + member * 4 * (16 + 2 * 256 + 3 * 16)
        #expect(UnsafeRawPointer(view.centre) == raw.baseAddress! + start)
        #expect(view.classes.panels == view.centre + 16 && view.background.panels == view.centre + 16 + 256)
        #expect(view.classMeans == view.centre + 16 + 512)
      }
    }
  }

  @Test("a calibration without statistics is enough; a file without one has none")
  func withoutStatistics() throws {
    #expect(try error(hasStatistics: false) { _ in } == nil)
    try SampleFile.full.bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      #expect(file.calibration == nil && !file.hasStatistics)
    }
  }

  @Test("whitenings of several panels lie one after the other, each longer than the last")
  func panels() throws {
    var file = SampleFile.calibrated
    file.config.representation_size = 39
    let bytes = try file.bytes
    #expect(bytes.verifyError == nil)
    try bytes.withAligned { raw in
      let view = try ModelFile(validating: raw).statistics(member: 1)
      #expect(view.classes.panel(1) == view.classes.panels + 256 && view.classes.panel(2) == view.classes.panels + 768)
      #expect(view.background.panels == view.classes.panels + 256 * 6)
      #expect(WhiteningView.inputs(ofPanel: 2) == 48)
    }
  }

  @Test("numbers out of their ranges are refused", arguments: [Float.nan, .infinity, -.infinity, -1, 1e9])
  func ranges(value: Float) throws {
    let fields: [WritableKeyPath<e3_file_calibration, Float>] = [
      \.temperature, \.accept_threshold, \.set_threshold, \.accept_coverage, \.known_coverage, \.set_coverage,
    ]
    for field in fields { #expect(try error { $0[keyPath: field] = value } == .fileValues) }
    #expect(try error { $0.unknown_threshold = value } == (value.isFinite ? nil : .fileValues))
  }

  @Test("the ends of the ranges")
  func ends() throws {
    #expect(try error { $0.temperature = 0.01 } == nil)
    #expect(try error { $0.temperature = 0 } == .fileValues)
    #expect(try error { $0.set_threshold = 0 } == nil)
    #expect(try error { $0.accept_threshold = 1 } == nil)
    #expect(try error { $0.accept_threshold = 1.0000001 } == .fileValues)
    #expect(try error { $0.set_coverage = 0 } == .fileValues)
    #expect(try error { $0.known_coverage = 1 } == nil)
    #expect(try error { $0.image_count = 0 } == .fileValues)
    #expect(try error { $0.set_score = 3 } == .fileValues)
    #expect(try error { $0.distance = 0 } == .fileValues)
    #expect(try error { $0.distance = 3 } == .fileValues)
    #expect(try error { $0.distance_deviation = 0 } == nil)
    #expect(try error { $0.distance_deviation = -1 } == .fileValues)
    #expect(try error { $0.distance_deviation = .infinity } == .fileValues)
    #expect(try error { $0.distance_mean = .nan } == .fileValues)
    #expect(try error { $0.class_grid = 3 } == .fileValues)
    #expect(try error { ($0.class_grid, $0.class_agreement) = (4, (0.5, 0.5, 1.5)) } == .fileValues)
    #expect(try error { ($0.class_grid, $0.class_agreement) = (4, (.nan, 0.5, 0.5)) } == .fileValues)
    #expect(try error { $0.class_agreement.1 = 0.5 } == .fileValues)
  }

  // promise: format-set-thresholds
  @Test(
    "thresholds of another number of classes, or without a calibration, are refused; those of every class are found")
  func setThresholds() throws {
    var file = SampleFile.adaptive
    try file.bytes.withAligned { raw in
      let model = try ModelFile(validating: raw)
      let found = model.setThresholds.map { Array(UnsafeBufferPointer(start: $0, count: 3)) }
      #expect(found == [0.75, 1.25, 0])
      #expect(
        SetScore(try #require(model.calibration)) == SetScore(isAdaptive: true, freeRanks: 1, penalty: 102))
    }
    for count in [2, 4] {
      file.setThresholds = [Float](repeating: 0.5, count: count)
      #expect(try file.bytes.openError == .fileTable)
    }
    // Probabilities where the sets are least ambiguous.
    file = .calibrated
    file.setThresholds = [0, 0.5, 1]
    #expect(try file.bytes.openError == nil)
    file.setThresholds = [0, 0.5, 1.1]
    #expect(try file.bytes.openError == .fileValues)
    file = .full
    file.setThresholds = [0, 0.5, 1]
    #expect(try file.bytes.openError == .fileTable)
  }

  /// The error of opening a file whose weighted score was changed.
  private func weightedError(_ edit: (inout e3_file_calibration) -> Void) throws -> E3Error? {
    var file = SampleFile.weighted
    var calibration = try #require(file.calibration)
    edit(&calibration)
    file.calibration = calibration
    return try file.bytes.openError
  }

  @Test("a weighted score opens, and says what it is")
  func weighted() throws {
    let bytes = try SampleFile.weighted.bytes
    #expect(bytes.header.version_minor == 1 && bytes.verifyError == nil)
    try bytes.withAligned { raw in
      let calibration = try #require(try ModelFile(validating: raw).calibration)
      var score = UnknownScore(
        hasUnitLength: true, backgroundWeight: 0.5, uncertainty: .entropy, uncertaintyWeight: 1.75)
      #expect(UnknownScore(calibration) == score)
      for uncertainty in [UnknownScore.Uncertainty.entropy, .mutualInformation] {
        score.uncertainty = uncertainty
        var stored = e3_file_calibration()
        score.store(in: &stored)
        #expect(UnknownScore(stored) == score)
      }
      var stored = e3_file_calibration()
      UnknownScore.relative.store(in: &stored)
      #expect(stored.distance == 1 && stored.background_weight == 0 && UnknownScore(stored) == .relative)
    }
    #expect(try error { $0.distance = 2 } == nil, "the plain distance: every weight 0")
  }

  @Test("weights out of their ranges are refused")
  func weights() throws {
    for value in [Float.nan, .infinity, -1, 1.0000001] {
      #expect(try weightedError { $0.background_weight = value } == .fileValues)
      #expect(try weightedError { $0.foreign_auroc = value } == .fileValues)
      #expect(try weightedError { $0.relative_auroc = value } == .fileValues)
    }
    for value in [Float.nan, .infinity, -1, 0] {
      #expect(try weightedError { $0.uncertainty_weight = value } == .fileValues)
    }
    #expect(try weightedError { $0.uncertainty = 0 } == .fileValues, "a weight of nothing")
    #expect(try weightedError { ($0.uncertainty, $0.uncertainty_weight) = (0, 0) } == nil)
    #expect(try weightedError { $0.uncertainty = 3 } == .fileValues)
    #expect(try weightedError { $0.rows = 2 } == .fileValues)
    #expect(try weightedError { $0.foreign = 3 } == .fileValues)
    #expect(try weightedError { $0.foreign = 0 } == .fileValues, "told, but chosen by 50 images")
    #expect(try weightedError { $0.foreign_count = 0 } == .fileValues)
    // What the relative distance, or none, does not have.
    let edits: [(inout e3_file_calibration) -> Void] = [
      { $0.rows = 1 }, { $0.background_weight = 1 }, { ($0.uncertainty, $0.uncertainty_weight) = (1, 1) },
      { $0.uncertainty_weight = 1 }, { $0.foreign = 1 }, { $0.foreign_count = 1 }, { $0.foreign_auroc = 1 },
      { $0.relative_auroc = 1 },
    ]
    for edit in edits {
      #expect(try error(edit) == .fileValues)
      #expect(try error(hasStatistics: false, edit) == .fileValues)
    }
  }

  // promise: format-minor
  @Test(
    "a weighted score belongs to minor version 1, adaptive sets to 2; what a later one decides by is a version error")
  func weightedVersion() throws {
    #expect(try edited(.weighted) { $0.header.version_minor = 0 }.openError == .fileValues)
    let later = try edited(.weighted) {
      $0.header.version_minor = 9
      try $0.write(UInt32(3), in: .calibration, at: 64)
    }
    #expect(later.openError == .fileVersion)
    #expect(try edited(.adaptive) { $0.header.version_minor = 1 }.openError == .fileValues)
    let laterSets = try edited(.adaptive) {
      $0.header.version_minor = 9
      try $0.write(UInt32(3), in: .calibration, at: 28)
    }
    #expect(laterSets.openError == .fileVersion)
  }

  @Test("what is said about distances must agree with whether there are statistics")
  func agreement() throws {
    #expect(try error { $0.statistics_count = 0 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.unknown_threshold = 1 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.known_coverage = 0.9 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.statistics_count = 1 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.statistics_hash = 1 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.distance_mean = 1 } == .fileValues)
    #expect(try error(hasStatistics: false) { $0.distance_deviation = 1 } == .fileValues)
    var file = SampleFile.calibrated
    file.calibration = nil
    var bytes = try file.bytes
    bytes.reseal()
    #expect(bytes.openError == .fileTable, "statistics without a calibration")
  }

  // promise: format-model-hash
  @Test("a calibration of another model is refused")
  func otherModel() throws {
    let changed = try edited { try $0.write(Float(0.5), in: .norm0, at: 0) }
    #expect(changed.openError == .fileCalibration)
    #expect(
      try edited {
        $0.config.capacity_mode = 1; $0.config.capacity = 4
      }.openError == .fileCalibration)
    #expect(
      try edited { try $0.write(UInt64(5), in: .calibration, at: 56) }.openError == .fileCalibration)
  }

  @Test("sections of another length or encoding are refused")
  func lengths() throws {
    let last = try #require(try SampleFile.calibrated.bytes.extentIndex(of: .statistics))
    let shorter = try edited {
      // The next extent is page-aligned or 64-byte aligned: the gap before it stays a gap.
      $0[extent: last].length -= 4
    }
    #expect(shorter.openError == .fileTable)
    #expect(try edited { $0[extent: last].encoding = 3 }.openError == .fileTable)
    #expect(try edited { $0[extent: last - 1].encoding = 2 }.openError == .fileTable)
  }

  @Test("statistics that are not finite are refused, wherever they are")
  func notFinite() throws {
    for value in [Float.nan, .infinity] {
      for offset in stride(from: 0, to: 2 * 4 * 576, by: 4 * 37) {
        #expect(try edited { try $0.write(value, in: .statistics, at: offset) }.verifyError == .fileValues)
      }
    }
  }

  @Test("padding and the triangle above the diagonal must be zero")
  func zeros() throws {
    // R is 4: floats 4..<16 of the centre; output 4 and input 4 of a panel; element [k][j] with k > j; class means.
    let offsets = [4, 15, 16 + 4, 16 + 4 * 16, 16 + 3 * 16 + 2, 16 + 256 + 5, 16 + 512 + 4, 16 + 512 + 47, 576 + 4]
    for offset in offsets {
      let bytes = try edited { try $0.write(Float(1), in: .statistics, at: 4 * offset) }
      #expect(bytes.verifyError == .fileValues, "float \(offset)")
    }
    #expect(try edited { try $0.write(Float(1), in: .statistics, at: 4 * (16 + 2 * 16 + 3)) }.verifyError == nil)
  }
}
