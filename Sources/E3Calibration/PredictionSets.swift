import E3Format
import E3Host
import E3Metrics

/// Which classes a prediction set holds.
public enum PredictionSetKind: String, CaseIterable, Sendable {
  /// Classes that are probable enough: on average the smallest sets.
  case leastAmbiguous = "least-ambiguous"
  /// As many of the most probable classes as it takes: small where the image is clear, large where it is not (APS).
  case adaptive
  /// The same with a penalty for each class beyond the first few, without which a long tail fills the sets (RAPS).
  case regularised
}

/// The thresholds of prediction sets, fitted by split conformal prediction.
struct PredictionSets {
  let score: SetScore
  /// Of all classes alike.
  let threshold: Float
  /// `[C]`; empty where one holds for all.
  let classThresholds: [Float]
  /// Whether each image's set holds its class.
  let isCovered: [Bool]

  /// - Parameters:
  ///   - images: with the probabilities of the runtime.
  ///   - labels: Texts of the classes; empty when the model has none.
  /// - Throws: too few images for the coverage.
  init(
    _ images: LabelledPredictions, options: CalibrationOptions, labels: [String], path: String
  ) throws(FileError) {
    var fitting = Array(0..<images.count)
    switch options.sets {
    case .leastAmbiguous: score = .leastAmbiguous
    case .adaptive: score = SetScore(isAdaptive: true)
    case .regularised:
      // A penalty that these images chose would make their own sets too small.
      let choosing = fitting.filter { $0.isMultiple(of: 4) }.prefix(mostChoosing)
      let chosen = Set(choosing)
      fitting.removeAll { chosen.contains($0) }
      score = Self.regularised(
        choosing.map { (RankedClasses(images[$0]), images.labels[$0]) }, coverage: options.coverage)
    }
    let score = score
    let own = (0..<images.count).map { place in
      score.isAdaptive
        ? score.value(of: images.labels[place], in: RankedClasses(images[place]))
        : -images[place][place * images.classCount + images.labels[place]]
    }
    func fitted(_ chosen: [Int], of name: String?) throws(FileError) -> Float {
      try conformalThreshold(
        chosen.map { own[$0] }, options.coverage, option: "--coverage", of: name, path: path)
    }
    let threshold = try fitted(fitting, of: nil)
    var thresholds = [Float](repeating: 0, count: options.isClassConditional ? images.classCount : 0)
    var places = [[Int]](repeating: [], count: images.classCount)
    for place in fitting { places[images.labels[place]].append(place) }
    // The class with the fewest images first: what fits it fits all.
    for index in thresholds.indices.sorted(by: { (places[$0].count, $0) < (places[$1].count, $1) }) {
      thresholds[index] = try fitted(places[index], of: className(index, labels))
    }
    isCovered = (0..<images.count).map { place in
      let label = images.labels[place]
      return images.predictions[place] == label || own[place] <= (thresholds.isEmpty ? threshold : thresholds[label])
    }
    self.threshold = score.stored(threshold)
    classThresholds = thresholds.map(score.stored)
  }

  /// The penalty with the smallest sets, of ranks beyond the one within which the true class is found as often as
  /// `coverage` says (Angelopoulos et al. 2021, section 3 and appendix E).
  private static func regularised(_ images: [(RankedClasses, label: Int)], coverage: Double) -> SetScore {
    let ranks = images.map { image in Double((image.0.order.firstIndex(of: image.label) ?? 0) + 1) }
    let classCount = images.first?.0.order.count ?? 1
    let quantile = conformalQuantile(of: ranks, coverage: coverage) ?? .infinity
    let freeRanks = quantile.isFinite ? Int(quantile) : classCount
    func meanSize(_ score: SetScore) -> Double {
      let scores = images.map { Double(score.value(of: $0.label, in: $0.0)) }
      guard let threshold = conformalQuantile(of: scores, coverage: coverage) else { return .infinity }
      return images.reduce(0.0) { sum, image in
        sum + Double(image.0.order.indices.count { $0 == 0 || Double(score.value(rank: $0, in: image.0)) <= threshold })
      } / Double(max(images.count, 1))
    }
    let candidates = [1, 10, 102, 205, 512].map { SetScore(isAdaptive: true, freeRanks: freeRanks, penalty: $0) }
    let sizes = candidates.map(meanSize)
    return zip(candidates, sizes).min { $0.1 < $1.1 }?.0 ?? candidates[0]
  }
}

/// Images that choose a penalty: enough to tell five apart.
private let mostChoosing = 2000

/// The classes of an image in the runtime's order, and its sums.
struct RankedClasses {
  /// `[C]`: falling probability, then rising index.
  let order: [Int]
  /// `[C]` by rank: the probability of the class, and that of all before it, added in order.
  let probabilities, masses: [Float]

  init(_ probabilities: ArraySlice<Float>) {
    let values = Array(probabilities)
    order = values.indices.sorted { (values[$0], $1) > (values[$1], $0) }
    self.probabilities = order.map { values[$0] }
    var mass: Float = 0
    masses = self.probabilities.map { value in
      defer { mass += value }
      return mass
    }
  }
}

extension SetScore {
  /// The lower, the better the class at `rank` fits.
  func value(rank: Int, in image: RankedClasses) -> Float {
    isAdaptive ? score(mass: image.masses[rank], rank: rank) : -image.probabilities[rank]
  }

  func value(of label: Int, in image: RankedClasses) -> Float {
    value(rank: image.order.firstIndex(of: label) ?? 0, in: image)
  }

  /// What a file says of a threshold of ``value(rank:in:)``: of least ambiguous sets the probability.
  func stored(_ threshold: Float) -> Float { isAdaptive ? threshold : -threshold }
}
