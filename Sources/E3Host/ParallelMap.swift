import Dispatch
import Synchronization

/// Work on the numbers `0 ..< count` in chunks, on several threads.
///
/// - Parameters:
///   - progress: Is told how many are done, from one thread at a time.
///   - makeWorker: Makes what one thread needs for itself.
///   - body: Computes one chunk with its thread's worker.
/// - Returns: the chunks' results in order, whichever thread computed them.
/// - Throws: the fault of the lowest chunk that has one, so that messages do not depend on the threads' order.
package func parallelMap<Worker: ~Copyable, Output: Sendable>(
  count: Int, chunk: Int, threads: Int, progress: (Int) -> Void,
  makeWorker: @Sendable () throws(FileError) -> Worker,
  body: @Sendable (inout Worker, Range<Int>) throws(FileError) -> Output
) throws(FileError) -> [Output] {
  let chunks = (count + chunk - 1) / chunk
  let state = Mutex(ParallelState<Output>())
  // The closure is called under the mutex only.
  nonisolated(unsafe) let progress = progress
  DispatchQueue.concurrentPerform(iterations: max(1, min(threads, chunks))) { _ in
    do throws(FileError) {
      var worker = try makeWorker()
      while let index = state.withLock({ $0.take(below: chunks) }) {
        let range = index * chunk..<min((index + 1) * chunk, count)
        do throws(FileError) {
          let output = try body(&worker, range)
          state.withLock { state in
            state.outputs[index] = output
            state.done += range.count
            progress(state.done)
          }
        } catch {
          state.withLock { $0.fail(error, at: index) }
        }
      }
    } catch {
      state.withLock { $0.fail(error, at: -1) }
    }
  }
  let (outputs, fault) = state.withLock { ($0.outputs, $0.fault) }
  if let fault { throw fault.error }
  return (0..<chunks).compactMap { outputs[$0] }
}

private struct ParallelState<Output: Sendable>: Sendable {
  var next = 0
  var done = 0
  var outputs: [Int: Output] = [:]
  var fault: (error: FileError, index: Int)?

  /// The next chunk to compute; nil when there is none or after a fault.
  mutating func take(below end: Int) -> Int? {
    guard fault == nil, next < end else { return nil }
    next += 1
    return next - 1
  }

  mutating func fail(_ error: FileError, at index: Int) {
    if let fault, fault.index <= index { return }
    fault = (error, index)
  }
}
