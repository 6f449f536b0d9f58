import Foundation
import Testing

/// The reference's data, beside the package or where `E3_GOLDENS` says. Tests on them are skipped where they are not.
enum Goldens {
  static let directory: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path =
      ProcessInfo.processInfo.environment["E3_GOLDENS"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/reference/goldens").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  static var areThere: Bool { directory != nil }

  /// A checkpoint of the goldens with its configuration.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let checkpoint: String
    let config: String
    var testDescription: String { name }
  }

  /// Every checkpoint of every configuration.
  static let cases: [Case] = {
    guard let directory else { return [] }
    let files = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
    return files.filter { $0.hasSuffix(".index") || $0.hasSuffix(".safetensors") || $0.hasSuffix(".npz") }.sorted().map
    {
      let parts = $0.split(separator: "/")
      let root = parts.prefix(parts[0] == "extras" ? 2 : 1).joined(separator: "/")
      return Case(name: $0, checkpoint: "\(directory)/\($0)", config: "\(directory)/\(root)/config.json")
    }
  }()
}
