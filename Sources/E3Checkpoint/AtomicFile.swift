import Glibc

/// A file that appears under its name only when it is complete: bytes go to a temporary name in the same directory,
/// `commit()` renames it. Without a commit the temporary file is removed when the object goes.
public final class AtomicFile {
  /// The name that `commit()` gives to the file.
  public let path: String
  /// Bytes written so far.
  public private(set) var size = 0
  private let temporaryPath: String
  private var descriptor: Int32

  /// Creates the temporary file. Errors name `path`.
  public init(path: String) throws(CheckpointError) {
    self.path = path
    let slash = path.lastIndex(of: "/")
    let directory = slash.map { String(path[...$0]) } ?? ""
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    guard !name.isEmpty else { throw CheckpointError(file: path, problem: "the output needs a file name") }
    temporaryPath = "\(directory).\(name).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw CheckpointError(file: path, problem: systemErrorText()) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporaryPath)
  }

  /// Appends `bytes`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw CheckpointError(file: path, problem: systemErrorText())
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      size += count
    }
  }

  /// Appends `bytes`.
  public func write(_ bytes: [UInt8]) throws(CheckpointError) {
    try bytes.withUnsafeBytes { buffer in Result { () throws(CheckpointError) in try write(buffer) } }.get()
  }

  /// Appends `values` as little-endian float32.
  public func write(_ values: [Float]) throws(CheckpointError) {
    try values.withUnsafeBytes { buffer in Result { () throws(CheckpointError) in try write(buffer) } }.get()
  }

  /// Flushes the file to its device and gives it its name, replacing a file that has it. Call once, at the end.
  public func commit() throws(CheckpointError) {
    guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
      throw CheckpointError(file: path, problem: systemErrorText())
    }
    close(descriptor)
    descriptor = -1
  }
}
