import CE3

/// The classes of an answer from the most probable one on; the lower index first on a tie. Needs no memory: each step
/// looks for the largest probability after the previous one. (Not a `Sequence`: that brings code that allocates.)
struct Ranking {
  private let result: e3_result
  private var left: Int
  private var previous: UInt32?

  /// The first `count` classes, all when there are fewer.
  init(_ result: e3_result, count: Int) {
    self.result = result
    left = min(count, Int(result.classes))
  }

  mutating func next() -> UInt32? {
    guard left > 0, let probabilities = result.probabilities else { return nil }
    left -= 1
    var best: UInt32?
    for index in 0..<result.classes {
      let probability = probabilities[Int(index)]
      if let previous {
        let last = probabilities[Int(previous)]
        guard probability < last || (probability == last && index > previous) else { continue }
      }
      if let found = best, probabilities[Int(found)] >= probability { continue }
      best = index
    }
    previous = best
    return best
  }
}
