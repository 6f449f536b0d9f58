import E3Host

/// The bytes of a file: mapped, or inflated into memory where the file is compressed with gzip.
final class FileContents: Sendable {
  private enum Storage: Sendable {
    case mapped(MappedFile)
    case inflated([UInt8])
  }

  private let storage: Storage

  /// - Parameter totalSize: Tells from the first bytes of the contents (at least the longest header, or all) and from the
  ///   number of compressed ones how many there must be, or refuses so many; a compressed file that inflates to more is
  ///   refused as soon as it does.
  init(
    path: String, totalSize: (UnsafeRawBufferPointer, Int) throws(FileError) -> Int
  ) throws(FileError) {
    let file = try MappedFile(path: path)
    storage = file.bytes.starts(with: [0x1F, 0x8B]) ? .inflated(try inflated(file, totalSize)) : .mapped(file)
  }

  func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    switch storage {
    case .mapped(let file): return try body(file.bytes)
    case .inflated(let bytes):
      let result = bytes.withUnsafeBytes { buffer in Result { () throws(E) in try body(buffer) } }
      return try result.get()
    }
  }
}

/// The contents of a gzip file, all its members one after the other; their checksums are compared.
private func inflated(
  _ file: MappedFile, _ totalSize: (UnsafeRawBufferPointer, Int) throws(FileError) -> Int
) throws(FileError) -> [UInt8] {
  func fault(_ problem: String) -> FileError { FileError(file: file.path, problem: problem) }
  var output: [UInt8] = []
  var expected: Int?
  func readExpectedSize() throws(FileError) {
    let size = try output.withUnsafeBytes { bytes in
      Result { () throws(FileError) in try totalSize(bytes, file.bytes.count) }
    }.get()
    guard size / DeflateForm.largestRatio <= file.bytes.count else {
      throw fault("\(size) bytes cannot come from \(file.bytes.count) compressed ones")
    }
    expected = size
    // Growing would hold it twice for a while.
    output.reserveCapacity(size)
  }
  try inflate(file, 0..<file.bytes.count, form: .gzip) { (block) throws(FileError) in
    output += block
    if expected == nil, output.count >= IDXFile.headerLimit { try readExpectedSize() }
    if let expected, output.count > expected { throw fault("inflates to more than \(expected) bytes") }
    return true
  }
  if expected == nil { try readExpectedSize() }
  return output
}
