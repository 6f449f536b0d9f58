import E3Metrics
import Foundation

/// `Data/metrics.json`, which `Data/make_metrics.py` makes with scikit-learn.
struct Fixture: Decodable {
  struct Classification: Decodable {
    let classes: Int
    let probabilities: [Float]
    let labels: [Int]
    let accuracy, nll, brier, ece: Double
    let adaptive_ece, aurc: Double?
    let misclassification: Figures
    let confusion: [Int]
    let recall, precision: [Double]
    let temperature, temperature_nll: Double

    var predictions: LabelledPredictions {
      LabelledPredictions(probabilities: probabilities, classCount: classes, labels: labels)
    }
  }

  struct Figures: Decodable {
    let auroc, aupr, fpr95: Double
  }

  struct Scores: Decodable {
    let positives, negatives: [Double]
    let auroc, aupr, fpr95: Double
  }

  struct Conformal: Decodable {
    struct Quantile: Decodable {
      let coverage, quantile: Double
    }
    let scores: [Double]
    let quantiles: [Quantile]
  }

  struct Wilson: Decodable {
    let successes, count, low, high: Double
  }

  let classification: [Classification]
  let detection: [Scores]
  let conformal: Conformal
  let wilson: [Wilson]

  init() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Data/metrics.json")
    self = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: path))
  }
}

/// Whether two results of float64 sums of the same terms in another order agree.
func agree(_ a: Double?, _ b: Double?, to tolerance: Double = 1e-12) -> Bool {
  guard let a, let b else { return a == nil && b == nil }
  return abs(a - b) <= tolerance
}
