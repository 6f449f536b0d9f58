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

/// A file mapped read-only, released at the end of the value's life.
struct MappedFile: ~Copyable {
  private let file: ce3_file

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

  /// - Parameter writable: the bytes may be changed in memory; the file stays as it is.
  init(_ path: UnsafePointer<CChar>, writable: Bool = false) throws(Failure) {
    var file = ce3_file()
    let error = ce3_map_file(path, Int32((writable ? CE3_MAP_COPY : CE3_MAP_READ) | CE3_MAP_HUGE), &file)
    if error == CE3_NOT_A_FILE { throw .report(path, "not a regular file") }
    guard error == 0 else { throw .report(path, errno: error) }
    self.file = file
  }

  deinit { withUnsafePointer(to: file) { ce3_unmap_file($0) } }
}
