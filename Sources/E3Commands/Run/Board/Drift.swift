import CE3
import CE3Board

/// Says when more answers are unknown than the calibration promised, and when that is over.
///
/// Answers are counted in blocks of 300. A block is above the promise when its share of unknown is more than four
/// standard deviations of a share of 300 images above it: chance alone does that once in 30,000 blocks.
struct Drift {
  private static var block: Int { 300 }

  /// Share of unknown that the calibration promises at most; nil: it promises none.
  private let promised: Float?
  private var seen = 0
  private var unknown = 0
  private var isAbove = false

  init(_ calibration: e3_calibration?) {
    promised = calibration.flatMap { $0.has_distance != 0 ? 1 - $0.known_coverage : nil }
  }

  /// Largest share of a block that keeps the promise.
  private static func limit(_ promised: Float) -> Float {
    promised + 4 * (promised * (1 - promised) / Float(block)).squareRoot()
  }

  /// Takes a decision in; reports when the promise is left or kept again.
  mutating func add(_ decision: e3_decision, _ path: UnsafePointer<CChar>) {
    guard let promised else { return }
    seen += 1
    if Int(decision) == E3_DECISION_UNKNOWN { unknown += 1 }
    guard seen == Self.block else { return }
    let share = Float(unknown) / Float(seen)
    (seen, unknown) = (0, 0)
    let wasAbove = isAbove
    isAbove = share > Self.limit(promised)
    guard isAbove != wasAbove else { return }
    _ = Failure.report(path, isAbove ? "drift: " : "drift is over: ") { errors in
      errors.write(percent: share)
      errors.write(" of the last 300 answers are unknown, the calibration promises ")
      errors.write(askedPercent: promised)
    }
  }
}
