import CE3
import E3Checkpoint
import E3Format
import Glibc

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
  private let ownsMapping: Bool

  /// Maps and validates the file at `path`.
  ///
  /// - Throws: an unreadable file; a breach of the format, with the text of its status code.
  public init(path: String) throws(CheckpointError) {
    func failure() -> CheckpointError { CheckpointError(file: path, problem: String(cString: strerror(errno))) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure() }
    guard status.st_mode & S_IFMT == S_IFREG else { throw CheckpointError(file: path, problem: "not a regular file") }
    guard status.st_size > 0 else { throw CheckpointError(file: path, problem: "the file is empty") }
    guard let base = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
    else { throw failure() }
    bytes = UnsafeRawBufferPointer(start: base, count: Int(status.st_size))
    ownsMapping = true
    self.path = path
    do throws(E3Error) {
      file = try ModelFile(validating: bytes)
    } catch {
      let problem = error.text + Self.detail(bytes, error)
      munmap(base, bytes.count)
      throw CheckpointError(file: path, problem: problem)
    }
  }

  /// Validates a model that is mapped elsewhere, and must stay so as long as this object lives.
  ///
  /// - Parameter path: What errors call it.
  package init(borrowing bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    (self.bytes, self.path, ownsMapping) = (bytes, path, false)
    do throws(E3Error) {
      file = try ModelFile(validating: bytes)
    } catch {
      throw CheckpointError(file: path, problem: error.text + Self.detail(bytes, error))
    }
  }

  deinit { if ownsMapping { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) } }

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

extension E3Error {
  /// The text of the status code.
  public var text: String { e3_status_text(rawValue).map { String(cString: $0) } ?? "error \(rawValue)" }
}

extension StaticString {
  /// The characters as a `String`.
  var string: String { "\(self)" }
}
