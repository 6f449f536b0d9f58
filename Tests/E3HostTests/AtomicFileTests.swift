import Dispatch
import E3TestSupport
import Synchronization
import Testing
@testable import E3Host

@Suite("Atomic files")
struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

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
}
