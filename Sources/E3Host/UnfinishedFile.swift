import Glibc
import Synchronization

/// The temporary names of the outputs that are being written, so that a signal can remove them. Files may be written on
/// several threads at once; of more than ``capacity`` at a time, the others are left behind by a signal.
public enum UnfinishedFile {
  private typealias Name = UnsafeMutablePointer<CChar>

  static let capacity = 16
  /// Copies of the names, for the signal handler, which may not use Swift strings. Whoever takes one out of its slot
  /// owns it.
  nonisolated(unsafe) private static let slots = {
    let slots = UnsafeMutablePointer<Atomic<Name?>>.allocate(capacity: capacity)
    for index in 0..<capacity { (slots + index).initialize(to: Atomic(nil)) }
    return slots
  }()

  /// Makes SIGHUP, SIGINT and SIGTERM remove the unfinished outputs before they end the process. For commands.
  public static func removeOnSignals() {
    _ = slots  // Made before a handler can need them.
    for number in [SIGHUP, SIGINT, SIGTERM] {
      // A signal that was ignored from the start, as under nohup, stays ignored.
      let previous = signal(number, SIG_IGN)
      guard unsafeBitCast(previous, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) else { continue }
      signal(number) { number in
        UnfinishedFile.removeAll()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  /// Removes the unfinished outputs. For signal handlers.
  static func removeAll() {
    for index in 0..<capacity {
      if let name = slots[index].exchange(nil, ordering: .acquiringAndReleasing) { unlink(name) }
    }
  }

  /// - Returns: the slot to give to ``unregister(_:)``; nil when all are taken.
  static func register(_ path: String) -> Int? {
    guard let name = strdup(path) else { return nil }
    for index in 0..<capacity
    where slots[index].compareExchange(expected: nil, desired: name, ordering: .acquiringAndReleasing).exchanged {
      return index
    }
    free(name)
    return nil
  }

  static func unregister(_ slot: Int) {
    if let name = slots[slot].exchange(nil, ordering: .acquiringAndReleasing) { free(name) }
  }
}
