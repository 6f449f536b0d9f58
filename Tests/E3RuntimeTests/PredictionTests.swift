import CE3
import E3TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite("An answer")
struct PredictionTests {
  // promise: entropies, result
  @Test(
    "is the mean of the members' softmax, with entropies and disagreement as defined", arguments: 0..<8 as Range<UInt64>
  )
  func definitions(seed: UInt64) throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let session = try OpenSession(model, sessionOptions())
    let result = try session.run(model.image(seed: seed))
    let (members, classes) = (Int(result.members), Int(result.classes))
    #expect(members == 3 && classes == 37)
    var mean = [Double](repeating: 0, count: classes)
    var expected = 0.0
    var tops: [Int] = []
    for member in 0..<members {
      let logits = (0..<classes).map { Double(result.member_logits[member * classes + $0]) }
      let largest = logits.max()!
      let exponentials = logits.map { exp($0 - largest) }
      let probabilities = exponentials.map { $0 / exponentials.reduce(0, +) }
      for index in 0..<classes {
        #expect(abs(Double(result.member_probabilities[member * classes + index]) - probabilities[index]) < 1e-6)
        mean[index] += probabilities[index] / Double(members)
      }
      expected -= probabilities.map { $0 * log($0) }.reduce(0, +) / Double(members)
      tops.append(logits.firstIndex(of: largest)!)
    }
    for index in 0..<classes { #expect(abs(Double(result.probabilities[index]) - mean[index]) < 1e-6) }
    let total = -mean.map { $0 * log($0) }.reduce(0, +)
    #expect(abs(Double(result.total_entropy) - total) < 1e-5)
    #expect(abs(Double(result.expected_entropy) - expected) < 1e-5)
    #expect(abs(Double(result.mutual_information) - (total - expected)) < 1e-5)
    let pairs = [(0, 1), (0, 2), (1, 2)].filter { tops[$0.0] != tops[$0.1] }.count
    #expect(result.disagreement == Float(pairs) / 3)
    #expect(Int(result.top_class) == mean.firstIndex(of: mean.max()!))
    #expect(result.top_probability == result.probabilities[Int(result.top_class)])
    #expect(result.distance.isNaN && result.relative_distance.isNaN, "the file carries no calibration")
    #expect(result.prediction_set_count == 0)
  }
}
