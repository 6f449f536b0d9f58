import Foundation

/// What the reference implementation computed, for tests.
///
/// A small set is in the package, in `Data`. The full set (64 MB) is not; tests on it run where `E3_GOLDENS` names its
/// folder, and say that they are skipped elsewhere.
public enum Goldens {
  /// Folder of the full set; nil where it is not.
  public static let directory: String? = {
    guard let path = ProcessInfo.processInfo.environment["E3_GOLDENS"] else { return nil }
    precondition(FileManager.default.fileExists(atPath: path), "E3_GOLDENS: \(path) is no folder")
    return path
  }()

  /// Why a test on the full set is skipped.
  public static let skipped = "E3_GOLDENS names no folder with the full set of goldens"

  /// Whether the full set is there.
  public static var areThere: Bool { directory != nil }

  /// Folder of the small set.
  public static let smallDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Data").path

  /// Folder of small models of other libraries, with what those compute.
  public static let libraryDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Libraries").path

  /// A model of another library: a folder with a checkpoint, its configuration and `logits.npy`.
  public struct LibraryModel: Sendable, CustomStringConvertible {
    public let name: String
    public var folder: String { "\(Goldens.libraryDirectory)/\(name)" }
    public var logits: String { "\(folder)/logits.npy" }
    /// Prepared images.
    public let inputs: String
    public var description: String { name }
  }

  /// Every model of another library.
  public static let libraryModels: [LibraryModel] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: libraryDirectory)) ?? []
    return names.sorted().filter { FileManager.default.fileExists(atPath: "\(libraryDirectory)/\($0)/logits.npy") }.map
    {
      // The one of a single channel.
      let inputs = $0 == "timm_vit_tiny_patch16_224" ? "inputs-grey" : "inputs"
      return LibraryModel(name: $0, inputs: "\(libraryDirectory)/\(inputs).npy")
    }
  }()

  /// A checkpoint in one of its forms, with its configuration and what is expected of it.
  public struct Case: Sendable, CustomStringConvertible {
    /// Path of the checkpoint inside the set.
    public let name: String
    public let checkpoint: String
    /// Folder of `config.json`, `inputs.npy` and `expected/`.
    public let folder: String
    public var config: String { "\(folder)/config.json" }
    public var inputs: String { "\(folder)/inputs.npy" }
    public var description: String { name }

    /// Path of an expected array; nil where the set does not have it.
    public func expected(_ array: String) -> String? {
      let path = "\(folder)/expected/\(array).npy"
      return FileManager.default.fileExists(atPath: path) ? path : nil
    }
  }

  /// Every checkpoint of both sets, in every form.
  public static let cases: [Case] = ([smallDirectory] + (directory.map { [$0] } ?? [])).flatMap(cases(in:))

  /// The checkpoints of one set.
  private static func cases(in directory: String) -> [Case] {
    let files = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
    let forms = [".index", ".safetensors", ".npz"]
    return files.filter { file in forms.contains { file.hasSuffix($0) } }.sorted().map { file in
      var folder = URL(fileURLWithPath: "\(directory)/\(file)").deletingLastPathComponent()
      if !FileManager.default.fileExists(atPath: folder.appendingPathComponent("config.json").path) {
        folder.deleteLastPathComponent()
      }
      return Case(name: file, checkpoint: "\(directory)/\(file)", folder: folder.path)
    }
  }
}
