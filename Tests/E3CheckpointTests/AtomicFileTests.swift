import Dispatch
import Glibc
import Testing

@testable import E3Checkpoint

@Suite("Atomic files")
struct AtomicFileTests {
  /// Runs `body` in a fresh directory.
  private func inDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/e3-atomic-XXXXXX".utf8CString)
    let directory = try #require(template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) })
    let path = String(cString: directory)
    defer {
      for name in names(path) { unlink("\(path)/\(name)") }
      rmdir(path)
    }
    try body(path)
  }

  private func names(_ directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      // The name ends before the struct does; copying the whole array would read past the entry.
      guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { continue }
      let name = String(cString: (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  @Test("nothing has the output's name before the commit, the whole file has it after", arguments: [true, false])
  func commits(nameless: Bool) throws {
    try inDirectory { directory in
      let path = "\(directory)/model.e3"
      let file = try AtomicFile(path: path, nameless: nameless)
      try file.write([1, 2, 3, 4] as [UInt8])
      try file.overwrite([9], at: 1)
      #expect(!names(directory).contains("model.e3"))
      try file.withMappedBytes { #expect(Array($0) == [1, 9, 3, 4]) }
      try file.commit()
      #expect(names(directory) == ["model.e3"])
      #expect(try FileBytes.read(path) == [1, 9, 3, 4])
    }
  }

  @Test("names are kept for signals on many threads at once, more of them than there is room for")
  func concurrentNames() {
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for _ in 0..<20_000 {
        let slots = (0..<4).map { UnfinishedFile.register("\(thread)-\($0)") }
        for case let slot? in slots { UnfinishedFile.unregister(slot) }
      }
    }
  }

  @Test("files are written on several threads at once", arguments: [true, false])
  func concurrentFiles(nameless: Bool) throws {
    try inDirectory { directory in
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
      #expect(names(directory).count == 4 * 3, "and the abandoned ones leave nothing")
    }
  }

  @Test("an existing file is replaced at the commit and kept without one", arguments: [true, false])
  func replaces(nameless: Bool) throws {
    try inDirectory { directory in
      let path = "\(directory)/model.e3"
      do {
        let first = try AtomicFile(path: path, nameless: nameless)
        try first.write([1] as [UInt8])
        try first.commit()
        let abandoned = try AtomicFile(path: path, nameless: nameless)
        try abandoned.write([2] as [UInt8])
      }
      #expect(names(directory) == ["model.e3"], "an abandoned file leaves nothing")
      #expect(try FileBytes.read(path) == [1])
      let second = try AtomicFile(path: path, nameless: nameless)
      try second.write([3] as [UInt8])
      try second.commit()
      #expect(names(directory) == ["model.e3"])
      #expect(try FileBytes.read(path) == [3])
    }
  }

  @Test("a device, a directory and a missing directory are refused")
  func refusals() throws {
    for path in ["/dev/null", "/tmp", "/tmp/e3-no-such-directory/model.e3", "/tmp/"] {
      #expect(throws: CheckpointError.self) { try AtomicFile(path: path) }
    }
  }
}

/// The bytes of a small file.
private enum FileBytes {
  static func read(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }
}
