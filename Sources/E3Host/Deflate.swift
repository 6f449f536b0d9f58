import CZlib

/// `bytes` as a zlib stream (RFC 1950), compressed as far as zlib can. The same bytes give the same stream.
package func zlibStream(of bytes: [UInt8]) -> [UInt8] {
  var size = compressBound(UInt(bytes.count))
  return [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, initialized in
    let status = compress2(buffer.baseAddress, &size, bytes, UInt(bytes.count), Z_BEST_COMPRESSION)
    precondition(status == Z_OK, "zlib has no memory")
    initialized = Int(size)
  }
}

/// CRC-32 of `bytes` as gzip and PNG have it.
package func crc32(of bytes: [UInt8]) -> UInt32 {
  UInt32(CZlib.crc32(0, bytes, UInt32(bytes.count)))
}
