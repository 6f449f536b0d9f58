import Foundation

/// A file without a name, for one standard descriptor of a command.
package final class Scratch {
  package let descriptor: Int32

  package init(_ contents: [UInt8] = []) throws {
    var template = Array("/tmp/e3-tests-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    if descriptor < 0 { throw POSIXError(.EIO) }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    try FileHandle(fileDescriptor: descriptor).write(contentsOf: Data(contents))
    lseek(descriptor, 0, SEEK_SET)
  }

  deinit { close(descriptor) }

  /// Everything in the file.
  package var text: String {
    lseek(descriptor, 0, SEEK_SET)
    return String(decoding: FileHandle(fileDescriptor: descriptor).readDataToEndOfFile(), as: UTF8.self)
  }
}
