import CE3
import CE3Kernels
import CE3Threads

/// What one core can do at best, measured now.
struct Peak {
  /// Billions of int8 multiply-accumulates a second from registers; NaN where the tier has no such loop (scalar).
  let gmacPerSecond: Double

  /// The best of 200 runs of about a millisecond, of each of the tier's loops: processors need a while to reach their
  /// highest clock.
  init(isa: e3_isa) {
    var best = Double.nan
    for run in 0..<400 {
      let start = ce3_clock_ns()
      let macs = e3k_peak_macs(isa, UInt32(run % 2), 400_000)
      let elapsed = ce3_clock_ns() - start
      guard macs > 0, elapsed > 0 else { continue }
      let rate = Double(macs) / Double(elapsed)
      best = best.isNaN ? rate : max(best, rate)
    }
    gmacPerSecond = best
  }
}

/// Bytes from memory that one core reads in a second, in billions: the best of 8 passes over more than the caches hold.
struct ReadBandwidth {
  let gigabytesPerSecond: Double

  /// - Parameter memory: larger than the last-level cache; already written to.
  init(over memory: borrowing Memory) {
    let bytes = memory.count / 512 * 512
    var best = 0.0
    var sink: UInt64 = 0
    for _ in 0..<8 {
      let start = ce3_clock_ns()
      sink ^= e3k_read_all(memory.start, bytes)
      best = max(best, Double(bytes) / Double(max(ce3_clock_ns() - start, 1)))
    }
    withUnsafeBytes(of: sink) { _ in }
    gigabytesPerSecond = best
  }
}
