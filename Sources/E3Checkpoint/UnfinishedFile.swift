import Glibc

/// The temporary name of the output that is being written, if it has one, so that a signal can remove it.
public enum UnfinishedFile {
  /// A copy of the name, for the signal handler, which may not use Swift strings.
  nonisolated(unsafe) private static var name: UnsafeMutablePointer<CChar>?

  /// Makes SIGHUP, SIGINT and SIGTERM remove the unfinished output before they end the process. For commands.
  public static func removeOnSignals() {
    for number in [SIGHUP, SIGINT, SIGTERM] {
      // A signal that was ignored from the start, as under nohup, stays ignored.
      let previous = signal(number, SIG_IGN)
      guard unsafeBitCast(previous, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) else { continue }
      signal(number) { number in
        if let name = UnfinishedFile.name { unlink(name) }
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  static func register(_ path: String) { name = strdup(path) }

  static func unregister() {
    // Cleared before it is freed: a signal may come in between.
    let old = name
    name = nil
    free(old)
  }
}
