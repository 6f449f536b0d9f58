import CE3
import E3Format

/// The status code of a piece of work.
func status(_ work: () throws(E3Error) -> Void) -> e3_status {
  do throws(E3Error) {
    try work()
    return e3_status(E3_OK)
  } catch {
    return error.rawValue
  }
}

/// Refuses a caller's size-versioned struct that has a member which is not known here and is not zero: it asks for
/// something that would not be done.
///
/// - Throws: `structSize`.
@inline(never)
func requireZeros(_ start: UnsafeRawPointer, from known: Int, to size: UInt32) throws(E3Error) {
  // No version is as large: what says so was never set, and that much may not be readable.
  guard size <= 4096 else { throw .structSize }
  var offset = known
  while offset < Int(size) {
    guard start.load(fromByteOffset: offset, as: UInt8.self) == 0 else { throw .structSize }
    offset += 1
  }
}

/// Fills a caller's size-versioned struct, whose first member is its `struct_size`, as far as the caller knows it.
///
/// - Parameter firstSize: Bytes of the struct in its first version; nil: there has been one only.
/// - Throws: `nullArgument`, `structSize`.
func fill<Struct: BitwiseCopyable>(
  _ destination: UnsafeMutablePointer<Struct>?, with value: Struct, firstSize: Int? = nil
) throws(E3Error) {
  try withUnsafeBytes(of: value) { (bytes) throws(E3Error) in
    try fill(UnsafeMutableRawPointer(destination), with: bytes, firstSize: firstSize ?? bytes.count)
  }
}

@inline(never)  // its size, once for each struct
private func fill(
  _ destination: UnsafeMutableRawPointer?, with bytes: UnsafeRawBufferPointer, firstSize: Int
) throws(E3Error) {
  guard let destination else { throw .nullArgument }
  let size = Int(destination.load(as: UInt32.self))
  guard size >= firstSize else { throw .structSize }
  let members = UnsafeRawBufferPointer(rebasing: bytes[MemoryLayout<UInt32>.size..<min(size, bytes.count)])
  (destination + MemoryLayout<UInt32>.size)
    .copyMemory(from: members.baseAddress.unsafelyUnwrapped, byteCount: members.count)
}
