import Testing
@testable import E3Metrics

@Suite("Classification metrics")
struct ClassificationTests {
  @Test("accuracy, NLL, Brier score, calibration errors and AURC are those of scikit-learn and numpy")
  func values() throws {
    for expected in try Fixture().classification {
      let predictions = expected.predictions
      #expect(predictions.accuracy == expected.accuracy)
      #expect(agree(predictions.negativeLogLikelihood, expected.nll))
      #expect(agree(predictions.brierScore, expected.brier))
      #expect(agree(predictions.expectedCalibrationError, expected.ece))
      let curve = try #require(
        RiskCoverageCurve(confidences: predictions.confidences, isRight: predictions.isRight))
      if expected.adaptive_ece != nil {
        #expect(agree(predictions.adaptiveCalibrationError, expected.adaptive_ece))
        #expect(agree(curve.area, expected.aurc))
      }
      let detection = try #require(
        Detection(scores: predictions.confidences.map { -$0 }, isPositive: predictions.isRight.map { !$0 }))
      #expect(agree(detection.auroc, expected.misclassification.auroc))
      #expect(agree(detection.aupr, expected.misclassification.aupr))
      #expect(detection.fpr95 == expected.misclassification.fpr95)
    }
  }

  @Test("the confusion matrix, recall and precision are those of scikit-learn")
  func confusions() throws {
    for expected in try Fixture().classification {
      let (classes, matrix) = (expected.classes, ConfusionMatrix(expected.predictions))
      for (place, count) in expected.confusion.enumerated() {
        #expect(matrix[place / classes, place % classes] == count)
      }
      // scikit-learn says 0 where a class has no image.
      #expect((0..<classes).map { matrix.recall(of: $0) ?? 0 } == expected.recall)
      #expect((0..<classes).map { matrix.precision(of: $0) ?? 0 } == expected.precision)
      let wrong = expected.predictions.isRight.count { !$0 }
      #expect(matrix.confusions.reduce(0) { $0 + $1.count } == wrong)
      #expect(matrix.confusions.map(\.count) == matrix.confusions.map(\.count).sorted(by: >))
    }
  }

  @Test("the interval of a share is the Wilson interval that scipy computes, and none without a trial")
  func intervals() throws {
    for expected in try Fixture().wilson {
      let interval = try #require(wilsonInterval(successes: expected.successes, count: expected.count))
      #expect(agree(interval.lowerBound, expected.low) && agree(interval.upperBound, expected.high))
    }
    #expect(wilsonInterval(successes: 0, count: 0) == nil)
  }

  @Test("the order of the images changes no figure, however many confidences are equal")
  func order() throws {
    let expected = try Fixture().classification[2]
    let rows = expected.labels.indices
    #expect(Set(expected.probabilities).count < rows.count, "the fixture has many ties")
    let all = expected.predictions
    let reversed = LabelledPredictions(
      probabilities: rows.reversed().flatMap { all[$0] }, classCount: expected.classes,
      labels: expected.labels.reversed())
    #expect(agree(all.adaptiveCalibrationError, reversed.adaptiveCalibrationError))
    let curves = [all, reversed].map { RiskCoverageCurve(confidences: $0.confidences, isRight: $0.isRight) }
    #expect(agree(curves[0]?.area, curves[1]?.area))
    #expect(curves[0]?.points == curves[1]?.points)
  }

  @Test("no images give no figures, not zero")
  func empty() {
    let none = LabelledPredictions(probabilities: [], classCount: 3, labels: [])
    #expect(none.accuracy == nil && none.negativeLogLikelihood == nil && none.brierScore == nil)
    #expect(none.expectedCalibrationError == nil && none.adaptiveCalibrationError == nil)
    #expect(none.fittedTemperature() == nil)
    #expect(RiskCoverageCurve(confidences: [], isRight: []) == nil)
    #expect(PredictionSetSummary(sets: [], labels: []) == nil)
  }

  @Test("a single class is always right, certain and calibrated")
  func singleClass() {
    let predictions = LabelledPredictions(probabilities: [1, 1, 1], classCount: 1, labels: [0, 0, 0])
    #expect(predictions.accuracy == 1 && predictions.negativeLogLikelihood == 0 && predictions.brierScore == 0)
    #expect(predictions.expectedCalibrationError == 0 && predictions.adaptiveCalibrationError == 0)
  }

  @Test("a true class of probability zero costs as much as the smallest float, and equal classes go to the first")
  func extremes() {
    let certain = LabelledPredictions(probabilities: [0, 1], classCount: 2, labels: [0])
    #expect(agree(certain.negativeLogLikelihood, 103.27892990343185, to: 1e-9))
    let even = LabelledPredictions(probabilities: [0.5, 0.5], classCount: 2, labels: [1])
    #expect(even.predictions == [0] && even.accuracy == 0)
    let broken = LabelledPredictions(probabilities: [.nan, 0.25, 0.5], classCount: 3, labels: [2])
    #expect(broken.predictions == [2] && broken.fittedTemperature() == nil && broken.brierScore?.isNaN == true)
  }

  @Test("a confidence that is NaN or no probability gives no diagram")
  func notProbabilities() {
    for bad in [Double.nan, -0.5, 1.5] {
      #expect(ReliabilityDiagram.equalWidth(confidences: [0.5, bad], isRight: [true, false]) == nil)
    }
    #expect(ReliabilityDiagram.equalMass(confidences: [0.5, .nan], isRight: [true, false]) == nil)
    #expect(RiskCoverageCurve(confidences: [0.5, .nan], isRight: [true, false]) == nil)
  }

  @Test("a confidence on an edge belongs to the bin above, and 1 to the last")
  func edges() throws {
    let diagram = try #require(
      ReliabilityDiagram.equalWidth(confidences: [0.25, 0.5, 1], isRight: [true, true, true], binCount: 4))
    #expect(diagram.bins.map(\.count) == [0, 1, 1, 1])
  }

  @Test("the ECE by chance is the mean that images right as often as their confidence says come to")
  func chance() throws {
    // One bin: |normal| of the deviation √(4 · 3/16) / 4.
    let four = try #require(ReliabilityDiagram.chanceError(confidences: [0.75, 0.75, 0.75, 0.75]))
    #expect(agree(four, (2 / Double.pi).squareRoot() * 0.75.squareRoot() / 4))
    #expect(ReliabilityDiagram.chanceError(confidences: [1, 1, 0]) == 0)
    #expect(ReliabilityDiagram.chanceError(confidences: [.nan]) == nil)
    #expect(ReliabilityDiagram.chanceError(confidences: []) == nil)

    var state: UInt64 = 1
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) * 0x1p-53
    }
    let confidences = (0..<3000).map { _ in 1 - 0.7 * uniform() * uniform() }
    let repeats = 300
    let sum = (0..<repeats).reduce(0.0) { sum, _ in
      let isRight = confidences.map { uniform() < $0 }
      return sum
        + (ReliabilityDiagram.equalWidth(confidences: confidences, isRight: isRight)?.expectedCalibrationError ?? .nan)
    }
    let expected = try #require(ReliabilityDiagram.chanceError(confidences: confidences))
    #expect(abs(sum / Double(repeats) / expected - 1) < 0.04, "\(sum / Double(repeats)) \(expected)")
  }

  @Test("bins of equal mass split equal confidences by their mean accuracy")
  func tiedMass() throws {
    // Three images of confidence 0.5, one of them right, over bins of 2 and 2 with one image of 0.75.
    let diagram = try #require(
      ReliabilityDiagram.equalMass(
        confidences: [0.5, 0.75, 0.5, 0.5], isRight: [true, true, false, false], binCount: 2))
    #expect(agree(diagram.bins[0].accuracy, 1.0 / 3))
    #expect(agree(diagram.bins[1].accuracy, (1.0 / 3 + 1) / 2))
    #expect(agree(diagram.expectedCalibrationError, (0.5 - 1.0 / 3 + abs(0.625 - 2.0 / 3)) / 2))
  }

  @Test("risk at full coverage is the error rate, and a perfect order has the least area")
  func risk() throws {
    let good = try #require(RiskCoverageCurve(confidences: [0.9, 0.8, 0.7, 0.6], isRight: [true, true, true, false]))
    #expect(good.points.last == .init(coverage: 1, risk: 0.25, threshold: 0.6))
    #expect(good.area == 0.0625)
    let tied = try #require(RiskCoverageCurve(confidences: [0.9, 0.9, 0.9, 0.9], isRight: [true, true, true, false]))
    #expect(tied.points.count == 1 && tied.area == 0.25)
  }
}
