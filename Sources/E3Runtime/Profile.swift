import CE3Threads

/// Where the time of the last run went, in nanoseconds of the first worker.
struct Profile {
  enum Stage { case preprocess, embedding, attention, mlp, routing, experts, head }

  private(set) var preprocess: UInt64 = 0
  private(set) var embedding: UInt64 = 0
  private(set) var attention: UInt64 = 0
  private(set) var mlp: UInt64 = 0
  private(set) var routing: UInt64 = 0
  private(set) var experts: UInt64 = 0
  private(set) var head: UInt64 = 0
  /// When the last stage ended, by the monotonic clock.
  private(set) var last: UInt64

  /// Starts the clock.
  init() { last = ce3_clock_ns() }

  /// Adds the time since the last call to `stage`.
  mutating func end(_ stage: Stage) {
    let now = ce3_clock_ns()
    let elapsed = now &- last
    last = now
    switch stage {
    case .preprocess: preprocess &+= elapsed
    case .embedding: embedding &+= elapsed
    case .attention: attention &+= elapsed
    case .mlp: mlp &+= elapsed
    case .routing: routing &+= elapsed
    case .experts: experts &+= elapsed
    case .head: head &+= elapsed
    }
  }
}
