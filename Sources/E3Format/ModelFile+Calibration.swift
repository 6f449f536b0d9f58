import CE3

extension ModelFile {
  /// Thresholds and temperature, when the file carries them.
  public var calibration: e3_file_calibration? {
    guard calibrationIndex >= 0 else { return nil }
    let section = bytes(at: calibrationIndex)
    guard section.count >= CalibrationLayout.calibrationBytes else { return nil }
    return section.load(as: e3_file_calibration.self)
  }

  /// Whether the file carries the statistics that distances need.
  public var hasStatistics: Bool { statisticsIndex >= 0 }

  /// The statistics of `member` of this network. The file must have them.
  public func statistics(member: Int) -> StatisticsView {
    precondition(hasStatistics && member >= 0 && member < shape.memberCount, "no such statistics")
    let layout = CalibrationLayout(shape)
    let whitening = Int(layout.whiteningFloats)
    let centre =
      (base + Int(extents[statisticsIndex].offset + statisticsOffset)).assumingMemoryBound(to: Float.self)
      + member * Int(layout.memberFloats)
    let classes = centre + shape.headInputSizePadded
    return StatisticsView(
      centre: centre, classes: WhiteningView(panels: classes), background: WhiteningView(panels: classes + whitening),
      classMeans: classes + 2 * whitening)
  }

  /// `[C]` thresholds of the prediction sets, each for a class; nil where one holds for all.
  public var setThresholds: UnsafePointer<Float>? {
    guard setThresholdsIndex >= 0 else { return nil }
    let section = bytes(at: Int(setThresholdsIndex))
    guard section.count >= 4 * shape.classCount else { return nil }
    return section.baseAddress?.assumingMemoryBound(to: Float.self)
  }

  /// XXH64 of the configurations and of the checksums of the required extents: what a calibration was fitted with.
  public var modelHash: UInt64 {
    var hash = XXH64()
    for index in 0..<networkCount { withUnsafeBytes(of: configs[index]) { hash.update($0) } }
    for index in 0..<extentCount where !sections.contains(index) {
      withUnsafeBytes(of: extents[index].checksum) { hash.update($0) }
    }
    return hash.digest
  }

  /// Bytes of the statistics section: of the members of all networks. `self` is the view of the first.
  ///
  /// - Throws: `fileChanged`.
  func statisticsBytes() throws(E3Error) -> UInt64 {
    // With the limits of the format the statistics of a network are below 2^55 bytes.
    var total: UInt64 = 0
    try forEachNetwork { (view) throws(E3Error) in total += CalibrationLayout(view.shape).statisticsBytes }
    return total
  }
}

// MARK: Validation

extension ModelFile {
  /// - Parameter header: of the file.
  func validateCalibration(_ header: e3_file_header) throws(E3Error) {
    guard calibrationIndex >= 0 else {
      // Distances without a threshold would never decide anything.
      if hasStatistics || setThresholdsIndex >= 0 { throw .fileTable }
      return
    }
    guard bytes(at: calibrationIndex).count == CalibrationLayout.calibrationBytes, let calibration else {
      throw .fileTable
    }
    guard isValid(calibration, minorVersion: header.version_minor) else {
      throw header.isNewer ? .fileVersion : .fileValues
    }
    guard calibration.model_hash == modelHash else { throw .fileCalibration }
    try validateSetThresholds(calibration)
    if hasStatistics, UInt64(bytes(at: statisticsIndex).count) != (try statisticsBytes()) { throw .fileTable }
  }

  private func validateSetThresholds(_ calibration: e3_file_calibration) throws(E3Error) {
    guard setThresholdsIndex >= 0 else { return }
    guard bytes(at: Int(setThresholdsIndex)).count == 4 * shape.classCount, let setThresholds else { throw .fileTable }
    for index in 0..<shape.classCount where !isSetThreshold(setThresholds[index], of: calibration) { throw .fileValues }
  }

  /// Whether `value` is a probability, or of adaptive sets a score.
  private func isSetThreshold(_ value: Float, of c: e3_file_calibration) -> Bool {
    (0...(SetScore(c).isAdaptive ? Float.greatestFiniteMagnitude : 1)).contains(value)
  }

  /// A NaN is in no range.
  private func isValid(_ c: e3_file_calibration, minorVersion: UInt32) -> Bool {
    guard CalibrationLayout.temperatures.contains(c.temperature), (0...1).contains(c.accept_threshold),
      isSetThreshold(c.set_threshold, of: c), isShare(c.accept_coverage), isShare(c.set_coverage), c.image_count > 0
    else { return false }
    switch c.set_score {
    case UInt32(E3_FILE_SCORE_LEAST_AMBIGUOUS.rawValue):
      guard c.set_penalty == 0, c.set_free_ranks == 0 else { return false }
    case UInt32(E3_FILE_SCORE_ADAPTIVE.rawValue):
      guard minorVersion >= 2, c.set_penalty > 0 || c.set_free_ranks == 0 else { return false }
    default: return false
    }
    if hasStatistics {
      guard c.unknown_threshold.isFinite, isShare(c.known_coverage), c.statistics_count > 0,
        c.distance_mean.isFinite, c.distance_deviation.isFinite, c.distance_deviation >= 0
      else { return false }
      switch c.distance {
      case UInt32(E3_FILE_DISTANCE_RELATIVE_MAHALANOBIS.rawValue): guard hasNoWeights(c) else { return false }
      case UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue):
        guard minorVersion >= 1, hasValidWeights(c) else { return false }
      default: return false
      }
    } else {
      guard c.unknown_threshold == 0, c.known_coverage == 0, c.statistics_count == 0, c.statistics_hash == 0,
        c.distance_mean == 0, c.distance_deviation == 0, hasNoWeights(c),
        c.distance == UInt32(E3_FILE_DISTANCE_NONE.rawValue)
      else { return false }
    }
    guard isValid(c.class_agreement.0, c.class_grid), isValid(c.class_agreement.1, c.class_grid),
      isValid(c.class_agreement.2, c.class_grid),
      c.class_grid == 0 || (hasStatistics && ClassesLayout.isGrid(c.class_grid))
    else { return false }
    return true
  }

  /// Whether all that a weighted distance says of itself is 0.
  private func hasNoWeights(_ c: e3_file_calibration) -> Bool {
    c.rows == 0 && c.background_weight == 0 && c.uncertainty == 0 && c.uncertainty_weight == 0 && c.foreign == 0
      && c.foreign_count == 0 && c.foreign_auroc == 0 && c.relative_auroc == 0
  }

  private func hasValidWeights(_ c: e3_file_calibration) -> Bool {
    guard c.rows <= UInt32(E3_FILE_ROWS_UNIT_LENGTH.rawValue), (0...1).contains(c.background_weight) else {
      return false
    }
    switch c.uncertainty {
    case UInt32(E3_FILE_UNCERTAINTY_NONE.rawValue): guard c.uncertainty_weight == 0 else { return false }
    case UInt32(E3_FILE_UNCERTAINTY_ENTROPY.rawValue), UInt32(E3_FILE_UNCERTAINTY_MUTUAL_INFORMATION.rawValue):
      guard c.uncertainty_weight > 0, c.uncertainty_weight.isFinite else { return false }
    default: return false
    }
    switch c.foreign {
    case UInt32(E3_FILE_FOREIGN_NONE.rawValue):
      return c.foreign_count == 0 && c.foreign_auroc == 0 && c.relative_auroc == 0
    case UInt32(E3_FILE_FOREIGN_REARRANGED.rawValue), UInt32(E3_FILE_FOREIGN_GIVEN.rawValue):
      return c.foreign_count > 0 && (0...1).contains(c.foreign_auroc) && (0...1).contains(c.relative_auroc)
    default: return false
    }
  }

  /// Whether a class agreement is one: 0 where none was fitted.
  private func isValid(_ agreement: Float, _ grid: UInt32) -> Bool {
    grid == 0 ? agreement == 0 : (-1...1).contains(agreement)
  }

  func isShare(_ value: Float) -> Bool { value > 0 && value <= 1 }

  /// Finite values, and zeros in all padding and above the diagonals, for the members of this network.
  func verifyStatistics() throws(E3Error) {
    let mine = UnsafeRawBufferPointer(
      start: statistics(member: 0).centre, count: Int(CalibrationLayout(shape).statisticsBytes))
    guard mine.allFinite else { throw .fileValues }
    let rowBytes = 4 * shape.headInputSizePadded
    let usedBytes = 4 * shape.headInputSize
    for member in 0..<shape.memberCount {
      let view = statistics(member: member)
      guard UnsafeRawBufferPointer(start: view.centre, count: rowBytes).isZero(from: usedBytes, to: rowBytes) else {
        throw .fileValues
      }
      for index in 0..<shape.classCount {
        let row = UnsafeRawBufferPointer(start: view.classMeans + index * shape.headInputSizePadded, count: rowBytes)
        guard row.isZero(from: usedBytes, to: rowBytes) else { throw .fileValues }
      }
      try validateWhitening(view.classes)
      try validateWhitening(view.background)
    }
  }

  private func validateWhitening(_ whitening: WhiteningView) throws(E3Error) {
    for panel in 0..<CalibrationLayout(shape).panelCount {
      let start = UnsafeRawPointer(whitening.panel(panel))
      let real = min(shape.headInputSize - 16 * panel, 16)
      for input in 0..<WhiteningView.inputs(ofPanel: panel) {
        // Output 16 * panel + j reads the inputs up to its own number.
        let first = input >= shape.headInputSize ? 16 : max(input - 16 * panel, 0)
        let row = UnsafeRawBufferPointer(start: start + 64 * input, count: 64)
        guard row.isZero(from: 0, to: 4 * min(first, 16)), row.isZero(from: 4 * real, to: 64) else {
          throw .fileValues
        }
      }
    }
  }
}
