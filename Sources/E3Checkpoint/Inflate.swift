import CZlib

/// Inflates a zip member as a stream, without ever holding more than one block of it.
struct InflatingMember {
  let file: MappedFile
  let member: ZipArchive.Member

  private static let inputBlock = 1 << 20
  private static let outputBlock = 1 << 18

  /// Hands the member's inflated bytes to `consume`, block by block in order, until it returns false.
  ///
  /// - Throws: a damaged stream, a wrong size; where all was consumed, a wrong checksum.
  func read(_ consume: (UnsafeRawBufferPointer) throws(CheckpointError) -> Bool) throws(CheckpointError) {
    func fault(_ problem: String) -> CheckpointError {
      CheckpointError(file: file.path, tensor: member.name, problem: problem)
    }
    var stream = z_stream()
    // Negative window bits: raw deflate data, as zip stores them.
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw fault("zlib cannot start")
    }
    defer { inflateEnd(&stream) }
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.outputBlock, alignment: 16)
    defer { block.deallocate() }

    var consumed = member.stored.lowerBound
    var produced = 0
    var checksum = crc32(0, nil, 0)
    var status = Z_OK
    while status != Z_STREAM_END {
      let input = UnsafeRawBufferPointer(
        rebasing: file.bytes[consumed..<min(member.stored.upperBound, consumed + Self.inputBlock)])
      stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
      stream.avail_in = UInt32(input.count)
      stream.next_out = block.baseAddress?.assumingMemoryBound(to: Bytef.self)
      stream.avail_out = UInt32(block.count)
      status = inflate(&stream, Z_NO_FLUSH)
      let used = input.count - Int(stream.avail_in)
      let output = UnsafeRawBufferPointer(rebasing: block[..<(block.count - Int(stream.avail_out))])
      guard status == Z_OK || status == Z_STREAM_END, used > 0 || output.count > 0 || status == Z_STREAM_END else {
        throw fault("damaged deflate stream")
      }
      if used == Self.inputBlock { file.release(consumed..<consumed + used) }
      consumed += used
      produced += output.count
      guard produced <= member.size else { throw fault("inflates to more than \(member.size) bytes") }
      checksum = crc32(checksum, output.baseAddress?.assumingMemoryBound(to: Bytef.self), UInt32(output.count))
      guard try consume(output) else { return }
    }
    guard produced == member.size else { throw fault("inflates to \(produced) bytes, expected \(member.size)") }
    guard UInt32(truncatingIfNeeded: checksum) == member.checksum else { throw fault("wrong zip checksum") }
  }
}

/// A tensor in a deflated zip member, behind a `.npy` header.
struct DeflatedTensor: TensorSource {
  let header: NumpyHeader
  let source: InflatingMember

  var shape: [Int] { header.shape }
  var elementType: ElementType { header.elementType }

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(CheckpointError) {
    let size = elementType.size
    let wanted = header.size + range.lowerBound * size..<header.size + range.upperBound * size
    let readsToEnd = range.upperBound == elementCount(of: shape)
    var position = 0
    // Bytes of an element that straddles two blocks.
    var partial: [UInt8] = []
    var next = values
    try source.read { (block) throws(CheckpointError) in
      let part = (position..<position + block.count).clamped(to: wanted)
      var bytes = UnsafeRawBufferPointer(rebasing: block[(part.lowerBound - position)..<(part.upperBound - position)])
      position += block.count
      if !partial.isEmpty {
        let missing = min(size - partial.count, bytes.count)
        partial += bytes[..<missing]
        bytes = UnsafeRawBufferPointer(rebasing: bytes[missing...])
        if partial.count == size {
          partial.withUnsafeBytes { elementType.convert($0.baseAddress!, count: 1, to: next) }
          next += 1
          partial = []
        }
      }
      let count = bytes.count / size
      if let base = bytes.baseAddress, count > 0 {
        elementType.convert(base, count: count, to: next)
        next += count
      }
      partial += bytes[(count * size)...]
      return readsToEnd || position < wanted.upperBound
    }
  }
}
