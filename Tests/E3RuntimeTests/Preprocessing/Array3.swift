import Foundation

/// An array [height][width][channels] for the preprocessing tests, and the reader of the goldens' `.npy` files.
struct Array3<Element> {
  var height: Int, width: Int, channels: Int
  var values: [Element]

  subscript(y: Int, x: Int, c: Int) -> Element { values[(y * width + x) * channels + c] }
}

extension Array3 {
  /// Reads a C-order, little-endian version-1 `.npy` of this element type with three dimensions.
  init(npy url: URL) throws {
    let data = try Data(contentsOf: url)
    let headerLength = Int(data[8]) | Int(data[9]) << 8
    let header = String(decoding: data[10..<10 + headerLength], as: UTF8.self)
    let open = header.range(of: "'shape': (")!.upperBound
    let shape = header[open...].prefix { $0 != ")" }.split(separator: ",").map {
      Int($0.trimmingCharacters(in: .whitespaces))!
    }
    precondition(shape.count == 3 && header.contains("'fortran_order': False"), "\(url.lastPathComponent): \(header)")
    precondition(data.count == 10 + headerLength + shape.reduce(1, *) * MemoryLayout<Element>.size)
    (height, width, channels) = (shape[0], shape[1], shape[2])
    values = data.dropFirst(10 + headerLength).withUnsafeBytes { bytes in
      (0..<shape.reduce(1, *)).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
      }
    }
  }
}
