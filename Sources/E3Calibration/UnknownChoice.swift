import CE3
import E3Format
import E3Host
import E3Metrics

/// What decides between known and unknown, and how well each candidate told foreign images from known ones.
public struct UnknownChoice: Sendable {
  /// How a candidate did.
  public struct Row: Sendable {
    public let name: String
    let score: UnknownScore
    /// Area under the ROC curve, foreign images against those of the thresholds.
    public let auroc: Double
    /// Share of the foreign images above the threshold that lets the wanted share of known ones pass.
    public let found: Double
  }

  /// The images that candidates were compared on: known ones with their quarters exchanged, or unknown ones of the user and
  /// at most as many of those.
  public enum Foreign: Sendable { case rearranged, given }

  /// What decides.
  public let name: String
  let score: UnknownScore
  /// The candidates, the best first; empty when nothing had to be chosen.
  public let rows: [Row]
  public let foreign: Foreign
  /// How many foreign images there were; 0 when nothing had to be chosen.
  public let foreignCount: Int
  /// The relative distance's; nil when it was no candidate.
  private let relative: Row?

  /// How much better than a simpler score another one must be, in standard errors of the difference: the best of many is
  /// better by chance alone.
  private static let neededErrors = 2.0
  /// Weights of an uncertainty: these shares of what gives it the standard deviation of the distance among known images.
  private static let strengths = [0.25, 1]

  /// What is left when a name says all: nothing to be chosen.
  init(told name: DistanceName) {
    precondition(!name.leavesAChoice)
    self.name = name.text
    score = UnknownScore(
      hasUnitLength: name.hasUnitLength, backgroundWeight: name.base.backgroundWeight, uncertainty: .none,
      uncertaintyWeight: 0)
    (rows, foreign, foreignCount, relative) = ([], .rearranged, 0, nil)
  }

  /// Compares the candidates of `names`.
  ///
  /// - Parameters:
  ///   - known: Images of the thresholds, by whether representations were divided by their length.
  ///   - unknown: The foreign images, likewise.
  /// - Returns: nil when no candidate can be measured.
  init?(
    among names: [DistanceName], known: [Bool: Observations], unknown: [Bool: Observations], foreign: Foreign,
    coverage: Double
  ) {
    var found: [Measured] = []
    for name in names {
      guard let inside = known[name.hasUnitLength], let outside = unknown[name.hasUnitLength] else { continue }
      for score in Self.scores(name, inside) {
        let (positives, negatives) = (outside.scores(score), inside.scores(score))
        guard let detection = Detection(positives: positives, negatives: negatives) else { continue }
        let threshold = conformalQuantile(of: negatives, coverage: coverage) ?? .infinity
        let share = Double(positives.count { $0 > threshold }) / Double(positives.count)
        found.append(
          (Row(name: name.text, score: score, auroc: detection.auroc, found: share), (positives, negatives)))
      }
    }
    guard let first = found.first, var best = Self.best(found) else { return nil }
    // What is simpler stays unless it is clearly worse: no uncertainty before one, the relative distance before all.
    if let plain = Self.best(found.filter { $0.row.score.uncertainty == .none }), !Self.isBetter(best, than: plain) {
      best = plain
    }
    relative = first.row.score == .relative ? first.row : nil
    if relative != nil, !Self.isBetter(best, than: first) { best = first }
    (name, score) = (best.row.name, best.row.score)
    self.foreign = foreign
    foreignCount = first.scores.positives.count
    rows = found.map(\.row).enumerated().sorted { ($1.element.auroc, $0.offset) < ($0.element.auroc, $1.offset) }
      .map(\.element)
  }

  private typealias Measured = (row: Row, scores: (positives: [Double], negatives: [Double]))

  /// The one of the highest AUROC, the first of equal ones.
  private static func best(_ candidates: [Measured]) -> Measured? {
    candidates.dropFirst().reduce(candidates.first) { best, next in
      best.map { $0.row.auroc >= next.row.auroc ? $0 : next }
    }
  }

  private static func isBetter(_ one: Measured, than other: Measured) -> Bool {
    PairedAreas(first: one.scores, second: other.scores).map {
      $0.first - $0.second > neededErrors * $0.standardError
    } ?? false
  }

  /// The scores that a name stands for: one, or one for each weight of an uncertainty that varies.
  private static func scores(_ name: DistanceName, _ known: Observations) -> [UnknownScore] {
    var score = UnknownScore(
      hasUnitLength: name.hasUnitLength, backgroundWeight: name.base.backgroundWeight, uncertainty: .none,
      uncertaintyWeight: 0)
    let uncertainty: [Float]
    switch name.uncertainty {
    case .none: return [score]
    case .entropy: (score.uncertainty, uncertainty) = (.entropy, known.entropies)
    case .mutualInformation: (score.uncertainty, uncertainty) = (.mutualInformation, known.mutualInformation)
    }
    var plain = score
    plain.uncertainty = .none
    let ratio = deviation(known.scores(plain)) / deviation(uncertainty.map { Double($0) })
    return strengths.compactMap { strength in
      let weight = Float(strength * ratio)
      guard weight > 0, weight.isFinite else { return nil }
      score.uncertaintyWeight = weight
      return score
    }
  }

  private static func deviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
  }

  /// Writes what decides, and by what it was chosen, into a calibration that has statistics.
  func store(in calibration: inout e3_file_calibration) {
    score.store(in: &calibration)
    guard score != .relative, foreignCount > 0, let row = rows.first(where: { $0.score == score }) else { return }
    calibration.foreign = UInt32(
      (foreign == .given ? E3_FILE_FOREIGN_GIVEN : E3_FILE_FOREIGN_REARRANGED).rawValue)
    calibration.foreign_count = UInt32(clamping: foreignCount)
    calibration.foreign_auroc = Float(row.auroc)
    calibration.relative_auroc = Float(relative?.auroc ?? 0)
  }

  /// The best candidates, the chosen one and the relative distance, a line each; empty when nothing had to be chosen.
  var text: String {
    guard !rows.isEmpty else { return "" }
    var table = TextTable()
    table.add(["what decides", "AUROC", "called unknown"])
    for (place, row) in rows.enumerated()
    where place < 4 || row.score == score || row.score == .relative {
      let weight = row.score.uncertaintyWeight > 0 ? " x \(decimals(Double(row.score.uncertaintyWeight), 2))" : ""
      table.add([
        row.name + weight + (row.score == score ? " (chosen)" : ""), decimals(row.auroc, 4),
        "\(decimals(100 * row.found, 1)) %",
      ])
    }
    let images = foreign == .given ? "foreign images, unknown and rearranged known ones" : "rearranged known images"
    return "  chosen by \(foreignCount) \(images)\n"
      + table.text.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
  }
}

extension Observations {
  /// `[N]` a score of the images, in double precision. The distances are those of a file with such rows.
  func scores(_ score: UnknownScore) -> [Double] {
    indices.map { index in
      score.value(
        distance: Double(distances[index]), relativeDistance: Double(relativeDistances[index]),
        entropy: Double(entropies[index]), mutualInformation: Double(mutualInformation[index]))
    }
  }
}
