import CE3Files
import Glibc

/// A file that appears under its name only when it is complete.
///
/// Where the file system can, the bytes go to a file without a name, which the system removes however the process ends;
/// elsewhere they go to a temporary name in the same directory (see `UnfinishedFile`). `commit()` flushes them and
/// gives the file its name in one step, replacing a file that has it. A file that is replaced leaves its permissions
/// and, where the process may, its owner to the new one; a symbolic link stays, and what it points at is replaced. A
/// file that is write-protected is refused.
///
/// A process that is killed while it renames leaves the temporary name; the next output of the same name removes it.
public final class AtomicFile {
  /// The name that was asked for.
  public let path: String
  /// The name that `commit()` gives to the file: where symbolic links of `path` lead.
  private let target: String
  /// The file that is replaced; nil when there is none.
  private var replaced: stat?
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
    let target = try Self.followLinks(path)
    self.target = target
    let slash = target.lastIndex(of: "/")
    directory = slash.map { String(target[...$0]) } ?? "./"
    let name = slash.map { String(target[target.index(after: $0)...]) } ?? target
    guard !name.isEmpty else { throw FileError(file: path, problem: "the output needs a file name") }
    try requireWritable(path)
    var status = stat()
    if stat(target, &status) == 0 { replaced = status }
    let prefix = ".\(name).", suffix = ".tmp"
    removeAbandoned(in: directory, prefix: prefix, suffix: suffix)
    temporaryPath = "\(directory)\(prefix)\(getpid()).\(UInt32.random(in: 0 ... .max))\(suffix)"
    descriptor = nameless ? openNameless(directory: directory) : -1
    if descriptor < 0 {
      descriptor = open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw FileError(file: path, problem: systemErrorText()) }
      isNamed = true
      unfinishedSlot = UnfinishedFile.register(temporaryPath)
    }
    // Says to others that the temporary name, when there is one, is not abandoned.
    flock(descriptor, LOCK_EX | LOCK_NB)
  }

  /// Where the symbolic links of `path` lead, whether or not there is a file yet.
  private static func followLinks(_ path: String) throws(FileError) -> String {
    var target = [CChar](repeating: 0, count: Int(CE3_PATH_BYTES))
    let error = ce3_follow_links(path, &target)
    guard error == 0 else { throw FileError(file: path, problem: String(cString: strerror(error))) }
    return target.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
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

  /// Takes back what was written after the first `size` bytes.
  public func truncate(to size: Int) throws(FileError) {
    precondition(size >= 0 && size <= self.size, "takes back what was not written")
    try flush()
    guard ftruncate(descriptor, size) == 0 else { throw FileError(file: path, problem: systemErrorText()) }
    self.size = size
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
  ///
  /// - Parameter inPlace: Whether it takes the place of a file that it was made from.
  /// - Throws: a file that this command has read, unless it is made anew in its place.
  public func commit(inPlace: Bool = false) throws(FileError) {
    if !inPlace, InputFiles.contains(target) {
      throw FileError(file: path, problem: "is also an input, expected another name for the output")
    }
    try commit(replaces: true)
  }

  /// The same, unless somebody else has given the name to another file than `read`, which this one was made from; nil:
  /// there was none.
  package func commit(replacing read: MappedFile?) throws(FileError) {
    guard var stamp = read?.stamp else { return try commit(replaces: false) }
    let lock = ce3_lock_to_replace(target, &stamp)
    guard lock >= 0 else { throw FileError(file: path, problem: lock == -ESTALE ? Self.changed : text(ofError: -lock)) }
    defer { close(lock) }
    try commit(replaces: true)
  }

  private static let changed = "was changed meanwhile by somebody else; nothing is written"

  private func text(ofError number: Int32) -> String { String(cString: strerror(number)) }

  private func commit(replaces: Bool) throws(FileError) {
    defer { removeTemporaryName() }
    try flush()
    let note = keepOwnerAndPermissions()
    guard fsync(descriptor) == 0 else { throw FileError(file: path, problem: systemErrorText()) }
    if !isNamed {
      // linkat does not replace, rename does: hence the step over the temporary name.
      unfinishedSlot = UnfinishedFile.register(temporaryPath)
      isNamed = true
      guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, temporaryPath, AT_SYMLINK_FOLLOW) == 0 else {
        throw FileError(file: path, problem: systemErrorText())
      }
    }
    if replaces {
      guard rename(temporaryPath, target) == 0 else { throw FileError(file: path, problem: systemErrorText()) }
    } else {
      let error = ce3_rename_new(temporaryPath, target)
      guard error == 0 else {
        throw FileError(file: path, problem: error == EEXIST ? Self.changed : text(ofError: error))
      }
    }
    if let note { writeToStandardError(note) }
    forgetTemporaryName()
    close(descriptor)
    descriptor = -1
    // The name is durable once the directory is; a file system that cannot flush one has no say in the result.
    let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0 else { return }
    defer { close(parent) }
    guard fsync(parent) == 0 || errno != EIO else { throw FileError(file: path, problem: systemErrorText()) }
  }

  /// Gives the file what the one has that it replaces. Where the process may not give it to the other's owner, returns
  /// the line that says so.
  private func keepOwnerAndPermissions() -> String? {
    guard let replaced else { return nil }
    defer { fchmod(descriptor, replaced.st_mode & 0o7777) }
    var own = stat()
    guard fstat(descriptor, &own) == 0, (own.st_uid, own.st_gid) != (replaced.st_uid, replaced.st_gid),
      fchown(descriptor, replaced.st_uid, replaced.st_gid) != 0
    else { return nil }
    return "note: \(inOneLine(path)): user \(own.st_uid) and group \(own.st_gid) own it now, "
      + "no longer \(replaced.st_uid) and \(replaced.st_gid)\n"
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

/// Removes temporary names of outputs in `directory` whose process was killed. Those that are being written are locked.
private func removeAbandoned(in directory: String, prefix: String, suffix: String) {
  guard let stream = opendir(directory) else { return }
  defer { closedir(stream) }
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    // Exactly `.NAME.PID.NUMBER.tmp`: the output may be called like the beginning of another.
    guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.count > prefix.count + suffix.count else { continue }
    let numbers = name.dropFirst(prefix.count).dropLast(suffix.count).split(
      separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 2, numbers.allSatisfy({ UInt32($0) != nil }) else { continue }
    let descriptor = open(directory + name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { continue }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(directory + name) }
    close(descriptor)
  }
}
