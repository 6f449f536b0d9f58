import CE3
import CE3Board

/// A decision over the last frames.
struct SmoothedAnswer {
  /// Frames that it is made over, and how many of these are unknown.
  let frames: Int, unknown: Int
  let decision: e3_decision
  /// Nil when it is unknown.
  let top: (index: UInt32, probability: Float)?
}

/// Decisions over the last N answers of each region.
///
/// Unknown when at least half of them are. Otherwise the probabilities of those that are not unknown are averaged; the
/// class with the largest mean is accepted when that reaches the threshold of the calibration, else it is unsure.
struct Smoothing: ~Copyable {
  private let length: Int, classes: Int
  private let memory: Memory
  /// Of each region: answers so far, until the window is full; and the place of the next one.
  private var filled = InlineArray<16, Int>(repeating: 0)
  private var next = InlineArray<16, Int>(repeating: 0)

  /// A window of `length` answers for each region.
  init(length: Int, regions: Int, classes: Int) throws(Failure) {
    self.length = length
    self.classes = classes
    let (bytes, overflow) = (length * regions).multipliedReportingOverflow(by: Self.stride(classes))
    guard !overflow, let memory = Memory(count: bytes) else { throw .report(nil, "out of memory for --smooth") }
    self.memory = memory
  }

  /// Bytes of an answer: its decision and its probabilities.
  private static func stride(_ classes: Int) -> Int { 4 * (classes + 1) }

  /// Forgets all answers.
  mutating func reset() {
    for region in 0..<16 { (filled[region], next[region]) = (0, 0) }
  }

  /// Takes an answer in and decides.
  mutating func add(_ result: e3_result, region: Int, acceptFrom threshold: Float) -> SmoothedAnswer {
    let place = answer(region, next[region])
    place.storeBytes(of: result.decision, as: UInt32.self)
    (place + 4).copyMemory(from: result.probabilities, byteCount: 4 * classes)
    next[region] = (next[region] + 1) % length
    filled[region] = min(filled[region] + 1, length)

    let count = filled[region]
    var unknown = 0
    for index in 0..<count where isUnknown(answer(region, index)) { unknown += 1 }
    if 2 * unknown >= count {
      return SmoothedAnswer(frames: count, unknown: unknown, decision: e3_decision(E3_DECISION_UNKNOWN), top: nil)
    }
    var top: (index: UInt32, probability: Float) = (0, -1)
    for index in 0..<classes {
      // From the oldest to the newest, so that the sum is the same whatever the place in the ring.
      var sum: Float = 0
      for age in 0..<count {
        let place = answer(region, (next[region] + length - count + age) % length)
        if !isUnknown(place) { sum += place.load(fromByteOffset: 4 + 4 * index, as: Float.self) }
      }
      let mean = sum / Float(count - unknown)
      if mean > top.probability { top = (UInt32(index), mean) }
    }
    let decision = top.probability >= threshold ? E3_DECISION_ACCEPT : E3_DECISION_UNSURE
    return SmoothedAnswer(frames: count, unknown: unknown, decision: e3_decision(decision), top: top)
  }

  private func isUnknown(_ place: UnsafeMutableRawPointer) -> Bool {
    place.load(as: UInt32.self) == UInt32(E3_DECISION_UNKNOWN)
  }

  private func answer(_ region: Int, _ index: Int) -> UnsafeMutableRawPointer {
    memory.start + (region * length + index) * Self.stride(classes)
  }
}
