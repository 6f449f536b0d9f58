/// An IDX file of `shape` (MNIST's format); element type 8 is bytes.
package func idx(_ shape: [UInt32], _ elements: [UInt8], type: UInt8 = 8) -> [UInt8] {
  [0, 0, type, UInt8(shape.count)] + shape.flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    + elements
}

/// A `.npy` file (numpy.lib.format).
///
/// - Parameters:
///   - elements: as they stand in the file.
///   - order: the value of `fortran_order`.
///   - padding: spaces at the end of the header, which move the elements.
package func npy(
  _ shape: [Int], _ elements: [UInt8], type: String = "|u1", order: String = "False", version: UInt8 = 1,
  padding: Int = 0
) -> [UInt8] {
  let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
  var header = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': (\(extents)), }"
  header += String(repeating: " ", count: padding) + "\n"
  let length = UInt32(header.utf8.count)
  let lengthBytes = withUnsafeBytes(of: length.littleEndian) { Array($0.prefix(version == 1 ? 2 : 4)) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + lengthBytes + Array(header.utf8) + elements
}

/// A PNG of one pixel of the colour 200, 100, 50 that is fully transparent.
package let transparentPNG: [UInt8] = [
  0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00,
  0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1F, 0x15, 0xC4, 0x89, 0x00, 0x00, 0x00,
  0x0D, 0x49, 0x44, 0x41, 0x54, 0x78, 0xDA, 0x63, 0x38, 0x91, 0x62, 0xC4, 0x00, 0x00, 0x04, 0xB5, 0x01, 0x5F,
  0x7F, 0xD3, 0x92, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
]
