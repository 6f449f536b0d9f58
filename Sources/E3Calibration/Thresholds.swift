import CE3
import CE3Kernels
import E3Host
import E3Metrics

/// Temperature and thresholds, fitted on what the runtime gave for held-out images.
struct Thresholds {
  let temperature: Float
  let accept, set: Float
  /// Nil without distances.
  let unknown: Float?
  /// The images with their tempered probabilities, in the runtime's bits.
  let tempered: LabelledPredictions

  /// - Throws: too few images for a coverage.
  init(
    _ observations: Observations, classCount: Int, hasDistances: Bool, options: CalibrationOptions, path: String
  ) throws(FileError) {
    let plain = LabelledPredictions(
      probabilities: observations.probabilities, classCount: classCount, labels: observations.classes)
    let temperature = Float(plain.fittedTemperature() ?? 1)
    let tempered = Self.tempered(plain, by: temperature)
    self.temperature = temperature
    self.tempered = tempered

    let own = observations.classes.indices.map { tempered[$0][$0 * classCount + tempered.labels[$0]] }
    set = try Self.passing(own.map { -$0 }, options.coverage, "--coverage", path) * -1
    var known = Array(observations.classes.indices)
    var unknown: Float?
    if hasDistances {
      let threshold = try Self.passing(observations.relativeDistances, options.knownCoverage, "--known-coverage", path)
      known.removeAll { observations.relativeDistances[$0] > threshold }
      unknown = threshold
    }
    self.unknown = unknown
    let top = known.map { -(tempered[$0].max() ?? 0) }
    accept = try Self.passing(top, options.acceptCoverage, "--accept-coverage", path) * -1
  }

  /// The score that a new image is at or below with the probability `coverage`.
  private static func passing(
    _ scores: [Float], _ coverage: Double, _ option: String, _ path: String
  ) throws(FileError) -> Float {
    guard let quantile = conformalQuantile(of: scores.map { Double($0) }, coverage: coverage), quantile.isFinite else {
      throw FileError(
        file: path,
        problem:
          "\(scores.count) images for the thresholds, expected \(Int((coverage / (1 - coverage)).rounded(.up))) or "
          + "more for \(option) \(coverage)")
    }
    return Float(quantile)
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
