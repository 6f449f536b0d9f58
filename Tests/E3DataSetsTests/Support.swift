import CZlib
import E3Host
import Foundation

/// A binary PPM (three channels) or PGM of one value.
func pnm(height: Int, width: Int, channels: Int, value: UInt8) -> [UInt8] {
  Array("P\(channels == 3 ? 6 : 5)\n\(width) \(height)\n255\n".utf8)
    + [UInt8](repeating: value, count: height * width * channels)
}

/// `bytes` as one gzip member.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  precondition(
    deflateInit2_(
      &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
      == Z_OK)
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: bytes.count + 1000)
  let count = input.withUnsafeMutableBufferPointer { input in
    output.withUnsafeMutableBufferPointer { output in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(output.count)
      precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
      return output.count - Int(stream.avail_out)
    }
  }
  return Array(output[..<count])
}

/// The problem that `work` is refused with; nil when it is not.
func problem(_ work: () throws -> Void) -> String? {
  do {
    try work()
    return nil
  } catch let error as FileError {
    return error.problem
  } catch {
    return "another error: \(error)"
  }
}
