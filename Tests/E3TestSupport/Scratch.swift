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

  /// Everything in the file. A process that still writes to it is not disturbed: its place in the file stays.
  package var text: String {
    var (bytes, part): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 1 << 16))
    while case let count = pread(descriptor, &part, part.count, off_t(bytes.count)), count > 0 {
      bytes += part.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
