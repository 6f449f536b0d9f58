import E3Host
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint

/// Shapes by the names in the file.
typealias ShapeTable = [String: [Int]]

/// The shapes of all tensors of a checkpoint.
func shapes(of path: String) throws -> ShapeTable {
  try StoredTensors(CheckpointFiles(path: path)).tensors.mapValues(\.shape)
}

/// Writes safetensors of which only the shapes are looked at: the values are a hole.
///
/// - Parameter bytes: names of tensors that are signed bytes and not floats.
func writeShapes(
  _ table: ShapeTable, to name: String, in folder: TemporaryFolder, bytes: Set<String> = []
) throws -> String {
  var (header, end) = ("{", 0)
  for (name, shape) in table.sorted(by: { $0.key < $1.key }) {
    let (type, width) = bytes.contains(name) ? ("I8", 1) : ("F32", 4)
    let size = width * shape.reduce(1, *)
    header +=
      (header.utf8.count > 1 ? "," : "")
      + #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[\#(end),\#(end + size)]}"#
    end += size
  }
  header += "}"
  let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
  let path = try folder.write(length + Array(header.utf8), to: name)
  try #require(truncate(path, 8 + header.utf8.count + end) == 0)
  return path
}
