import CE3Board
import CE3Files

/// Pages of this command's own, zeroed, released at the end of the value's life.
struct Memory: ~Copyable {
  let start: UnsafeMutableRawPointer
  let count: Int

  /// Nil when the system has no memory.
  init?(count: Int) {
    guard let start = e3c_map_memory(max(count, 1)) else { return nil }
    self.start = start
    self.count = max(count, 1)
  }

  deinit { e3c_unmap_memory(start, count) }
}

/// How the bytes of a model file come into memory.
enum LoadMode: Int32 {
  /// Pages are read when they are needed, and may be dropped and read again.
  case map
  /// All pages are read at once and stay.
  case lock
  /// All bytes are read into memory: the file may then be changed.
  case copy
}

/// A file mapped read-only, released at the end of the value's life.
struct MappedFile: ~Copyable {
  private let path: UnsafePointer<CChar>
  private var file: ce3_file

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

  /// When the file that was mapped was last written.
  var stamp: ce3_stamp { file.stamp }

  /// - Parameter writable: the bytes may be changed in memory; the file stays as it is.
  init(_ path: UnsafePointer<CChar>, writable: Bool = false) throws(Failure) {
    try self.init(path, how: writable ? CE3_MAP_COPY : CE3_MAP_READ)
  }

  /// Maps or reads a model file, which is watched from then on. Of a mapped one single pages are read until ``readOn()``.
  init(model path: UnsafePointer<CChar>, _ mode: LoadMode) throws(Failure) {
    switch mode {
    case .map: try self.init(path, how: CE3_MAP_MODEL + CE3_MAP_WATCH + CE3_MAP_LOOK)
    case .lock: try self.init(path, how: CE3_MAP_MODEL + CE3_MAP_WATCH + CE3_MAP_LOCK)
    case .copy: try self.init(path, how: CE3_MAP_MODEL + CE3_MAP_MEMORY)
    }
  }

  private init(_ path: UnsafePointer<CChar>, how: Int) throws(Failure) {
    var file = ce3_file()
    let error = ce3_map_file(path, Int32(how & CE3_MAP_LOOK != 0 ? how : how + CE3_MAP_HUGE), &file)
    if error == CE3_NOT_A_FILE { throw .report(path, "not a regular file") }
    if error == CE3_FILE_CHANGED { throw .report(path, "the file was changed while it was read") }
    if error == CE3_NOT_LOCKED {
      throw .report(path, "the system does not lock so much memory for this process (ulimit -l)")
    }
    guard error == 0 else { throw .report(path, errno: error) }
    self.path = path
    self.file = file
  }

  deinit { withUnsafePointer(to: file) { ce3_unmap_file($0) } }

  /// From now on pages are read ahead.
  ///
  /// - Parameter isHuge: In pieces as large as the system has pages.
  func readOn(isHuge: Bool = true) {
    withUnsafePointer(to: file) { ce3_read_on($0, Int32(isHuge ? CE3_MAP_HUGE : CE3_MAP_READ)) }
  }

  /// Of the file, while it is watched; -1: of none.
  var descriptor: Int32 { file.descriptor }

  /// Whether the name, the owner or the permissions were changed since it was mapped, or since the last call: or the bytes,
  /// and their time stamp was set back.
  ///
  /// - Throws: when the file was written to.
  mutating func hasNewStatus() throws(Failure) -> Bool {
    let changes = withUnsafePointer(to: file) { ce3_file_changes($0) }
    guard changes & Int32(CE3_BYTES_CHANGED) == 0 else { throw reportChanged() }
    if changes != 0 { ce3_take_status(&file) }
    return changes != 0
  }

  func reportChanged() -> Failure { .report(path, "the model file was changed while it was in use") }
}
