import Glibc

/// A file mapped read-only. Its pages can be given back to the system after use, so that reading a checkpoint that
/// is larger than memory never holds more than the pages in use. As with every mapping, a file that another process
/// shortens meanwhile ends this one.
///
/// Sendable: the bytes are only ever read.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  /// The whole file. Valid as long as this object lives.
  package let bytes: UnsafeRawBufferPointer

  /// Maps the regular file at `path`. An empty file is an error, as no format here has one.
  package init(path: String) throws(CheckpointError) {
    self.path = path
    // Not blocking: a pipe without a writer would never open.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw CheckpointError(file: path, problem: systemErrorText()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CheckpointError(file: path, problem: systemErrorText()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw CheckpointError(file: path, problem: "not a regular file") }
    guard let size = Int(exactly: status.st_size), size > 0 else {
      throw CheckpointError(file: path, problem: "the file is empty")
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw CheckpointError(file: path, problem: systemErrorText())
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

  /// Gives the whole pages inside `range` back to the system. They are read again from the file on the next access.
  func release(_ range: Range<Int>) {
    let page = sysconf(Int32(_SC_PAGESIZE))
    let first = (range.lowerBound + page - 1) / page * page
    let last = range.upperBound == bytes.count ? bytes.count : range.upperBound / page * page
    guard first < last, let base = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + first), last - first, MADV_DONTNEED)
  }
}

/// The text of `errno`.
package func systemErrorText() -> String { String(cString: strerror(errno)) }
