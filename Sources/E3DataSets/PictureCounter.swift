import Synchronization

/// Counts the pictures of a data set of which something is true, each once however often it is read.
final class PictureCounter: Sendable {
  private let looked = Mutex<(at: Set<Int>, count: Int)>((at: [], count: 0))

  var count: Int { looked.withLock { $0.count } }

  /// Looks at the picture of the number `index`.
  func look(at index: Int, _ isCounted: () -> Bool) {
    guard looked.withLock({ $0.at.insert(index).inserted }), isCounted() else { return }
    looked.withLock { $0.count += 1 }
  }
}
