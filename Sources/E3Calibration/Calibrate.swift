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
/// a new image's, so the threshold would call too many new images unknown. What decides between known and unknown is
/// chosen by how well it tells foreign images: known ones whose quarters are exchanged, and those of `unknown`. No
/// threshold is fitted to them. Where it is asked for, the images of the thresholds also say after which networks of a
/// deep ensemble an answer may stop. A calibrated model is calibrated anew. The output appears under its name only when
/// it is complete; the same input gives the same bytes, whatever the number of threads.
///
/// - Parameters:
///   - path: The model file.
///   - data: Held-out images with labels.
///   - statistics: Images with labels for the class statistics; nil: half of `data`.
///   - unknown: Images of no class of the model, which help to choose what decides. Where they have labels of at least
///     three kinds, these say how alike two images of a class are that is taught later.
///   - output: The file to write; may be `path` itself.
///   - progress: Is told what is done, and the share of it, 0 to 1.
/// - Throws: a damaged model; images or labels that do not fit the model, or are too few; answers no better than chance,
///   where `output` is a calibrated `path`; a model file that was written to meanwhile.
@discardableResult
public func calibrate(
  model path: String, data: DataSet, statistics: DataSet? = nil, unknown: [DataSet] = [], output: String,
  options: CalibrationOptions = CalibrationOptions(), progress: (String, Double) -> Void = { _, _ in }
) throws(FileError) -> CalibrationSummary {
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in try MappedModel(path: path) }
  try model.requireWhole { progress("verifying", $0) }
  guard options.earlyShare == nil || model.networks.count > 1 else {
    throw FileError(
      file: path, problem: "one network, after which nothing is left out: --early is for deep ensembles", isMisuse: true
    )
  }
  let shape = model.file.shape
  var images = try LabelledImages(data, for: model)
  let given = unknown.map(LabelledImages.init(foreign:))
  // They have their turn when all others are done.
  for foreign in given {
    try foreign.requireReadable(threads: options.threads) { progress("reading", Double($0) / Double(foreign.count)) }
  }
  // By whether representations are divided by their length.
  var sections: [Bool: ClassStatistics] = [:]
  var observed: Observations?
  var known: LabelledImages?
  if options.hasDistance {
    let source: LabelledImages
    if let statistics {
      source = try LabelledImages(statistics, for: model)
    } else {
      (source, images) = images.halves
    }
    var seen = try Observations(
      of: source, model: model, keepsRepresentations: true, threads: options.threads
    ) { progress("statistics", Double($0) / Double(source.count)) }
    let shapes = model.networks.map(\.shape)
    if options.distance?.hasUnitLength != true {
      sections[false] = try ClassStatistics(seen, networks: shapes, labels: model.labels, path: source.data.path)
    }
    if options.distance?.hasUnitLength != false {
      seen.divideByLength(width: model.representationSize)
      do throws(FileError) {
        sections[true] = try ClassStatistics(seen, networks: shapes, labels: model.labels, path: source.data.path)
      } catch {
        // Representations that differ in nothing but their length are no reason to refuse the images.
        if sections.isEmpty { throw error }
      }
    }
    known = source
    // The wide arrays are not needed any more.
    seen.representations = []
    observed = seen
  }

  // The runtime measures the distances itself, from a file that has the statistics and no name yet.
  var calibration = e3_file_calibration()
  calibration.temperature = 1
  (calibration.accept_coverage, calibration.set_coverage) = (1, 1)
  calibration.known_coverage = sections.isEmpty ? 0 : 1
  calibration.set_score = UInt32(E3_FILE_SCORE_LEAST_AMBIGUOUS.rawValue)
  calibration.image_count = UInt32(clamping: images.count)
  calibration.statistics_count = UInt32(clamping: observed?.count ?? 0)
  calibration.statistics_hash = observed?.hash ?? 0
  calibration.model_hash = model.file.modelHash
  func measured(
    _ parts: [LabelledImages], _ score: UnknownScore?, stage: String, countsUses: Bool = false
  ) throws(FileError) -> Observations {
    var provisional = calibration
    score?.store(in: &provisional)
    let writer = try CalibrationParts(provisional, score.flatMap { sections[$0.hasUnitLength] })
      .write(model, to: output)
    return try writer.withMappedBytes { (bytes) throws(FileError) in
      let opened = try MappedModel(borrowing: bytes, path: path)
      var all = Observations()
      for images in parts {
        all.append(
          try Observations(of: images, model: opened, countsUses: countsUses, threads: options.threads) {
            progress(stage, Double($0) / Double(images.count))
          })
      }
      return all
    }
  }

  var held: Observations?
  var choice: UnknownChoice?
  var knownUnknown = 0
  if !sections.isEmpty {
    if let name = options.distance, !name.leavesAChoice {
      choice = UnknownChoice(told: name)
    } else {
      let limit = given.isEmpty ? mostRearranged : min(mostRearranged, given.reduce(0) { $0 + $1.count })
      let foreign = given + [images.rearranged(limit: limit)]
      var (inside, outside): ([Bool: Observations], [Bool: Observations]) = ([:], [:])
      for rows in sections.keys.sorted(by: { !$0 && $1 }) {
        var score = UnknownScore.relative
        score.hasUnitLength = rows
        inside[rows] = try measured([images], score, stage: "known images", countsUses: true)
        outside[rows] = try measured(foreign, score, stage: "foreign images")
      }
      if let rows = sections.keys.first, let seen = observed, let inside = inside[rows], let outside = outside[rows] {
        knownUnknown = outside.countSame(first: given.reduce(0) { $0 + $1.count }, as: [seen, inside])
      }
      let names =
        options.distance.map { [$0] } ?? DistanceName.all.filter { model.file.memberCount > 1 || !$0.needsMembers }
      choice = UnknownChoice(
        among: names, known: inside, unknown: outside, foreign: unknown.isEmpty ? .rearranged : .given,
        coverage: options.knownCoverage)
      guard choice != nil else {
        throw FileError(file: path, problem: "\(names[0].text) cannot be measured on these images")
      }
      if choice?.score == .relative { held = inside[false] }
    }
    choice?.store(in: &calibration)
  }
  let observations: Observations
  if let held {
    observations = held
  } else {
    observations = try measured([images], choice?.score, stage: "thresholds", countsUses: true)
  }
  if let known, let choice {
    let provisional = try CalibrationParts(calibration, sections[choice.score.hasUnitLength]).write(model, to: output)
    let agreement = try provisional.withMappedBytes { (bytes) throws(FileError) in
      try ClassAgreement(
        of: known, foreign: unknown.compactMap(LabelledImages.init(kindsOf:)),
        model: MappedModel(borrowing: bytes, path: path))
    }
    (calibration.class_grid, calibration.class_agreement) = (agreement.grid, agreement.values)
  }

  let thresholds = try Thresholds(
    observations, classCount: shape.classCount, labels: model.labels, hasDistances: choice != nil, options: options,
    path: data.path)
  calibration.temperature = thresholds.temperature
  calibration.accept_threshold = thresholds.accept
  thresholds.sets.score.store(in: &calibration)
  calibration.set_threshold = thresholds.sets.threshold
  calibration.unknown_threshold = thresholds.unknown ?? 0
  calibration.accept_coverage = Float(options.acceptCoverage)
  calibration.set_coverage = Float(options.coverage)
  calibration.known_coverage = choice == nil ? 0 : Float(options.knownCoverage)
  calibration.image_hash = observations.hash
  if choice != nil {
    (calibration.distance_mean, calibration.distance_deviation) = meanAndDeviation(observations.relativeDistances)
  }

  var parts = CalibrationParts(
    calibration, choice.flatMap { sections[$0.score.hasUnitLength] },
    setThresholds: thresholds.sets.classThresholds, expertUses: observations.expertUses)
  var early: (stops: [EarlyStop], worth: EarlyWorth)?
  if let share = options.earlyShare {
    let fitted = try earlyStops(
      of: model, images, parts, share: share, output: output, threads: options.threads, progress: progress)
    parts.early = (share, fitted.stops)
    early = fitted
  }
  let writer = try parts.write(model, to: output)
  try writer.withMappedBytes { (bytes) throws(FileError) in
    let written = try MappedModel(borrowing: bytes, path: output)
    if written.file.golden != nil { try selfTest(written) }
  }
  var summary = CalibrationSummary(
    calibration, before: observations, after: thresholds.tempered, representation: model.representationSize)
  summary.choice = choice
  summary.setThresholds = thresholds.sets.classThresholds
  summary.early = early?.stops ?? []
  summary.earlyWorth = early?.worth
  let worst = thresholds.worstClass
  summary.worstClass = (className(worst.index, model.labels), worst.share, worst.count)
  summary.doubts = doubts(
    about: summary, held: observations, statistics: observed, labels: model.labels,
    classCount: shape.classCount, knownUnknown: knownUnknown)
  summary.lost = lostParts(of: model.file, calibration, options, givesUnknown: !unknown.isEmpty)
  summary.folderMatching = data.folderMatching(modelLabels: model.labels)
  // A calibration that says nothing must not cost the one that is there.
  if model.file.calibration != nil, isSameFile(path, output), summary.isNoBetterThanChance(classCount: shape.classCount)
  {
    throw FileError(
      file: path,
      problem: "accuracy \(decimals(100 * summary.accuracy, 2)) % is no better than chance: are these the images' "
        + "labels? The model keeps the calibration that it has; -o writes this one into another file")
  }
  try watch.requireUnchanged()
  try writer.commit(inPlace: isSameFile(path, output))
  return summary
}

/// Images that are rearranged: enough to tell scores apart.
private let mostRearranged = 2000

/// Mean and standard deviation of finite values, summed in order; zeros when they do not fit a float.
private func meanAndDeviation(_ values: [Float]) -> (Float, Float) {
  let count = Double(values.count)
  let mean = values.reduce(0.0) { $0 + Double($1) } / count
  let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
  let (first, second) = (Float(mean), Float(variance.squareRoot()))
  return first.isFinite && second.isFinite ? (first, second) : (0, 0)
}
