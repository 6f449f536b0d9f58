import CE3System

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
  private let file: e3c_file

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

  /// - Parameter writable: the bytes may be changed in memory; the file stays as it is.
  init(_ path: UnsafePointer<CChar>, writable: Bool = false) throws(Failure) {
    var file = e3c_file()
    let error = writable ? e3c_map_file_copy(path, &file) : e3c_map_file(path, &file)
    if error == E3C_NOT_A_FILE { throw .report(path, "not a regular file") }
    guard error == 0 else { throw .report(path, errno: error) }
    self.file = file
  }

  deinit { withUnsafePointer(to: file) { e3c_unmap_file($0) } }
}
