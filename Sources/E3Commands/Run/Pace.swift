import CE3Board
import CE3Threads

/// Keeps frames apart by at least an interval. Time that was lost is not made up for.
struct Pace {
  /// Nanoseconds; 0: frames follow as they come.
  let interval: UInt64
  private var due: UInt64 = 0

  init(interval: UInt64) { self.interval = interval }

  /// Sleeps until the next frame is due, or until a stop is asked for.
  mutating func wait() {
    if interval == 0 { return }
    e3c_wait_until(due)
    let now = ce3_clock_ns()
    due = (now > due + interval ? now : due) + interval
  }
}
