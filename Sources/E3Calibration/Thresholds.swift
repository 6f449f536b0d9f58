import CE3
import CE3Kernels
import E3Host
import E3Metrics

/// Temperature and thresholds, fitted on what the runtime gave for held-out images.
struct Thresholds {
  let temperature: Float
  let accept: Float
  let sets: PredictionSets
  /// Nil without distances.
  let unknown: Float?
  /// The class whose images are in their set least often, of those with images, and that share.
  let worstClass: (index: Int, share: Double, count: Int)
  /// The images with their tempered probabilities, in the runtime's bits.
  let tempered: LabelledPredictions

  /// - Throws: too few images for a coverage.
  init(
    _ observations: Observations, classCount: Int, labels: [String], hasDistances: Bool, options: CalibrationOptions,
    path: String
  ) throws(FileError) {
    let plain = LabelledPredictions(
      probabilities: observations.probabilities, classCount: classCount, labels: observations.classes)
    let temperature = Float(plain.fittedTemperature() ?? 1)
    let tempered = Self.tempered(plain, by: temperature)
    self.temperature = temperature
    self.tempered = tempered

    sets = try PredictionSets(tempered, options: options, labels: labels, path: path)
    worstClass = Self.worstClass(observations.classes, isCovered: sets.isCovered)
    var known = Array(observations.classes.indices)
    var unknown: Float?
    if hasDistances {
      let threshold = try conformalThreshold(
        observations.unknownScores, options.knownCoverage, option: "--known-coverage", path: path)
      known.removeAll { observations.unknownScores[$0] > threshold }
      unknown = threshold
    }
    self.unknown = unknown
    let top = known.map { -(tempered[$0].max() ?? 0) }
    accept = -(try conformalThreshold(top, options.acceptCoverage, option: "--accept-coverage", path: path))
  }

  private static func worstClass(
    _ classes: [Int], isCovered: [Bool]
  ) -> (index: Int, share: Double, count: Int) {
    var found: [Int: (covered: Int, count: Int)] = [:]
    for (index, covered) in zip(classes, isCovered) {
      found[index, default: (0, 0)].count += 1
      found[index, default: (0, 0)].covered += covered ? 1 : 0
    }
    let shares = found.map { ($0.key, Double($0.value.covered) / Double($0.value.count), $0.value.count) }
    return shares.min { ($0.1, $0.0) < ($1.1, $1.0) } ?? (0, 0, 0)
  }

  /// What the runtime does with a temperature, by its own kernels.
  private static func tempered(_ plain: LabelledPredictions, by temperature: Float) -> LabelledPredictions {
    guard let kernels = e3k_select(UInt32(E3_ISA_SCALAR)) else {
      preconditionFailure("the scalar tier is always there")
    }
    let (width, stride) = (plain.classCount, (plain.classCount + 15) / 16 * 16)
    let row = UnsafeMutablePointer<Float>.allocate(capacity: stride)
    defer { row.deallocate() }
    var probabilities: [Float] = []
    probabilities.reserveCapacity(plain.count * width)
    for index in 0..<plain.count {
      row.update(repeating: 0, count: stride)
      for (i, value) in plain[index].enumerated() { row[i] = value }
      kernels.pointee.scaled_log(row, stride, 1 / temperature)
      _ = kernels.pointee.softmax(row, stride, 1, width)
      probabilities += UnsafeBufferPointer(start: row, count: width)
    }
    return LabelledPredictions(probabilities: probabilities, classCount: width, labels: plain.labels)
  }
}

/// The score that a new image is at or below with the probability `coverage`.
///
/// - Parameters:
///   - option: What gave the coverage.
///   - name: The class that all these images are of, which has the fewest; nil: of any.
/// - Throws: too few scores.
func conformalThreshold(
  _ scores: [Float], _ coverage: Double, option: String, of name: String? = nil, path: String
) throws(FileError) -> Float {
  let quantile = conformalQuantile(of: scores.map { Double($0) }, coverage: coverage)
  if let quantile, quantile.isFinite { return Float(quantile) }
  let fits = (100 * Double(scores.count) / Double(scores.count + 1)).rounded(.down) / 100
  let images = counted(scores.count, "image") + (name.map { " of \($0), the fewest of a class," } ?? "")
  throw FileError(
    file: path,
    problem:
      "\(images) for the thresholds, expected \(Int((coverage / (1 - coverage)).rounded(.up))) or "
      + "more for \(option) \(coverage)\(fits > 0 ? "; \(option) \(fits) fits \(name == nil ? "them" : "all")" : "")")
}
