import CE3
import CE3Board

/// Milliseconds from just before a process is started to its first answer, the page cache with and without the file.
struct ColdStart {
  let cached: Double
  let uncached: Double

  /// The fastest of five starts with the file in the page cache, and of three without.
  init(_ path: UnsafePointer<CChar>, _ options: BenchOptions) throws(Failure) {
    cached = try Self.fastest(of: 5, path, options, dropsCache: false)
    uncached = try Self.fastest(of: 3, path, options, dropsCache: true)
  }

  private static func fastest(
    of count: Int, _ path: UnsafePointer<CChar>, _ options: BenchOptions, dropsCache: Bool
  ) throws(Failure) -> Double {
    var fastest = Int64.max
    for _ in 0..<count {
      if dropsCache {
        let error = e3c_drop_cached(path)
        if error != 0 { throw .report(path, errno: error) }
      }
      let elapsed = firstFrame(path, options)
      // The child has said on standard error what is wrong with the model.
      guard elapsed >= 0 else { throw .failed }
      fastest = min(fastest, elapsed)
    }
    return Double(fastest) / 1e6
  }

  /// Starts this program with `--first-frame` on the same tier, with the same resident bytes. It computes with one thread
  /// whatever `--threads` says: a cold start of several threads would measure how the system starts threads.
  private static func firstFrame(_ path: UnsafePointer<CChar>, _ options: BenchOptions) -> Int64 {
    var arguments = InlineArray<8, UnsafePointer<CChar>?>(repeating: nil)
    let isaName = e3_isa_name(options.session.isa)
    arguments[0] = CString.pointer("--first-frame")
    var count = 1
    if options.session.isa != 0 {
      (arguments[count], arguments[count + 1]) = (CString.pointer("--isa"), isaName)
      count += 2
    }
    if let resident = options.resident {
      (arguments[count], arguments[count + 1]) = (CString.pointer("--resident"), resident)
      count += 2
    }
    arguments[count] = path
    return arguments.span.withUnsafeBufferPointer { e3c_time_child($0.baseAddress!) }
  }
}
