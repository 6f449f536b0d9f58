import E3Host
import Testing
@testable import E3Converter

@Suite("Cholesky factor")
struct CholeskyFactorTests {
  private static func numbers(_ count: Int) -> [Double] {
    var random = SplitMix64(state: 5)
    return (0..<count).map { _ in Double(Int64(bitPattern: random.next()) >> 40) / Double(1 << 23) }
  }

  /// AᵀA + 1, of which only the part from the diagonal on is given.
  private static func matrix(_ size: Int) -> (whole: [Double], given: [Double]) {
    let a = numbers(size * size)
    var (whole, given) = ([Double](repeating: 0, count: size * size), [Double](repeating: .nan, count: size * size))
    for i in 0..<size {
      for j in 0..<size {
        whole[i * size + j] = (0..<size).reduce(i == j ? 1 : 0) { $0 + a[$1 * size + i] * a[$1 * size + j] }
        if j >= i { given[i * size + j] = whole[i * size + j] }
      }
    }
    return (whole, given)
  }

  @Test("solves, within a block and over several", arguments: [1, 2, 63, 64, 65, 150])
  func solves(size: Int) throws {
    let (whole, given) = Self.matrix(size)
    let factor = try #require(CholeskyFactor(given, size: size))
    let wanted = Self.numbers(size * 3)
    var values = [Double](repeating: 0, count: size * 3)
    for i in 0..<size {
      for column in 0..<3 {
        values[i * 3 + column] = (0..<size).reduce(0) { $0 + whole[i * size + $1] * wanted[$1 * 3 + column] }
      }
    }
    factor.solve(&values, columns: 3)
    #expect(zip(values, wanted).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  @Test("its lines divided by the diagonal, with those of the diagonal, give the matrix back")
  func lines() throws {
    let size = 70
    let (whole, given) = Self.matrix(size)
    let lines = try #require(CholeskyFactor(given, size: size)).linesByDiagonal
    // The squares of the diagonal are the pivots of elimination.
    var pivots: [Double] = []
    for i in 0..<size {
      #expect(lines[i * size + i] == 1 && (0..<i).allSatisfy { lines[i * size + $0] == 0 })
      let above = (0..<i).reduce(0.0) { $0 + pivots[$1] * Double(lines[$1 * size + i]) * Double(lines[$1 * size + i]) }
      pivots.append(whole[i * size + i] - above)
    }
    for i in 0..<size {
      for j in i..<size {
        let sum = (0...i).reduce(0.0) { $0 + pivots[$1] * Double(lines[$1 * size + i]) * Double(lines[$1 * size + j]) }
        #expect(abs(sum - whole[i * size + j]) < 1e-4)
      }
    }
  }

  @Test("a matrix that is not positive definite has none", arguments: [[-1.0], [1, 2, 0, 1], [1, 1, 0, 1], [.nan]])
  func indefinite(matrix: [Double]) {
    #expect(CholeskyFactor(matrix, size: matrix.count == 1 ? 1 : 2) == nil)
  }
}
