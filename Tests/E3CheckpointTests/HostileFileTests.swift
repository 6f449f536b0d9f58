import E3Checkpoint
import E3Goldens
import E3Host
import E3TestSupport
import Foundation
import Testing

/// A set of files that belong together, one of which is damaged at a time.
struct Victim: Sendable, CustomStringConvertible {
  /// Paths of intact files.
  let files: [String]
  /// Reads everything in them, in the folder given.
  let read: @Sendable (String) throws -> Void
  var description: String { files.map { URL(fileURLWithPath: $0).lastPathComponent }.joined(separator: ", ") }

  static let all: [Victim] = {
    let data = Goldens.smallDirectory
    func model(_ checkpoint: String, _ folder: String, files: [String]) -> Victim {
      Victim(files: (files + ["config.json"]).map { "\(data)/\(folder)/\($0)" }) { path in
        let model = try SourceModel(checkpoint: "\(path)/\(checkpoint)", config: "\(path)/config.json")
        for parameter in model.config.parameters { _ = try model.values(of: parameter.name) }
      }
    }
    // Of another library: the folder, as its hub has it.
    func library(_ folder: String, _ files: [String]) -> Victim {
      Victim(files: (["model.safetensors"] + files).map { "\(Goldens.libraryDirectory)/\(folder)/\($0)" }) { path in
        let model = try SourceModel(checkpoint: path, config: nil)
        for parameter in model.config.parameters { _ = try model.values(of: parameter.name) }
      }
    }
    let shards = ["vmoe_first.data-00000-of-00002", "vmoe_first.data-00001-of-00002"]
    return [
      model("vmoe_first", "vmoe_first", files: ["vmoe_first.index"] + shards),
      model("vmoe_first.safetensors", "vmoe_first", files: ["vmoe_first.safetensors"]),
      model("vit_token_published.npz", "vit_token", files: ["vit_token_published.npz"]),
      Victim(files: ["bfloat16.pt", "config.json"].map { "\(Goldens.libraryDirectory)/same/\($0)" }) { path in
        let model = try SourceModel(checkpoint: "\(path)/bfloat16.pt", config: "\(path)/config.json")
        for parameter in model.config.parameters { _ = try model.values(of: parameter.name) }
      },
      library("timm_vit_small_patch14_reg4_dinov2", ["config.json"]),
      library("hf_Dinov2WithRegistersForImageClassification", ["config.json", "preprocessor_config.json"]),
      Victim(files: ["\(data)/vit_token/expected/logits.npy"]) { _ = try NumpyArray(path: "\($0)/logits.npy") },
    ]
  }()
}

@Suite("Hostile files") struct HostileFileTests {
  /// Reads `victim` in `folder`: whatever was done to it, it is read or refused with one line that names a file.
  private func provoke(_ victim: Victim, in folder: TemporaryFolder, mayPass: Bool) throws {
    do {
      try victim.read(folder.path)
      if !mayPass { Issue.record("\(victim) was read although a part is missing") }
    } catch let error as FileError {
      let line = error.description
      #expect(!line.contains("\n") && line.hasPrefix(folder.path), "\(line)")
    }
  }

  @Test("every truncation of every file is refused in one line", arguments: Victim.all)
  func truncations(_ victim: Victim) throws {
    let folder = try TemporaryFolder()
    let files = try victim.files.map { (URL(fileURLWithPath: $0).lastPathComponent, try contents(of: $0)) }
    for (name, bytes) in files { try folder.write(bytes, to: name) }
    for (name, bytes) in files {
      // Without its last newline a JSON text is still whole.
      let whole = bytes.last == 0x0A ? bytes.count - 1 : bytes.count
      for length in (0..<whole).reversed() {
        try #require(truncate(folder[name], length) == 0)
        try provoke(victim, in: folder, mayPass: false)
      }
      try folder.write(bytes, to: name)
    }
  }

  @Test("bytes changed at random are read or refused, never fatal", arguments: Victim.all)
  func mutations(_ victim: Victim) throws {
    let folder = try TemporaryFolder()
    var random = SplitMix(state: 42)
    let rounds = ProcessInfo.processInfo.environment["E3_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 300
    let files = try victim.files.map { (URL(fileURLWithPath: $0).lastPathComponent, try contents(of: $0)) }
    for (name, bytes) in files { try folder.write(bytes, to: name) }
    for (name, bytes) in files {
      for _ in 0..<rounds {
        var damaged = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          // Most structure is near the start.
          let range = Bool.random(using: &random) ? damaged.count : min(damaged.count, 600)
          let index = Int.random(in: 0..<range, using: &random)
          damaged[index] =
            [0, 0xFF, 0x7F, 0x80, damaged[index] &+ 1, damaged[index] ^ 1 << Int.random(in: 0..<8, using: &random)]
            .randomElement(using: &random)!
        }
        try folder.write(damaged, to: name)
        try provoke(victim, in: folder, mayPass: true)
      }
      try folder.write(bytes, to: name)
    }
  }
}
