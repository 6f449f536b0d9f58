import E3Checkpoint
import E3Goldens
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
    let error = try #require(throws: CheckpointError.self) {
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
      let error = try #require(throws: CheckpointError.self) {
        try readAll { bytes in
          let entry = try entry("embedding/kernel.npy", in: bytes)
          bytes[entry + offset] = value
        }
      }
      #expect(error.description.contains(expected), "\(error)")
    }
  }

  @Test("a file of another kind is refused")
  func foreign() throws {
    let folder = try TemporaryFolder()
    for bytes in [Array("GIF89a".utf8), [UInt8](repeating: 0x50, count: 100_000), []] as [[UInt8]] {
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder.write(bytes, to: "x.npz")) }
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder.write(bytes, to: "x.safetensors")) }
      #expect(throws: CheckpointError.self) {
        try folder.write(bytes, to: "x.index")
        _ = try Checkpoint(path: "\(folder.path)/x")
      }
    }
    #expect(throws: CheckpointError.self) { try Checkpoint(path: "\(folder.path)/") }
  }
}
