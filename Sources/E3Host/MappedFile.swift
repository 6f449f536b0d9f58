import CE3Files
import Glibc

/// A file mapped read-only. Its pages can be given back to the system after use, so that reading a checkpoint that
/// is larger than memory never holds more than the pages in use. As with every mapping, a file that another process
/// shortens meanwhile ends this one.
///
/// Sendable: the bytes are only ever read.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  private let file: ce3_file

  /// The whole file. Valid as long as this object lives.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

  /// Maps the regular file at `path`. An empty file is an error, as no format here has one.
  package init(path: String) throws(FileError) {
    var file = ce3_file()
    let error = ce3_map_file(path, Int32(CE3_MAP_READ), &file)
    guard error != CE3_NOT_A_FILE else { throw FileError(file: path, problem: "not a regular file") }
    guard error == 0 else { throw FileError(file: path, problem: String(cString: strerror(error))) }
    guard file.size > 0 else { throw FileError(file: path, problem: "the file is empty") }
    (self.path, self.file) = (path, file)
  }

  deinit { withUnsafePointer(to: file) { ce3_unmap_file($0) } }

  /// Gives the whole pages inside `range` back to the system. They are read again from the file on the next access.
  package func release(_ range: Range<Int>) {
    withUnsafePointer(to: file) { ce3_release_pages($0, range.lowerBound, range.count) }
  }
}

/// The text of `errno`.
package func systemErrorText() -> String { String(cString: strerror(errno)) }
