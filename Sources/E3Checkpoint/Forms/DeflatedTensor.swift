import CZlib
import E3Host

/// Inflates a zip member as a stream, without ever holding more than one block of it.
struct InflatingMember {
  let file: MappedFile
  let member: ZipArchive.Member

  /// Hands the member's inflated bytes to `consume`, block by block in order, until it returns false.
  ///
  /// - Throws: a damaged stream, a wrong size; where all was consumed, a wrong checksum.
  func read(_ consume: (UnsafeRawBufferPointer) throws(FileError) -> Bool) throws(FileError) {
    func fault(_ problem: String) -> FileError { FileError(file: file.path, tensor: member.name, problem: problem) }
    var produced = 0
    var checksum = crc32(0, nil, 0)
    var readsAll = true
    try inflate(file, member.stored, form: .raw, tensor: member.name) { (block) throws(FileError) in
      produced += block.count
      guard produced <= member.size else { throw fault("inflates to more than \(member.size) bytes") }
      checksum = crc32(checksum, block.baseAddress?.assumingMemoryBound(to: Bytef.self), UInt32(block.count))
      readsAll = try consume(block)
      return readsAll
    }
    guard readsAll else { return }
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

  func read(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) throws(FileError) {
    let size = elementType.size
    let wanted = header.size + range.lowerBound * size..<header.size + range.upperBound * size
    let readsToEnd = range.upperBound == elementCount(of: shape)
    var position = 0
    // Bytes of an element that straddles two blocks.
    var partial: [UInt8] = []
    var next = values
    try source.read { (block) throws(FileError) in
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
