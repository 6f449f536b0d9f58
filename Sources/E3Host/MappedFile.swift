import CE3Files
import Glibc

/// A file mapped read-only. Its pages can be given back to the system after use, so that reading a checkpoint that
/// is larger than memory never holds more than the pages in use. In a command, a file that another process shortens
/// meanwhile is a message and status 1 (`ce3_start_command`); one that it writes to is noticed by a ``FileWatch``.
///
/// Sendable: the bytes are only ever read.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  private let file: ce3_file

  /// When it was last written, and which it is.
  var stamp: ce3_stamp { file.stamp }

  /// The whole file. Valid as long as this object lives.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: file.bytes, count: file.size) }

  /// Maps the regular file at `path`. An empty file is an error, as no format here has one.
  ///
  /// - Parameter isModel: How a message calls it.
  package init(path: String, isModel: Bool = false) throws(FileError) {
    var file = ce3_file()
    let watch = FileWatch.current
    let how = CE3_MAP_READ + (watch == nil ? 0 : CE3_MAP_WATCH) + (isModel ? CE3_MAP_MODEL : 0)
    let error = ce3_map_file(path, Int32(how), &file)
    guard error != CE3_NOT_A_FILE else { throw FileError(file: path, problem: "not a regular file") }
    guard error == 0 else { throw FileError(file: path, problem: String(cString: strerror(error))) }
    guard file.size > 0 else { throw FileError(file: path, problem: "the file is empty") }
    (self.path, self.file) = (path, file)
    InputFiles.note(file.stamp)
    watch?.add(self)
  }

  deinit { withUnsafePointer(to: file) { ce3_unmap_file($0) } }

  /// Gives the whole pages inside `range` back to the system. They are read again from the file on the next access.
  package func release(_ range: Range<Int>) {
    withUnsafePointer(to: file) { ce3_release_pages($0, range.lowerBound, range.count) }
  }
}

extension MappedFile {
  /// - Throws: when the file was written to since it was mapped, as far as a ``FileWatch`` knows it.
  fileprivate func requireUnchanged() throws(FileError) {
    switch withUnsafePointer(to: file, { Int(ce3_file_changes($0)) }) {
    case 0: return
    case CE3_STATUS_CHANGED:
      throw FileError(file: path, problem: "the file, its name or its permissions were changed while it was read")
    default: throw FileError(file: path, problem: "the file was changed while it was read")
    }
  }
}

/// The files that are mapped during some work, to see afterwards that nobody has written to them meanwhile.
package final class FileWatch: @unchecked Sendable {
  @TaskLocal fileprivate static var current: FileWatch?
  private var files: [MappedFile] = []

  package init() {}

  /// Calls `body`; the files that it maps, on this thread, are watched.
  package func during<R>(_ body: () throws(FileError) -> R) throws(FileError) -> R {
    try Self.$current.withValue(self) { Result { () throws(FileError) in try body() } }.get()
  }

  /// - Throws: names the first file that was written to since it was mapped. A rename, a link or new permissions count,
  ///   too: they change the only time stamp that cannot be set back.
  package func requireUnchanged() throws(FileError) {
    for file in files { try file.requireUnchanged() }
  }

  fileprivate func add(_ file: MappedFile) { files.append(file) }
}

/// The text of `errno`.
package func systemErrorText() -> String { String(cString: strerror(errno)) }

/// Whether there is a file at `path`, of whatever kind, as far as the system tells.
package func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 || errno != ENOENT }
