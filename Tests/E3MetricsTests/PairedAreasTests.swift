import E3Metrics
import Testing

@Suite("Areas under two ROC curves of the same items")
struct PairedAreasTests {
  private let first = (positives: [0.9, 0.8, 0.4, 0.7, 0.7], negatives: [0.1, 0.5, 0.7, 0.2])
  private let second = (positives: [0.6, 0.9, 0.3, 0.5, 0.8], negatives: [0.4, 0.1, 0.6, 0.55])

  @Test("are the AUROC of each, and the error is that of DeLong's placements")
  func known() throws {
    let areas = try #require(PairedAreas(first: first, second: second))
    let detections = [first, second].map { Detection(positives: $0.positives, negatives: $0.negatives)?.auroc }
    #expect(abs(areas.first - (detections[0] ?? 0)) < 1e-12 && abs(areas.second - (detections[1] ?? 0)) < 1e-12)
    // Placements by hand: of the positives 1, 1, .5, .875, .875 and .875, 1, .25, .5, 1; of the negatives 1, .8, .6, 1
    // and .8, 1, .5, .6, less each other.
    func error(_ values: [Double]) -> Double {
      let mean = values.reduce(0, +) / Double(values.count)
      return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1) / Double(values.count)
    }
    let positives = [0.125, 0, 0.25, 0.375, -0.125]
    let negatives = [0.2, -0.2, 0.1, 0.4]
    #expect(abs(areas.standardError - (error(positives) + error(negatives)).squareRoot()) < 1e-12)
  }

  @Test("of one score twice differ by nothing")
  func equal() throws {
    let areas = try #require(PairedAreas(first: first, second: first))
    #expect(areas.first == areas.second && areas.standardError == 0)
  }

  @Test("need two items of each kind, and no NaN")
  func undefined() {
    #expect(PairedAreas(first: ([1], [0, 2]), second: ([1], [0, 2])) == nil)
    #expect(PairedAreas(first: ([1, 2], [0]), second: ([1, 2], [0])) == nil)
    #expect(PairedAreas(first: ([1, .nan], [0, 0]), second: ([1, 2], [0, 0])) == nil)
    #expect(PairedAreas(first: ([1, .infinity], [0, 0]), second: ([1, 2], [0, 0]))?.first == 1)
  }
}
