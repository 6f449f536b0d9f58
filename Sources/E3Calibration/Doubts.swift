import E3Host
import E3Metrics
import E3Models

/// What makes the numbers of a calibration doubtful, a line each; empty when nothing does.
///
/// - Parameters:
///   - held: The images that temperature and thresholds were fitted on.
///   - statistics: Those of the class statistics; nil without them.
///   - labels: Texts of the classes; empty when the model has none.
///   - knownUnknown: Images that were given as unknown and are among the others.
func doubts(
  about calibration: CalibrationSummary, held: Observations, statistics: Observations?, labels: [String],
  classCount: Int, knownUnknown: Int = 0
) -> [String] {
  var lines: [String] = []
  let temperature = Double(calibration.calibration.temperature)
  let range = LabelledPredictions.temperatureRange
  for bound in [range.lowerBound, range.upperBound] where abs(temperature - bound) <= 1e-6 * bound {
    lines.append("the temperature lies at its bound, \(decimals(bound, 2)): these images do not tell it")
  }
  var counts = [Int](repeating: 0, count: classCount)
  for label in held.classes { counts[label] += 1 }
  let most = counts.indices.max { counts[$0] < counts[$1] } ?? 0
  let accuracy = "accuracy \(decimals(100 * calibration.accuracy, 2)) % is no better than"
  if calibration.isNoBetterThanChance(classCount: classCount) {
    lines.append("\(accuracy) chance: are these the images' labels?")
  } else if counts[most] < held.classes.count,
    calibration.accuracy <= Double(counts[most]) / Double(held.classes.count)
  {
    lines.append("\(accuracy) the answer \(className(most, labels)) for every image")
  }
  let missing = counts.indices.filter { counts[$0] == 0 }.map { className($0, labels) }
  if !missing.isEmpty {
    let more = missing.count > 8 ? " and \(missing.count - 8) more" : ""
    lines.append(
      "no images of the class\(missing.count > 1 ? "es" : "") \(missing.prefix(8).joined(separator: ", "))\(more)")
  }
  if let shared = statistics.map(held.countShared), shared > 0 {
    lines.append(
      "\(shared) of the images \(shared == 1 ? "is" : "are") among those of the class statistics too: distances of "
        + "such images are smaller than new ones', so that more new ones will be called unknown than is asked for")
  }
  if knownUnknown > 0 {
    lines.append(
      "\(knownUnknown) of the unknown images \(knownUnknown == 1 ? "is" : "are") among the known ones too: what "
        + "decides is chosen as if they were foreign")
  }
  return lines
}

/// The text of a class, or its number where it has none.
func className(_ index: Int, _ labels: [String]) -> String {
  labels.indices.contains(index) && !labels[index].isEmpty ? labels[index] : "\(index)"
}
