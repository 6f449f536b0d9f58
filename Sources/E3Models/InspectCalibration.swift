import CE3
import E3Format
import E3Host

/// What a calibration says, in lines for people, indented by two.
///
/// - Parameter thresholds: `[C]` of the prediction sets; empty where one holds for all classes.
package func calibrationText(_ calibration: e3_file_calibration, setThresholds thresholds: [Float]) -> String {
  func share(_ value: Float) -> String { askedPercent(Double(value)) }
  var lines = [
    ("temperature", decimals(Double(calibration.temperature), 4)),
    (
      "accept",
      "from a probability of \(decimals(Double(calibration.accept_threshold), 4)): at least "
        + "\(share(calibration.accept_coverage)) of the known images"
    ),
  ]
  if calibration.statistics_count > 0 {
    lines.append(
      (
        "unknown",
        "above a \(scoreText(UnknownScore(calibration))) of \(decimals(Double(calibration.unknown_threshold), 3)): "
          + "at most \(share(1 - calibration.known_coverage)) of the images"
      ))
    if calibration.foreign_count > 0 { lines.append(("by", foreignText(calibration))) }
  } else {
    lines.append(("unknown", "never: no class statistics"))
  }
  lines.append(
    (
      "prediction set",
      "\(setText(calibration, thresholds)): holds the true one of at least \(share(calibration.set_coverage))"
    ))
  lines.append(
    ("fitted on", "\(counted(Int(calibration.image_count), "image")), hash \(hexadecimal(calibration.image_hash))"))
  if calibration.statistics_count > 0 {
    lines.append(
      (
        "statistics of",
        "\(counted(Int(calibration.statistics_count), "image")), hash \(hexadecimal(calibration.statistics_hash))"
      ))
  }
  return lines.map { "  \(padded($0.0, 20)) \($0.1)" }.joined(separator: "\n")
}

/// Which classes a prediction set holds.
private func setText(_ calibration: e3_file_calibration, _ thresholds: [Float]) -> String {
  let score = SetScore(calibration)
  let one = decimals(Double(calibration.set_threshold), 4)
  let several =
    "\(decimals(Double(thresholds.min() ?? 0), 4)) to \(decimals(Double(thresholds.max() ?? 0), 4)), each class its own"
  let threshold = thresholds.isEmpty ? one : several
  guard score.isAdaptive else { return "classes from a probability of \(threshold)" }
  let unit = Double(SetScore.penaltyUnit)
  let penalty =
    score.penalty > 0
    ? " and \(decimals(unit * Double(score.penalty), 4)) for each beyond \(score.freeRanks)" : ""
  return "the most probable classes until their sum\(penalty) is above \(threshold)"
}

/// What an early stop says, in words.
package func earlyText(_ stop: e3_file_early_stop) -> String {
  guard stop.probability <= 1 else { return "stops nothing: too few images, or too many that differ" }
  func percent(_ share: Float, _ places: Int = 1) -> String { "\(decimals(100 * Double(share), places)) %" }
  let isLimited = stop.unknown_score < .greatestFiniteMagnitude
  let score = isLimited ? " and a score up to \(decimals(Double(stop.unknown_score), 3))" : ""
  let limits = "from a probability of \(decimals(Double(stop.probability), 4))\(score)"
  return "stops \(percent(stop.stopped)) of the images, \(limits): \(percent(stop.differing, 2)) of them differ"
}

/// The early stops of a file, in lines for people, indented by two; empty where it has none.
func earlyStopLines(_ file: ModelFile) -> [String] {
  guard file.hasEarlyStops else { return [] }
  let share = askedPercent(Double(file.earlyShare))
  return ["", "early stops", "  \(padded("differing", 20)) at most \(share) of those that stop"]
    + (0..<file.networkCount - 1).map {
      "  \(padded("after network \($0)", 20)) \(earlyText(file.earlyStop(afterNetwork: $0)))"
    }
}

/// The same as JSON; null where the file has none.
func earlyStopsJSON(_ file: ModelFile) -> JSONText {
  guard file.hasEarlyStops else { return .null }
  let stops = (0..<file.networkCount - 1).map { index -> JSONText in
    let stop = file.earlyStop(afterNetwork: index)
    return .object([
      ("probability", .number(Double(stop.probability))), ("unknown_score", .number(Double(stop.unknown_score))),
      ("stopped", .number(Double(stop.stopped))), ("differing", .number(Double(stop.differing))),
    ])
  }
  return .object([("share", .number(Double(file.earlyShare))), ("stops", .array(stops))])
}

/// What a score is, in words.
private func scoreText(_ score: UnknownScore) -> String {
  if score == .relative { return "relative distance" }
  let rows = score.hasUnitLength ? ", representations at unit length" : ""
  let share = decimals(Double(score.backgroundWeight), 2)
  let background = score.backgroundWeight > 0 ? " - \(share) background distance" : ""
  let weight = decimals(Double(score.uncertaintyWeight), 2)
  let uncertainty =
    switch score.uncertainty {
    case .none: ""
    case .entropy: " + \(weight) entropy"
    case .mutualInformation: " + \(weight) mutual information"
    }
  return "score (squared distance\(background)\(uncertainty)\(rows))"
}

/// By what a score was chosen.
private func foreignText(_ calibration: e3_file_calibration) -> String {
  let isOne = calibration.foreign_count == 1
  let images =
    calibration.foreign == UInt32(E3_FILE_FOREIGN_GIVEN.rawValue)
    ? "foreign images, unknown and rearranged known ones" : isOne ? "rearranged known image" : "rearranged known images"
  let auroc = decimals(Double(calibration.foreign_auroc), 4)
  var relative = ""
  if calibration.relative_auroc > 0 {
    relative = ", that of the relative distance \(decimals(Double(calibration.relative_auroc), 4))"
  }
  return "\(calibration.foreign_count) \(images): AUROC \(auroc)\(relative)"
}

/// The same as JSON.
package func calibrationJSON(_ calibration: e3_file_calibration, setThresholds thresholds: [Float]) -> JSONText {
  let sets = SetScore(calibration)
  let hasDistance = calibration.statistics_count > 0
  let score = UnknownScore(calibration)
  let uncertainties = ["none", "entropy", "mutual_information"]
  func number(_ value: Float) -> JSONText { .number(Double(value)) }
  return .object([
    ("temperature", number(calibration.temperature)),
    ("accept_threshold", number(calibration.accept_threshold)),
    ("accept_coverage", number(calibration.accept_coverage)),
    ("unknown_threshold", hasDistance ? number(calibration.unknown_threshold) : .null),
    ("unit_length", .flag(score.hasUnitLength)),
    ("background_weight", hasDistance ? number(score.backgroundWeight) : .null),
    ("uncertainty", .text(uncertainties[Int(calibration.uncertainty)])),
    ("uncertainty_weight", number(calibration.uncertainty_weight)),
    ("foreign_images", .integer(Int(calibration.foreign_count))),
    ("foreign_auroc", calibration.foreign_count > 0 ? number(calibration.foreign_auroc) : .null),
    ("relative_auroc", calibration.relative_auroc > 0 ? number(calibration.relative_auroc) : .null),
    ("known_coverage", hasDistance ? number(calibration.known_coverage) : .null),
    ("distance_mean", calibration.distance_deviation > 0 ? number(calibration.distance_mean) : .null),
    ("distance_deviation", calibration.distance_deviation > 0 ? number(calibration.distance_deviation) : .null),
    ("set_threshold", number(calibration.set_threshold)),
    ("set_coverage", number(calibration.set_coverage)),
    ("set_score", .text(sets.isAdaptive ? "adaptive" : "least-ambiguous")),
    ("set_penalty", number(SetScore.penaltyUnit * Float(sets.penalty))),
    ("set_free_ranks", .integer(sets.freeRanks)),
    ("set_thresholds", thresholds.isEmpty ? .null : .array(thresholds.map(number))),
    ("images", .integer(Int(calibration.image_count))),
    ("image_hash", .text(hexadecimal(calibration.image_hash))),
    ("statistics_images", .integer(Int(calibration.statistics_count))),
    ("statistics_hash", hasDistance ? .text(hexadecimal(calibration.statistics_hash)) : .null),
  ])
}
