import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing

@Suite("vit_jax npz") struct ZipTests {
  private static let golden = "\(Goldens.smallDirectory)/vit_token/vit_token_published.npz"

  /// Opens the golden after `edit`, and reads everything in it.
  private func readAll(_ edit: (inout [UInt8]) throws -> Void) throws {
    var bytes = try contents(of: Self.golden)
    try edit(&bytes)
    let folder = try TemporaryFolder()
    let checkpoint = try Checkpoint(path: folder.write(bytes, to: "vit.npz"))
    for name in checkpoint.tensorNames { _ = try checkpoint.read(name) }
  }

  /// Offset of the central directory's entry for `member`.
  private func entry(_ member: String, in bytes: [UInt8]) throws -> Int {
    let name = Array(member.utf8)
    let found = bytes.indices.dropLast(46 + name.count).last {
      bytes[$0..<$0 + 4] == [0x50, 0x4B, 1, 2] && Array(bytes[$0 + 46..<$0 + 46 + name.count]) == name
    }
    return try #require(found)
  }

  @Test("names of both schemes become those of V-MoE, the norms in their order")
  func names() throws {
    let published = try Checkpoint(path: Self.golden)
    let linen = try Checkpoint(path: Self.golden.replacing("published", with: "linen"))
    #expect(published.tensorNames == linen.tensorNames && published.form == .npz)
    let block = ParameterNames.block(1)
    for name in [block.norm0.scale, block.norm1.scale, block.attention.out.kernel, block.mlp.dense1.bias] {
      #expect(try published.read(name) == linen.read(name), "\(name)")
    }
    #expect(try published.read(block.norm0.scale) != published.read(block.norm1.scale))
  }

  @Test("a slice of a deflated tensor is what the whole has there")
  func slices() throws {
    let checkpoint = try Checkpoint(path: Self.golden)
    let name = ParameterNames.embedding.kernel
    let whole = try checkpoint.read(name)
    for row in 0..<4 { #expect(try checkpoint.read(name, at: row) == Array(whole[row * 96..<(row + 1) * 96])) }
  }

  @Test("a changed byte in a deflated member is noticed")
  func checksum() throws {
    try readAll { _ in }
    let error = try #require(throws: FileError.self) {
      try readAll { bytes in
        let entry = try entry("embedding/kernel.npy", in: bytes)
        bytes[entry + 16] ^= 1
      }
    }
    #expect(error.tensor?.hasPrefix("embedding/kernel") == true && error.problem == "wrong zip checksum", "\(error)")
  }

  @Test("members that cannot be read are refused by name")
  func unreadable() throws {
    // Offset in the directory entry, value, message.
    let cases: [(Int, UInt8, String)] = [
      (8, 1, "is encrypted"), (10, 12, "zip method 12"), (27, 0x7F, "cannot come from"),
      (23, 0x7F, "leave the zip file"),
      (45, 0x7F, "truncated zip file"), (42, 1, "no local zip header"),
    ]
    for (offset, value, expected) in cases {
      let error = try #require(throws: FileError.self) {
        try readAll { bytes in
          let entry = try entry("embedding/kernel.npy", in: bytes)
          bytes[entry + offset] = value
        }
      }
      #expect(error.description.contains(expected), "\(error)")
    }
  }

  @Test("a stored member with a wrong bit is refused as damaged")
  func damaged() throws {
    let folder = try TemporaryFolder()
    try NumpyArray.write([1, 2, 3], shape: [3], path: folder["array.npy"])
    var bytes = storedZip([("a.npy", try contents(of: folder["array.npy"]))])
    let last = try entry("a.npy", in: bytes) - 1
    bytes[last] ^= 1
    let error = try #require(throws: FileError.self) { try Checkpoint(path: folder.write(bytes, to: "one.npz")) }
    #expect(error.description.hasSuffix("tensor a.npy: wrong zip checksum"))
  }

  @Test("members that share bytes are refused: a small file would inflate to any size")
  func shared() throws {
    let folder = try TemporaryFolder()
    try NumpyArray.write([1, 2, 3], shape: [3], path: folder["array.npy"])
    let array = try contents(of: folder["array.npy"])
    var bytes = storedZip([("a.npy", array), ("b.npy", array)])
    #expect(try Checkpoint(path: folder.write(bytes, to: "two.npz")).read("b") == [1, 2, 3])
    // The second entry of the directory leads to the first member.
    let second = try entry("b.npy", in: bytes)
    bytes.replaceSubrange(second + 42..<second + 46, with: [0, 0, 0, 0])
    let error = try #require(throws: FileError.self) { try Checkpoint(path: folder.write(bytes, to: "two.npz")) }
    #expect(error.problem == "shares bytes of the zip file with a.npy", "\(error)")
  }

  @Test("a zip64 archive is read: its sizes, offsets and counts are where the short fields are full")
  func zip64() throws {
    func little(_ value: UInt64, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> (8 * $0) & 0xFF) } }
    let folder = try TemporaryFolder()
    try NumpyArray.write([1, 2, 3], shape: [3], path: folder["array.npy"])
    let array = try contents(of: folder["array.npy"])
    let name = Array("cls.npy".utf8)
    let full = little(.max, 4)
    let size = little(UInt64(array.count), 8)
    // Local header: the reader takes only the lengths of name and extra field from it.
    var bytes: [UInt8] = [9, 9, 9]
    bytes += [0x50, 0x4B, 3, 4] + little(0, 22) + little(UInt64(name.count), 2) + little(5, 2)
    bytes += name + [1, 2, 3, 4, 5] + array
    let directory = UInt64(bytes.count)
    bytes += [0x50, 0x4B, 1, 2] + little(0, 12) + zipChecksum(array) + full + full + little(UInt64(name.count), 2)
    bytes += little(5 + 28, 2) + little(0, 2) + little(0, 8) + full + name
    bytes += [7, 0, 1, 0, 0] + [1, 0, 24, 0] + size + size + little(3, 8)
    let record = UInt64(bytes.count)
    bytes += [0x50, 0x4B, 6, 6] + little(44, 8) + little(0, 12) + little(1, 8) + little(1, 8)
    bytes += little(record - directory, 8) + little(directory, 8)
    bytes += [0x50, 0x4B, 6, 7] + little(0, 4) + little(record, 8) + little(1, 4)
    bytes += [0x50, 0x4B, 5, 6] + little(0, 4) + little(.max, 2) + little(.max, 2) + full + full + little(0, 2)
    let checkpoint = try Checkpoint(path: folder.write(bytes, to: "large.npz"))
    #expect(try checkpoint.read("cls") == [1, 2, 3])
    for length in 0..<bytes.count {
      #expect(throws: FileError.self) {
        try Checkpoint(path: folder.write(bytes[..<length], to: "large.npz"))
      }
    }
  }

  @Test("a file of another kind is refused")
  func foreign() throws {
    let folder = try TemporaryFolder()
    for bytes in [Array("GIF89a".utf8), [UInt8](repeating: 0x50, count: 100_000), []] as [[UInt8]] {
      #expect(throws: FileError.self) { try Checkpoint(path: folder.write(bytes, to: "x.npz")) }
      #expect(throws: FileError.self) { try Checkpoint(path: folder.write(bytes, to: "x.safetensors")) }
      #expect(throws: FileError.self) {
        try folder.write(bytes, to: "x.index")
        _ = try Checkpoint(path: folder["x"])
      }
    }
    #expect(throws: FileError.self) { try Checkpoint(path: "\(folder.path)/") }
  }
}
