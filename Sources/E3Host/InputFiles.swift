import CE3Files
import Synchronization

/// The files that a command has read so far, those too that it found beside others or in a folder: no output may take
/// the place of one.
package enum InputFiles {
  private struct Key: Hashable {
    let device, file: UInt64
  }

  /// Nil in a process that is no command.
  private static let read = Mutex<Set<Key>?>(nil)

  /// Notes files from now on.
  static func begin() { read.withLock { $0 = [] } }

  static func note(_ stamp: ce3_stamp) { _ = read.withLock { $0?.insert(key(of: stamp)) } }

  /// Whether the file that has the name `path` now was read.
  static func contains(_ path: String) -> Bool {
    var stamp = ce3_stamp()
    guard ce3_read_stamp(path, &stamp) == 0 else { return false }
    return read.withLock { $0?.contains(key(of: stamp)) ?? false }
  }

  private static func key(of stamp: ce3_stamp) -> Key { Key(device: stamp.device, file: stamp.inode) }
}
