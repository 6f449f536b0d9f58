import Glibc

/// A file that appears under its name only when it is complete.
///
/// Where the file system can, the bytes go to a file without a name, which the system removes however the process ends;
/// elsewhere they go to a temporary name in the same directory (see `UnfinishedFile`). `commit()` flushes them and gives
/// the file its name in one step, replacing a file that has it.
public final class AtomicFile {
  /// The name that `commit()` gives to the file.
  public let path: String
  /// Bytes written so far.
  public private(set) var size = 0
  private let directory: String
  private let temporaryPath: String
  private var isNamed = false
  private var unfinishedSlot: Int?
  private var descriptor: Int32
  /// Written bytes that are not in the file yet. They go there in whole chunks, which the page cache can then keep, and
  /// a reader map, as huge pages.
  private var pending: [UInt8] = []
  private static let chunk = 2 << 20

  /// Creates the file, without its name. Errors name `path`.
  public convenience init(path: String) throws(FileError) { try self.init(path: path, nameless: true) }

  /// - Parameter nameless: Whether to try a file without a name first.
  init(path: String, nameless: Bool) throws(FileError) {
    self.path = path
    let slash = path.lastIndex(of: "/")
    directory = slash.map { String(path[...$0]) } ?? "./"
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    guard !name.isEmpty else { throw FileError(file: path, problem: "the output needs a file name") }
    var status = stat()
    // Renaming over a device such as /dev/null would replace it.
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(file: path, problem: "exists and is not a regular file")
    }
    temporaryPath = "\(directory).\(name).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
    descriptor = nameless ? openNameless(directory: directory) : -1
    if descriptor >= 0 { return }
    descriptor = open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(file: path, problem: systemErrorText()) }
    isNamed = true
    unfinishedSlot = UnfinishedFile.register(temporaryPath)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    removeTemporaryName()
  }

  /// Appends `bytes`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(Self.chunk - pending.count)
      pending += part
      rest = rest.dropFirst(part.count)
      size += part.count
      if pending.count == Self.chunk { try flush() }
    }
  }

  /// Appends `bytes`.
  public func write(_ bytes: [UInt8]) throws(FileError) {
    try bytes.withUnsafeBytes { buffer in Result { () throws(FileError) in try write(buffer) } }.get()
  }

  /// Appends `values` as little-endian float32.
  public func write(_ values: [Float]) throws(FileError) {
    try values.withUnsafeBytes { buffer in Result { () throws(FileError) in try write(buffer) } }.get()
  }

  /// Replaces bytes that were written before.
  ///
  /// - Precondition: they lie within the first `size` bytes.
  public func overwrite(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    precondition(offset >= 0 && offset + bytes.count <= size, "overwrites what was not written")
    try flush()
    try bytes.withUnsafeBytes { buffer in Result { () throws(FileError) in try store(buffer, at: offset) } }.get()
  }

  /// Maps the bytes written so far, read-only, and passes them to `body`; they are valid during the call.
  public func withMappedBytes<R>(
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> R
  ) throws(FileError) -> R {
    try flush()
    guard size > 0, let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
      throw FileError(file: path, problem: systemErrorText())
    }
    defer { munmap(base, size) }
    return try body(UnsafeRawBufferPointer(start: base, count: size))
  }

  /// Flushes the file to its device and gives it its name, replacing a file that has it. Call once, at the end.
  public func commit() throws(FileError) {
    defer { removeTemporaryName() }
    try flush()
    guard fsync(descriptor) == 0 else { throw FileError(file: path, problem: systemErrorText()) }
    if !isNamed {
      // linkat does not replace, rename does: hence the step over the temporary name.
      unfinishedSlot = UnfinishedFile.register(temporaryPath)
      isNamed = true
      guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, temporaryPath, AT_SYMLINK_FOLLOW) == 0 else {
        throw FileError(file: path, problem: systemErrorText())
      }
    }
    guard rename(temporaryPath, path) == 0 else { throw FileError(file: path, problem: systemErrorText()) }
    forgetTemporaryName()
    close(descriptor)
    descriptor = -1
    // The name is durable once the directory is; a file system that cannot flush one has no say in the result.
    let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if parent >= 0 {
      fsync(parent)
      close(parent)
    }
  }

  private func flush() throws(FileError) {
    try pending.withUnsafeBytes { buffer in
      Result { () throws(FileError) in try store(buffer, at: size - buffer.count) }
    }.get()
    pending.removeAll(keepingCapacity: true)
  }

  private func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError(file: path, problem: systemErrorText())
      }
      done += count
    }
  }

  private func removeTemporaryName() {
    guard isNamed else { return }
    unlink(temporaryPath)
    forgetTemporaryName()
  }

  private func forgetTemporaryName() {
    if let unfinishedSlot { UnfinishedFile.unregister(unfinishedSlot) }
    (unfinishedSlot, isNamed) = (nil, false)
  }
}

/// A file without a name in `directory`; -1 where the file system has none or it could not be named later.
private func openNameless(directory: String) -> Int32 {
  // O_TMPFILE of <fcntl.h>, a macro that is not imported.
  let temporaryFile = O_DIRECTORY | 0o20000000
  let descriptor = open(directory, O_RDWR | temporaryFile | O_CLOEXEC, 0o666)
  guard descriptor >= 0, access("/proc/self/fd/\(descriptor)", F_OK) != 0 else { return descriptor }
  close(descriptor)
  return -1
}
