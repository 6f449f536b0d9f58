import E3Checkpoint
import E3Goldens
import E3TestSupport
import Foundation
import Testing

/// Opens a copy of the library's model `name` with texts of one of its JSON files replaced.
func openEdited(
  _ name: String, _ file: String, _ changes: [(String, String)], ignoring ignored: [String] = []
) throws -> SourceModel {
  let (temporary, folder) = (try TemporaryFolder(), "\(Goldens.libraryDirectory)/\(name)")
  for entry in try FileManager.default.contentsOfDirectory(atPath: folder) {
    var bytes = try contents(of: "\(folder)/\(entry)")
    if entry == file {
      var text = String(decoding: bytes, as: UTF8.self)
      for (old, new) in changes {
        try #require(text.contains(old), "\(old)")
        text = text.replacing(old, with: new)
      }
      bytes = Array(text.utf8)
    }
    try temporary.write(bytes, to: entry)
  }
  return try SourceModel(checkpoint: temporary.path, config: nil, ignoring: ignored)
}
