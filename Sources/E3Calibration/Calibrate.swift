import CE3
import E3DataSets
import E3Format
import E3Host
import E3Metrics
import E3Models

/// Fits temperature, thresholds and class statistics on held-out images with the int8 runtime itself, and writes the
/// model with them.
///
/// The class statistics come from `statistics`. Without it, every other image of each class gives the statistics, and
/// the rest gives the temperature and the thresholds. The same image must not serve both: its distance is smaller than
/// a new image's, so the threshold would call too many new images unknown. A calibrated model is calibrated anew. The
/// output appears under its name only when it is complete; the same input gives the same bytes, whatever the number of
/// threads.
///
/// - Parameters:
///   - path: The model file.
///   - data: Held-out images with labels.
///   - statistics: Images with labels for the class statistics; nil: half of `data`.
///   - output: The file to write; may be `path` itself.
///   - progress: Is told what is done, and the share of it, 0 to 1.
/// - Throws: images or labels that do not fit the model, or are too few; a model file that was written to meanwhile.
@discardableResult
public func calibrate(
  model path: String, data: DataSet, statistics: DataSet? = nil, output: String,
  options: CalibrationOptions = CalibrationOptions(), progress: (String, Double) -> Void = { _, _ in }
) throws(FileError) -> CalibrationSummary {
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in try MappedModel(path: path) }
  let shape = model.file.shape
  var images = try LabelledImages(data, for: model)
  var section: ClassStatistics?
  var observed: Observations?
  var known: LabelledImages?
  if options.hasDistance {
    let source: LabelledImages
    if let statistics {
      source = try LabelledImages(statistics, for: model)
    } else {
      (source, images) = images.halves
    }
    let seen = try Observations(
      of: source, model: model, keepsRepresentations: true, threads: options.threads
    ) { progress("statistics", Double($0) / Double(source.count)) }
    section = try ClassStatistics(seen, networks: model.networks.map(\.shape), path: source.data.path)
    known = source
    // The wide arrays are not needed any more.
    observed = seen
    observed?.representations = []
  }

  // The runtime measures the distances itself, from a file that has the statistics and no name yet.
  var calibration = e3_file_calibration()
  calibration.temperature = 1
  (calibration.accept_coverage, calibration.set_coverage) = (1, 1)
  calibration.known_coverage = section == nil ? 0 : 1
  calibration.set_score = UInt32(E3_FILE_SCORE_LEAST_AMBIGUOUS.rawValue)
  if section != nil { calibration.distance = UInt32(E3_FILE_DISTANCE_RELATIVE_MAHALANOBIS.rawValue) }
  calibration.image_count = UInt32(clamping: images.count)
  calibration.statistics_count = UInt32(clamping: observed?.count ?? 0)
  calibration.statistics_hash = observed?.hash ?? 0
  calibration.model_hash = model.file.modelHash
  let provisional = try write(model, calibration, section, expertUses: [], to: output)
  let held = try provisional.withMappedBytes { (bytes) throws(FileError) in
    try Observations(
      of: images, model: MappedModel(borrowing: bytes, path: path), countsUses: true, threads: options.threads
    ) {
      progress("thresholds", Double($0) / Double(images.count))
    }
  }
  if let known {
    let agreement = try provisional.withMappedBytes { (bytes) throws(FileError) in
      try ClassAgreement(of: known, model: MappedModel(borrowing: bytes, path: path))
    }
    (calibration.class_grid, calibration.class_agreement) = (agreement.grid, agreement.values)
  }

  let thresholds = try Thresholds(
    held, classCount: shape.classCount, hasDistances: section != nil, options: options, path: data.path)
  calibration.temperature = thresholds.temperature
  calibration.accept_threshold = thresholds.accept
  calibration.set_threshold = thresholds.set
  calibration.unknown_threshold = thresholds.unknown ?? 0
  calibration.accept_coverage = Float(options.acceptCoverage)
  calibration.set_coverage = Float(options.coverage)
  calibration.known_coverage = section == nil ? 0 : Float(options.knownCoverage)
  calibration.image_hash = held.hash
  if section != nil {
    (calibration.distance_mean, calibration.distance_deviation) = meanAndDeviation(held.relativeDistances)
  }

  let writer = try write(model, calibration, section, expertUses: held.expertUses, to: output)
  try writer.withMappedBytes { (bytes) throws(FileError) in
    let written = try MappedModel(borrowing: bytes, path: output)
    if written.file.golden != nil { try selfTest(written) }
  }
  try watch.requireUnchanged()
  try writer.commit()
  var summary = CalibrationSummary(
    calibration, before: held, after: thresholds.tempered, representation: model.representationSize)
  let worst = thresholds.worstClass
  summary.worstClass = (className(worst.index, model.labels), worst.share, worst.count)
  summary.doubts = doubts(
    about: summary, held: held, statistics: observed, labels: model.labels,
    classCount: model.networks[0].shape.classCount)
  summary.folderMatching = data.folderMatching(modelLabels: model.labels)
  return summary
}

/// Mean and standard deviation of finite values, summed in order; zeros when they do not fit a float.
private func meanAndDeviation(_ values: [Float]) -> (Float, Float) {
  let count = Double(values.count)
  let mean = values.reduce(0.0) { $0 + Double($1) } / count
  let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
  let (first, second) = (Float(mean), Float(variance.squareRoot()))
  return first.isFinite && second.isFinite ? (first, second) : (0, 0)
}

/// Writes `model` with a calibration in the place of the one that it may have; the file is sealed but has no name yet.
///
/// - Parameter expertUses: How many images chose each expert; empty where that is not known.
private func write(
  _ model: MappedModel, _ calibration: e3_file_calibration, _ statistics: ClassStatistics?, expertUses: [UInt32],
  to output: String
) throws(FileError) -> ModelFileWriter {
  let file = model.file
  let kept = file.sections.filter { index in
    let kind = ExtentKind(rawValue: .init(file.extent(at: index).kind))
    return kind != .calibration && kind != .statistics && kind != .expertUses
  }
  // Ascending kinds: what comes after the calibration are sections that this version passes over.
  var sections = kept.map { index in
    (kind: ExtentKind(rawValue: .init(file.extent(at: index).kind)), bytes: file.bytes(at: index))
  }
  return try withRawBytes(calibration, statistics?.values ?? [], expertUses) { (head, values, uses) throws(FileError) in
    let place = sections.firstIndex { $0.kind.rawValue > E3_FILE_CALIBRATION.rawValue } ?? sections.count
    sections.insert((.calibration, head), at: place)
    if statistics != nil { sections.insert((.statistics, values), at: place + 1) }
    if !uses.isEmpty {
      let last = sections.firstIndex { $0.kind.rawValue > E3_FILE_EXPERT_USES.rawValue } ?? sections.count
      sections.insert((.expertUses, uses), at: last)
    }
    let writer = try ModelFileWriter(
      path: output, shapes: model.networks.map(\.shape), sections: sections.map { ($0.kind, $0.bytes.count) },
      encoding: { network, entry in
        let view = model.networks[network]
        let planned = ExtentPlan(view.shape).index(of: entry.kind, block: entry.block, expert: entry.expert)
        return ExtentEncoding(rawValue: .init(view.extent(at: view.tableIndex(ofPlanned: planned)).encoding))
      })
    for _ in 0..<writer.extentCount {
      let extent = try writer.beginExtent()
      let entry = extent.entry
      if let network = extent.network {
        let view = model.networks[network]
        let planned = ExtentPlan(view.shape).index(of: entry.kind, block: entry.block, expert: entry.expert)
        try writer.write(view.bytes(at: view.tableIndex(ofPlanned: planned)))
      } else if let section = sections.first(where: { $0.kind == entry.kind }) {
        try writer.write(section.bytes)
      }
    }
    try writer.seal()
    return writer
  }
}

private func withRawBytes<R>(
  _ calibration: e3_file_calibration, _ values: [Float], _ uses: [UInt32],
  _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(FileError) -> R
) throws(FileError) -> R {
  let result = withUnsafeBytes(of: calibration) { head in
    values.withUnsafeBytes { values in
      uses.withUnsafeBytes { uses in Result { () throws(FileError) in try body(head, values, uses) } }
    }
  }
  return try result.get()
}
