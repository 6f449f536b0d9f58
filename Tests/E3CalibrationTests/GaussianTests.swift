import E3TestSupport
import Testing
@testable import E3Calibration

@Suite("Means and spreads")
struct GaussianTests {
  let size = 19
  let rows: [Float]
  let group: [Int]

  init() {
    var random = SplitMix(state: 5)
    group = (0..<200).map { _ in Int(random.next() % 3) }
    var rows: [Float] = []
    for index in 0..<200 {
      let shared = random.float
      for i in 0..<size { rows.append(Float(group[index]) * 3 + shared + random.float * Float(i + 1) * 0.1) }
    }
    self.rows = rows
  }

  private func withRows<R>(_ body: (@escaping @Sendable (Int) -> UnsafePointer<Float>) -> R) -> R {
    rows.withUnsafeBufferPointer { buffer in
      nonisolated(unsafe) let start = buffer.baseAddress!
      let size = size
      return body { start + $0 * size }
    }
  }

  @Test("means are those of the groups")
  func means() {
    let means = withRows { Gaussian.means($0, group: group, groups: 3, size: size) }
    for g in 0..<3 {
      let members = group.indices.filter { group[$0] == g }
      for i in 0..<size {
        let exact = members.reduce(0.0) { $0 + Double(rows[$1 * size + i]) } / Double(members.count)
        #expect(abs(means[g * size + i] - exact) < 1e-12)
      }
    }
  }

  @Test("a covariance that is drawn towards a round one keeps its trace, the more the more rows there are")
  func shrinkage() {
    func shares(_ count: Int) -> (kept: Double, trace: Double) {
      withRows { row in
        let part = Array(group[..<count])
        let means = Gaussian.means(row, group: part, groups: 3, size: size)
        let plain = Gaussian.covariance(row, group: part, means: means, size: size)
        let drawn = Gaussian.covariance(row, group: part, means: means, size: size, shrinks: true)
        func trace(_ matrix: [Double]) -> Double { (0..<size).reduce(0) { $0 + matrix[$1 * size + $1] } }
        let kept = drawn[size] / plain[size]
        for i in 1..<size {
          for j in 0..<i { #expect(abs(drawn[i * size + j] - kept * plain[i * size + j]) < 1e-9) }
        }
        return (kept, trace(drawn) / trace(plain))
      }
    }
    let (few, many) = (shares(12), shares(200))
    #expect(abs(few.trace - 1) < 1e-9 && abs(many.trace - 1) < 1e-9)
    #expect(few.kept > 0 && few.kept < many.kept && many.kept < 1, "\(few.kept), \(many.kept)")
  }

  @Test("the covariance is that about the groups' means, with a millionth of its mean diagonal added")
  func covariance() {
    let (means, covariance) = withRows { row in
      let means = Gaussian.means(row, group: group, groups: 3, size: size)
      return (means, Gaussian.covariance(row, group: group, means: means, size: size))
    }
    func exact(_ i: Int, _ j: Int) -> Double {
      group.indices.reduce(0.0) { sum, n in
        let mean = group[n] * size
        return sum + (Double(rows[n * size + i]) - means[mean + i]) * (Double(rows[n * size + j]) - means[mean + j])
      } / 200
    }
    let extra = (0..<size).reduce(0.0) { $0 + exact($1, $1) } / Double(size) * 1e-6
    for i in 0..<size {
      for j in 0...i { #expect(abs(covariance[i * size + j] - exact(i, j) - (i == j ? extra : 0)) < 1e-12) }
    }
  }

  @Test("a whitening takes the covariance to one, and is lower-triangular")
  func whitening() throws {
    let covariance = withRows { row in
      Gaussian.covariance(
        row, group: group, means: Gaussian.means(row, group: group, groups: 3, size: size), size: size)
    }
    let w = try #require(Gaussian.whitening(covariance, size: size))
    for i in 0..<size {
      for j in i + 1..<size { #expect(w[i * size + j] == 0) }
    }
    func s(_ i: Int, _ j: Int) -> Double { covariance[max(i, j) * size + min(i, j)] }
    for i in 0..<size {
      for j in 0..<size {
        var sum = 0.0
        for a in 0..<size { for b in 0..<size { sum += w[i * size + a] * s(a, b) * w[j * size + b] } }
        #expect(abs(sum - (i == j ? 1 : 0)) < 1e-9)
      }
    }
  }

  @Test("what does not vary has no whitening")
  func constant() { #expect(Gaussian.whitening([0, 0, 0, 0], size: 2) == nil) }
}
