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
  /// A view of each network; the first is ``file``.
  public let networks: [ModelFile]
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
      var networks: [ModelFile] = []
      try file.forEachNetwork { networks.append($0) }
      self.networks = networks
    } catch {
      throw FileError(file: path, problem: Self.problem(bytes, error))
    }
  }

  private static func problem(_ bytes: UnsafeRawBufferPointer, _ error: E3Error) -> String {
    if error == .fileMagic, let text = otherFileText(bytes) { return text.string }
    return error.description + detail(bytes, error)
  }

  /// What more can be said about a file that was refused.
  private static func detail(_ bytes: UnsafeRawBufferPointer, _ error: E3Error) -> String {
    switch error {
    case .fileTruncated where bytes.count >= MemoryLayout<e3_file_header>.size:
      let size = bytes.loadUnaligned(as: e3_file_header.self).file_size
      return ": \(counted(bytes.count, "byte")), expected \(size)"
    case .fileTruncated: return ": \(counted(bytes.count, "byte"))"
    case .fileVersion:
      let header = bytes.loadUnaligned(as: e3_file_header.self)
      return
        ": \(header.version_major).\(header.version_minor), expected \(E3_FILE_VERSION_MAJOR).\(E3_FILE_VERSION_MINOR)"
    case .fileConfig: return configProblem(bytes).map { ": \($0)" } ?? ""
    default: return ""
    }
  }

  /// The first rule that a configuration breaks.
  private static func configProblem(_ bytes: UnsafeRawBufferPointer) -> String? {
    let count = Int(bytes.loadUnaligned(as: e3_file_header.self).network_count)
    let configs = (0..<count).map { index in
      bytes.loadUnaligned(
        fromByteOffset: MemoryLayout<e3_file_header>.size + index * MemoryLayout<e3_file_config>.size,
        as: e3_file_config.self)
    }
    for (index, config) in configs.enumerated() {
      let name = count == 1 ? "" : "network \(index), "
      if let problem = ModelShape.problem(in: config) { return "\(name)\(problem)" }
      if let first = try? ModelShape(validating: configs[0]), let difference = first.difference(from: config) {
        return "\(name)another \(difference) than the first network"
      }
    }
    return "the members have more than 16777216 logits"
  }
}

extension MappedModel {
  /// R, of several networks the largest.
  package var representationSize: Int { networks.map(\.shape.headInputSize).max() ?? 0 }

  /// How many bytes the file has behind the model, which nothing reads: a partition has them.
  package var bytesBehind: Int { bytes.count - file.size }

  /// Of one frame, in all networks; saturating.
  package var multiplyAccumulates: UInt64 {
    networks.reduce(0) { sum, view in
      let (total, isLarge) = sum.addingReportingOverflow(view.shape.multiplyAccumulates)
      return isLarge ? .max : total
    }
  }

  /// The texts of the classes, in their order; empty where the file has none.
  package var labels: [String] {
    (0..<file.labelCount).map { index in file.label(index).map { String(decoding: $0, as: UTF8.self) } ?? "" }
  }
}

extension StaticString {
  /// The characters as a `String`.
  var string: String { "\(self)" }
}
