import CZlib
import E3Checkpoint

/// The bytes of a file: mapped, or inflated into memory where the file is compressed with gzip.
final class FileContents: Sendable {
  private enum Storage: Sendable {
    case mapped(MappedFile)
    case inflated([UInt8])
  }

  private let storage: Storage

  /// - Parameter totalSize: Tells from the first bytes of the contents (at least the longest header, or all) how many
  ///   there must be; a compressed file that inflates to more is refused as soon as it does.
  init(
    path: String, totalSize: (UnsafeRawBufferPointer, String) throws(CheckpointError) -> Int
  ) throws(CheckpointError) {
    let file = try MappedFile(path: path)
    storage = file.bytes.starts(with: [0x1F, 0x8B]) ? .inflated(try inflate(file, totalSize)) : .mapped(file)
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
private func inflate(
  _ file: MappedFile, _ totalSize: (UnsafeRawBufferPointer, String) throws(CheckpointError) -> Int
) throws(CheckpointError) -> [UInt8] {
  func fault(_ problem: String) -> CheckpointError { CheckpointError(file: file.path, problem: problem) }
  var stream = z_stream()
  // Window bits for a gzip header and trailer.
  guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
    throw fault("zlib cannot start")
  }
  defer { inflateEnd(&stream) }
  var output: [UInt8] = []
  var expected: Int?
  var block = [UInt8](repeating: 0, count: 1 << 18)
  var consumed = 0
  while true {
    let input = UnsafeRawBufferPointer(rebasing: file.bytes[consumed..<min(file.bytes.count, consumed + 1 << 20)])
    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
    stream.avail_in = UInt32(input.count)
    let (status, produced) = block.withUnsafeMutableBufferPointer { buffer in
      stream.next_out = buffer.baseAddress
      stream.avail_out = UInt32(buffer.count)
      return (CZlib.inflate(&stream, Z_NO_FLUSH), buffer.count - Int(stream.avail_out))
    }
    let used = input.count - Int(stream.avail_in)
    guard status == Z_OK || status == Z_STREAM_END, used > 0 || produced > 0 else {
      throw fault(consumed + used == file.bytes.count ? "truncated gzip file" : "damaged gzip file")
    }
    consumed += used
    output += block[..<produced]
    let isEnd = status == Z_STREAM_END && consumed == file.bytes.count
    if expected == nil, output.count >= IDXFile.headerLimit || isEnd {
      expected = try output.withUnsafeBytes { bytes in
        Result { () throws(CheckpointError) in try totalSize(bytes, file.path) }
      }.get()
    }
    if let expected, output.count > expected { throw fault("inflates to more than \(expected) bytes") }
    if isEnd { return output }
    if status == Z_STREAM_END { inflateReset(&stream) }
  }
}
