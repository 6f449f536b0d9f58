import CZlib

/// How deflated bytes are wrapped.
package enum DeflateForm {
  /// A bare deflate stream, as in a zip file.
  case raw
  /// One or more gzip members, whose checksums are compared.
  case gzip

  /// Deflate cannot shrink by more; a larger announced size is a bomb or damage.
  package static let largestRatio = 1032

  fileprivate var name: String {
    switch self {
    case .raw: "deflate stream"
    case .gzip: "gzip file"
    }
  }

  fileprivate var windowBits: Int32 {
    switch self {
    case .raw: -15
    case .gzip: 15 + 16
    }
  }
}

/// Inflates the bytes `range` of `file`, and hands them to `consume` block by block in order until it returns false.
///
/// No more than one block is held in memory. Pages of the file that were read are given back to the system.
/// - Parameters:
///   - tensor: What errors call the bytes; nil: the file as a whole.
///   - consume: Takes the next block, which is not empty unless all of the contents are.
/// - Throws: a stream that is damaged or ends too early, or what `consume` throws.
package func inflate(
  _ file: MappedFile, _ range: Range<Int>, form: DeflateForm, tensor: String? = nil,
  consume: (UnsafeRawBufferPointer) throws(FileError) -> Bool
) throws(FileError) {
  func fault(_ problem: String) -> FileError { FileError(file: file.path, tensor: tensor, problem: problem) }
  var stream = z_stream()
  guard inflateInit2_(&stream, form.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
    throw fault("zlib cannot start")
  }
  defer { inflateEnd(&stream) }
  let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  defer { block.deallocate() }
  let inputBlock = 1 << 20

  var consumed = range.lowerBound
  while true {
    let input = UnsafeRawBufferPointer(rebasing: file.bytes[consumed..<min(range.upperBound, consumed + inputBlock)])
    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
    stream.avail_in = UInt32(input.count)
    stream.next_out = block.baseAddress?.assumingMemoryBound(to: Bytef.self)
    stream.avail_out = UInt32(block.count)
    let status = CZlib.inflate(&stream, Z_NO_FLUSH)
    let used = input.count - Int(stream.avail_in)
    let output = UnsafeRawBufferPointer(rebasing: block[..<(block.count - Int(stream.avail_out))])
    guard status == Z_OK || status == Z_STREAM_END, used > 0 || output.count > 0 || status == Z_STREAM_END else {
      throw fault("\(consumed + used == range.upperBound ? "truncated" : "damaged") \(form.name)")
    }
    if used == inputBlock { file.release(consumed..<consumed + used) }
    consumed += used
    guard try consume(output) else { return }
    if status == Z_STREAM_END {
      guard form == .gzip, consumed < range.upperBound else { return }
      inflateReset(&stream)
    }
  }
}
