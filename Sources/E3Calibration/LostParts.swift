import CE3
import E3Format
import E3Host

/// What the calibration of `file` has and the one in its place has not, where the options say nothing of it: somebody
/// who calibrates anew may not remember with what it was done before. Empty for a file without a calibration.
///
/// - Parameter givesUnknown: Whether images of no class helped to choose what decides.
func lostParts(
  of file: ModelFile, _ new: e3_file_calibration, _ options: CalibrationOptions, givesUnknown: Bool
) -> [String] {
  guard let old = file.calibration else { return [] }
  let defaults = CalibrationOptions()
  var lost: [String] = []
  if file.hasEarlyStops, options.earlyShare == nil { lost.append("early stops (--early \(file.earlyShare))") }
  let sets = SetScore(old)
  if sets.isAdaptive, options.sets == defaults.sets {
    lost.append("\(sets.penalty > 0 ? "regularised" : "adaptive") prediction sets (--sets)")
  }
  if file.setThresholds != nil, !options.isClassConditional {
    lost.append("prediction sets for each class by itself (--class-conditional)")
  }
  func addShare(_ name: String, _ old: Float, _ new: Double, _ usual: Double) {
    if new == usual, old != Float(new) { lost.append("--\(name) \(old)") }
  }
  addShare("coverage", old.set_coverage, options.coverage, defaults.coverage)
  addShare("accept-coverage", old.accept_coverage, options.acceptCoverage, defaults.acceptCoverage)
  if old.statistics_count > 0, new.statistics_count > 0 {
    addShare("known-coverage", old.known_coverage, options.knownCoverage, defaults.knownCoverage)
    let isChosen = UnknownScore(old) != .relative && options.distance == nil
    if isChosen, old.foreign_count == 0 { lost.append("a distance that was told (--distance)") }
    if isChosen, old.foreign == UInt32(E3_FILE_FOREIGN_GIVEN.rawValue), !givesUnknown {
      lost.append("a distance that images of no class chose (--unknown)")
    }
    addCount("of the class statistics", old.statistics_count, new.statistics_count)
  }
  addCount("of the thresholds", old.image_count, new.image_count)
  func addCount(_ what: String, _ old: UInt32, _ new: UInt32) {
    if new < old { lost.append("\(counted(Int(old), "image")) \(what), not \(new)") }
  }
  if old.statistics_count > 0, new.statistics_count == 0 {
    lost.append("class statistics, without which nothing is unknown")
  }
  return lost
}
