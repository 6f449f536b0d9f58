import Glibc

/// A bar on stderr that shows how far a long piece of work is and how long the rest may take: only on a terminal, and
/// only after a second.
public final class ProgressMeter {
  private let name: String
  private let isTerminal: Bool
  private let start: Double
  private var shownPercent = -1

  /// `name` says what is under way: `packing model.e3`.
  public init(_ name: String) {
    self.name = inOneLine(name)
    isTerminal = isatty(2) == 1
    start = Self.seconds()
  }

  deinit {
    if shownPercent >= 0 { writeToStandardError("\r\u{1B}[K") }
  }

  /// Tells the share of the work that is done, 0 to 1.
  public func update(_ share: Double) {
    let percent = Int(share * 100)
    guard isTerminal, percent != shownPercent, Self.seconds() - start > 1 else { return }
    shownPercent = percent
    let filled = max(0, min(percent, 100)) * Self.width / 100
    let bar = String(repeating: "=", count: filled) + String(repeating: ".", count: Self.width - filled)
    let left = share > 0 ? Int(((Self.seconds() - start) * (1 / share - 1)).rounded(.up)) : 0
    writeToStandardError("\r\u{1B}[K\(name) [\(bar)] \(percent) %, \(left) s left")
  }

  /// Characters of the bar.
  private static let width = 24

  private static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
