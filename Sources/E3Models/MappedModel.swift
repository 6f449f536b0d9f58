import CE3
import E3
import E3Format
import E3Host

/// A model file mapped and validated on the host.
///
/// Sendable: the bytes are only ever read.
public final class MappedModel: @unchecked Sendable {
  /// Path as it was given.
  public let path: String
  /// The validated view; valid as long as this object lives.
  public let file: ModelFile
  /// The mapped file.
  public let bytes: UnsafeRawBufferPointer
  /// Keeps the bytes mapped; nil when somebody else does.
  private let mapping: MappedFile?

  /// Maps and validates the file at `path`.
  ///
  /// - Throws: an unreadable file; a breach of the format, with the text of its status code.
  public convenience init(path: String) throws(FileError) {
    let mapping = try MappedFile(path: path, isModel: true)
    try self.init(mapping.bytes, path: path, mapping: mapping)
  }

  /// Validates a model that is mapped elsewhere, and must stay so as long as this object lives.
  ///
  /// - Parameter path: What errors call it.
  package convenience init(borrowing bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
    try self.init(bytes, path: path, mapping: nil)
  }

  private init(_ bytes: UnsafeRawBufferPointer, path: String, mapping: MappedFile?) throws(FileError) {
    (self.bytes, self.path, self.mapping) = (bytes, path, mapping)
    do throws(E3Error) {
      file = try ModelFile(validating: bytes)
    } catch {
      throw FileError(file: path, problem: error.description + Self.detail(bytes, error))
    }
  }

  /// What more can be said about a file that was refused.
  private static func detail(_ bytes: UnsafeRawBufferPointer, _ error: E3Error) -> String {
    switch error {
    case .fileTruncated where bytes.count >= MemoryLayout<e3_file_header>.size:
      let size = bytes.loadUnaligned(as: e3_file_header.self).file_size
      return ": \(bytes.count) bytes, expected \(size)"
    case .fileTruncated: return ": \(bytes.count) bytes"
    case .fileVersion:
      let header = bytes.loadUnaligned(as: e3_file_header.self)
      return
        ": \(header.version_major).\(header.version_minor), expected \(E3_FILE_VERSION_MAJOR).\(E3_FILE_VERSION_MINOR)"
    case .fileConfig:
      let config = bytes.loadUnaligned(
        fromByteOffset: MemoryLayout<e3_file_header>.size, as: e3_file_config.self)
      return ModelShape.problem(in: config).map { ": \($0)" } ?? ""
    default: return ""
    }
  }
}

extension MappedModel {
  /// The texts of the classes, in their order; empty where the file has none.
  package var labels: [String] {
    (0..<file.labelCount).map { index in file.label(index).map { String(decoding: $0, as: UTF8.self) } ?? "" }
  }
}

extension StaticString {
  /// The characters as a `String`.
  var string: String { "\(self)" }
}
