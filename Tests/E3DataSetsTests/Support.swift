import CZlib
import E3Checkpoint
import Foundation

/// A folder that goes with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/e3-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes `bytes` to the file `name`, in folders that are made for it, and returns its path.
  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let url = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return url.path
  }
}

/// An IDX file of `shape`.
func idx(type: UInt8 = 8, shape: [UInt32], _ elements: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(shape.count)] + shape.flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    + elements
}

/// A `.npy` file of version 1.
func npy(_ descriptor: String, _ shape: [Int], _ elements: [UInt8]) -> [UInt8] {
  let extents = shape.map { "\($0)," }.joined()
  let header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(extents)), }\n"
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + elements
}

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
  } catch let error as CheckpointError {
    return error.problem
  } catch {
    return "another error: \(error)"
  }
}
