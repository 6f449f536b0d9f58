import Testing
@testable import E3Metrics

@Suite("Temperature and conformal sets")
struct CalibrationTests {
  @Test("the fitted temperature is the one that scipy's minimiser finds, and has the least NLL")
  func temperature() throws {
    for expected in try Fixture().classification {
      let predictions = expected.predictions
      let temperature = try #require(predictions.fittedTemperature())
      // A minimiser that only sees values finds the place to the root of their precision.
      #expect(agree(temperature, expected.temperature, to: 1e-6 * expected.temperature))
      let nll = try #require(predictions.tempered(by: temperature).negativeLogLikelihood)
      #expect(agree(nll, expected.temperature_nll, to: 1e-7))
    }
  }

  @Test("temperature 1 keeps probabilities, and no temperature changes the most probable class")
  func tempering() throws {
    let row: [Float] = [0.125, 0.625, 0.25, 0]
    for (kept, value) in zip(tempered(row[...], temperature: 1), row) { #expect(abs(kept - value) <= 1e-7) }
    for temperature in [0.05, 0.5, 3, 20] {
      #expect(topClass(of: tempered(row[...], temperature: temperature)[...]) == 1)
    }
  }

  @Test("images that are all right or all wrong give the ends of the range")
  func bounds() {
    let row: [Float] = [0.75, 0.25]
    let right = LabelledPredictions(probabilities: row + row, classCount: 2, labels: [0, 0])
    #expect(agree(right.fittedTemperature(), LabelledPredictions.temperatureRange.lowerBound))
    let wrong = LabelledPredictions(probabilities: row + row, classCount: 2, labels: [1, 1])
    #expect(agree(wrong.fittedTemperature(), LabelledPredictions.temperatureRange.upperBound))
    let even = LabelledPredictions(probabilities: [0.5, 0.5], classCount: 2, labels: [0])
    #expect(even.fittedTemperature()?.isFinite == true)
  }

  @Test("the conformal quantile is the ⌈(n + 1) · coverage⌉-th smallest score, as numpy computes it")
  func quantile() throws {
    let expected = try Fixture().conformal
    for entry in expected.quantiles {
      #expect(conformalQuantile(of: expected.scores, coverage: entry.coverage) == entry.quantile)
    }
    #expect(conformalQuantile(of: (1...19).map(Double.init), coverage: 0.95) == 19)
    #expect(conformalQuantile(of: (1...18).map(Double.init), coverage: 0.95) == .infinity)
    #expect(conformalQuantile(of: [], coverage: 0.9) == nil)
    #expect(conformalQuantile(of: [1, .nan], coverage: 0.9) == nil)
  }

  @Test("coverage and size of prediction sets")
  func sets() throws {
    let summary = try #require(PredictionSetSummary(sets: [[0], [1, 2], []], labels: [0, 2, 1]))
    #expect(agree(summary.coverage, 2.0 / 3) && summary.meanSize == 1 && agree(summary.emptyShare, 1.0 / 3))
  }
}
