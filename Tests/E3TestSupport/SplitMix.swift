import E3Host

package typealias SplitMix = SplitMix64

extension SplitMix64 {
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
