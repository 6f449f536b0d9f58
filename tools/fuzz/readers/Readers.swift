import E3Checkpoint
import E3DataSets
import E3Host
import Glibc

/// What the host's tools read, from damaged bytes: a target of libFuzzer. The first byte says which file the rest is.
/// Whatever it is, it is read, or refused in one line that names a file.
@_cdecl("e3_fuzz_readers")
public func fuzzReaders(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
  guard size > 0 else { return -1 }
  let victim = Victim.all[Int(data[0]) % Victim.all.count]
  Victim.write(UnsafeRawBufferPointer(start: data + 1, count: size - 1), to: victim.path)
  do throws(FileError) {
    try victim.read()
  } catch {
    let line = error.description
    guard line.hasPrefix(Victim.root), !line.utf8.contains(10), line.utf8.count < 4096 else {
      fatalError("a message that does not name a file in one line: \(line)")
    }
  }
  return 0
}

/// A file that is damaged, and what reads it.
private struct Victim: Sendable {
  let path: String
  let read: @Sendable () throws(FileError) -> Void

  /// A folder with intact files, of which each victim damages its own; made by `tools/fuzz/run`.
  static let root = getenv("E3_FUZZ_FOLDER").map { String(cString: $0) } ?? "."

  /// The order is that of `tools/fuzz/run`, which puts the number before each seed.
  static let all: [Victim] = [
    checkpoint("single", "model"),
    model("vmoe", "vmoe_first", configuration: "config.json", damaged: "config.json"),
    model("vmoe", "vmoe_first", configuration: "config.json", damaged: "vmoe_first.index"),
    model("vmoe", "vmoe_first", configuration: "config.json", damaged: "vmoe_first.data-00000-of-00002"),
    model("timm", "", configuration: nil, damaged: "config.json"),
    model("huggingface", "", configuration: nil, damaged: "config.json"),
    model("huggingface", "", configuration: nil, damaged: "preprocessor_config.json"),
    model("huggingface", "", configuration: nil, damaged: "model.safetensors"),
    images("images"),
  ]

  static func write(_ bytes: UnsafeRawBufferPointer, to path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(file >= 0 && Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count, "\(path) is not written")
    close(file)
  }

  /// A checkpoint alone, of any form: opened, and all that is small is read.
  private static func checkpoint(_ folder: String, _ file: String) -> Victim {
    let path = "\(root)/\(folder)/\(file)"
    return Victim(path: path) { () throws(FileError) in
      let checkpoint = try Checkpoint(path: path)
      for name in checkpoint.tensorNames {
        guard let shape = checkpoint.shape(of: name), shape.reduce(1, *) <= 1 << 16 else { continue }
        _ = try checkpoint.read(name)
      }
    }
  }

  /// A model of several files.
  private static func model(
    _ folder: String, _ file: String, configuration: String?, damaged: String
  ) -> Victim {
    let folder = "\(root)/\(folder)"
    return Victim(path: "\(folder)/\(damaged)") { () throws(FileError) in
      let model = try SourceModel(
        checkpoint: file.isEmpty ? folder : "\(folder)/\(file)", config: configuration.map { "\(folder)/\($0)" })
      for parameter in model.config.parameters { _ = try model.values(of: parameter.name) }
    }
  }

  /// Images as arrays: .npy and IDX, also compressed.
  private static func images(_ folder: String) -> Victim {
    let path = "\(root)/\(folder)/images"
    return Victim(path: path) { () throws(FileError) in
      let set = try DataSet(path: path)
      for index in 0..<min(set.count, 4) { _ = try set.image(at: index) }
    }
  }
}
