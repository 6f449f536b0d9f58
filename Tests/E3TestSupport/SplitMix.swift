/// A reproducible source of numbers.
package struct SplitMix: RandomNumberGenerator {
  package var state: UInt64

  package init(state: UInt64) { self.state = state }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Between -1 and 1.
  package var float: Float {
    mutating get { Float(Int64(bitPattern: next()) >> 40) / Float(1 << 23) }
  }
}

/// Reproducible bytes that look like nothing.
package func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var random = SplitMix(state: seed)
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}
