import Glibc

/// The bytes of a file of at most 64 MiB.
package func readTextFile(path: String) throws(FileError) -> [UInt8] {
  func failure() -> FileError { FileError(file: path, problem: systemErrorText()) }
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw failure() }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(descriptor, &block, block.count)
    if count < 0 {
      if errno == EINTR { continue }
      throw failure()
    }
    if count == 0 { return bytes }
    bytes += block[..<count]
    guard bytes.count <= 1 << 26 else { throw FileError(file: path, problem: "larger than 64 MiB") }
  }
}
