import Dispatch
import E3TestSupport
import Foundation
import Synchronization
import Testing
@testable import E3Host

@Suite("Atomic files")
struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // promise: output-complete
  @Test("nothing has the output's name before the commit, the whole file has it after", arguments: [true, false])
  func commits(nameless: Bool) throws {
    let file = try AtomicFile(path: folder["model.e3"], nameless: nameless)
    try file.write([1, 2, 3, 4] as [UInt8])
    try file.overwrite([9], at: 1)
    #expect(!folder.names.contains("model.e3"))
    try file.withMappedBytes { #expect(Array($0) == [1, 9, 3, 4]) }
    try file.commit()
    #expect(folder.names == ["model.e3"])
    #expect(try folder.bytes("model.e3") == [1, 9, 3, 4])
  }

  @Test("a file takes the place of none but the one that it was made from", arguments: [true, false])
  func replacing(nameless: Bool) throws {
    func commit(_ name: String, replacing read: MappedFile?) throws {
      let file = try AtomicFile(path: folder[name], nameless: nameless)
      try file.write([7] as [UInt8])
      try file.commit(replacing: read)
    }
    try commit("new", replacing: nil)
    let changed = "was changed meanwhile by somebody else; nothing is written"
    try folder.write([1], to: "begun")
    #expect(throws: FileError(file: folder["begun"], problem: changed)) { try commit("begun", replacing: nil) }
    let read = try MappedFile(path: folder["begun"])
    try commit("begun", replacing: read)
    #expect(throws: FileError(file: folder["begun"], problem: changed)) { try commit("begun", replacing: read) }
    let gone = try MappedFile(path: folder["new"])
    unlink(folder["new"])
    #expect(throws: FileError(file: folder["new"], problem: changed)) { try commit("new", replacing: gone) }
    #expect(folder.names == ["begun"])
    #expect(try folder.bytes("begun") == [7])
  }

  @Test("a name is kept for signals in a slot of its own, on many threads at once, more of them than there is room for")
  func concurrentNames() {
    let isTaken = UnsafeMutablePointer<Atomic<Bool>>.allocate(capacity: UnfinishedFile.capacity)
    for slot in 0..<UnfinishedFile.capacity { (isTaken + slot).initialize(to: Atomic(false)) }
    defer { isTaken.deinitialize(count: UnfinishedFile.capacity).deallocate() }
    nonisolated(unsafe) let flags = isTaken
    let shared = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for _ in 0..<20_000 {
        let slots = (0..<4).compactMap { UnfinishedFile.register("\(thread)-\($0)") }
        for slot in slots where flags[slot].exchange(true, ordering: .acquiringAndReleasing) {
          shared.add(1, ordering: .relaxed)
        }
        for slot in slots {
          flags[slot].store(false, ordering: .releasing)
          UnfinishedFile.unregister(slot)
        }
      }
    }
    #expect(shared.load(ordering: .relaxed) == 0)
  }

  @Test("files are written on several threads at once", arguments: [true, false])
  func concurrentFiles(nameless: Bool) throws {
    let directory = folder.path
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      for round in 0..<4 {
        do {
          let file = try AtomicFile(path: "\(directory)/\(thread)-\(round)", nameless: nameless)
          try file.write([UInt8(thread)])
          if round > 0 { try file.commit() }
        } catch {
          Issue.record(error)
        }
      }
    }
    #expect(folder.names.count == 4 * 3, "and the abandoned ones leave nothing")
    for name in folder.names { #expect(try folder.bytes(name).map { "\($0)" } == [String(name.prefix(1))]) }
  }

  // promise: output-complete
  @Test("an existing file is replaced at the commit and kept without one", arguments: [true, false])
  func replaces(nameless: Bool) throws {
    let path = folder["model.e3"]
    do {
      let first = try AtomicFile(path: path, nameless: nameless)
      try first.write([1] as [UInt8])
      try first.commit()
      let abandoned = try AtomicFile(path: path, nameless: nameless)
      try abandoned.write([2] as [UInt8])
    }
    #expect(folder.names == ["model.e3"], "an abandoned file leaves nothing")
    #expect(try folder.bytes("model.e3") == [1])
    let second = try AtomicFile(path: path, nameless: nameless)
    try second.write([3] as [UInt8])
    try second.commit()
    #expect(folder.names == ["model.e3"])
    #expect(try folder.bytes("model.e3") == [3])
  }

  @Test("a device, a directory and a missing directory are refused")
  func refusals() throws {
    for path in ["/dev/null", "/tmp", "/tmp/e3-no-such-directory/model.e3", "/tmp/"] {
      #expect(throws: FileError.self) { try AtomicFile(path: path) }
    }
  }

  // promise: output-mode
  @Test("a file that is replaced leaves its permissions to the new one", arguments: [true, false])
  func permissions(nameless: Bool) throws {
    for mode in [mode_t(0o600), 0o640, 0o755] {
      let path = try folder.write([1], to: "model.e3")
      #expect(chmod(path, mode) == 0)
      if geteuid() == 0 { #expect(chown(path, 1234, 567) == 0) }
      let file = try AtomicFile(path: path, nameless: nameless)
      try file.write([2] as [UInt8])
      try file.commit()
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == mode)
      if geteuid() == 0 { #expect(status.st_uid == 1234 && status.st_gid == 567) }
    }
  }

  // promise: output-protected
  @Test("a file that is write-protected is refused at once, also by way of a link", arguments: [true, false])
  func protected(nameless: Bool) throws {
    let path = try folder.write([1], to: "model.e3")
    #expect(chmod(path, 0o444) == 0 && symlink("model.e3", folder["link.e3"]) == 0)
    for name in ["model.e3", "link.e3"] {
      let reason = "is write-protected: make it writable (chmod u+w), or give another file"
      let expected = FileError(file: folder[name], problem: reason)
      #expect(throws: expected) { try AtomicFile(path: folder[name], nameless: nameless) }
      #expect(throws: expected) { try requireOutput(folder[name], besides: []) }
    }
    #expect(try folder.bytes("model.e3") == [1] && folder.names == ["link.e3", "model.e3"])
  }

  @Test("a pipe by way of /dev/stdout and a folder are refused with what to give")
  func noFiles() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { ends.forEach { close($0) } }
    for path in ["/dev/fd/\(ends[1])", "/dev/null"] {
      #expect(throws: FileError(file: path, problem: "is no regular file: give the name of one")) {
        try requireOutput(path, besides: [])
      }
    }
    #expect(throws: FileError(file: folder.path, problem: "is a folder: give the name of a file")) {
      try AtomicFile(path: folder.path)
    }
  }

  // promise: output-link
  @Test("a symbolic link stays, and what it points at is replaced or made", arguments: [true, false])
  func links(nameless: Bool) throws {
    try folder.write([1], to: "versions/v1.e3")
    #expect(symlink("versions/v1.e3", folder["current.e3"]) == 0)
    #expect(symlink("current.e3", folder["alias.e3"]) == 0)
    #expect(symlink(folder["versions/v2.e3"], folder["next.e3"]) == 0)
    for (link, target) in [("alias.e3", "v1.e3"), ("next.e3", "v2.e3")] {
      let file = try AtomicFile(path: folder[link], nameless: nameless)
      try file.write([7] as [UInt8])
      try file.commit()
      #expect(try folder.bytes("versions/\(target)") == [7])
      var status = stat()
      #expect(lstat(folder[link], &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder["versions"]).sorted() == ["v1.e3", "v2.e3"])
    #expect(symlink("loop.e3", folder["loop.e3"]) == 0)
    #expect(throws: FileError.self) { try AtomicFile(path: folder["loop.e3"], nameless: nameless) }
  }

  // promise: output-abandoned
  @Test("the temporary name that a killed process left is removed; one that is being written, and other files, are not")
  func abandoned() throws {
    let others = [".model.e3.12.tmp", ".model.e3.1.2.3.tmp", ".model.e3.x.1.tmp", "model.e3.1.2.tmp", ".other.1.2.tmp"]
    for name in [".model.e3.4711.99.tmp"] + others { try folder.write([1], to: name) }
    let beside = try AtomicFile(path: folder["model.e3"], nameless: false)
    let file = try AtomicFile(path: folder["model.e3"], nameless: false)
    try beside.write([1] as [UInt8])
    try file.write([2] as [UInt8])
    try file.commit()
    try beside.commit()
    #expect(folder.names == (others + ["model.e3"]).sorted())
    #expect(try folder.bytes("model.e3") == [1])
  }

  // promise: source-changed
  @Test("a source that is written to, cut or renamed while it is read is noticed; one that is only read is not")
  func sources() throws {
    for how in 0..<5 {
      let path = try folder.write([UInt8](repeating: 1, count: 100_000), to: "source")
      let watch = FileWatch()
      let file = try watch.during { () throws(FileError) in try MappedFile(path: path) }
      #expect(file.bytes[99_999] == 1)
      try watch.requireUnchanged()
      let descriptor = open(path, O_RDWR)
      switch how {
      case 0: #expect(pwrite(descriptor, [2], 1, 50_000) == 1)
      case 1: #expect(ftruncate(descriptor, 50_000) == 0)
      case 2: #expect(pwrite(descriptor, [1], 1, 100_000) == 1)
      case 3: #expect(rename(path, folder["elsewhere"]) == 0)
      default:
        // Written to, and the time stamp set back.
        var before = stat()
        #expect(fstat(descriptor, &before) == 0 && pwrite(descriptor, [2], 1, 50_000) == 1)
        #expect(futimens(descriptor, [before.st_atim, before.st_mtim]) == 0)
      }
      close(descriptor)
      #expect(throws: FileError.self) { try watch.requireUnchanged() }
    }
  }
}
