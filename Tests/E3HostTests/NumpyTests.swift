import E3Host
import E3TestSupport
import Testing

@Suite("Numpy arrays") struct NumpyTests {
  /// A version-1 `.npy` file with `dictionary` as its header.
  private func array(_ dictionary: String, _ elements: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let header = Array(dictionary.utf8) + [0x0A]
    let length =
      version == 1 ? [UInt8(header.count & 0xFF), UInt8(header.count >> 8)] : [UInt8(header.count), 0, 0, 0]
    return [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, version, 0] + length + header + elements
  }

  private func read(_ bytes: [UInt8]) throws -> NumpyArray {
    let folder = try TemporaryFolder()
    return try NumpyArray(path: folder.write(bytes, to: "array.npy"))
  }

  @Test("what is written is read back, bit for bit", arguments: [[], [3], [2, 3], [1, 2, 0, 3]])
  func roundTrip(_ shape: [Int]) throws {
    let folder = try TemporaryFolder()
    let values = (0..<shape.reduce(1, *)).map { Float($0) / 7 - 0.3 }
    try NumpyArray.write(values, shape: shape, path: folder["array.npy"])
    let array = try NumpyArray(path: folder["array.npy"])
    #expect(array.shape == shape && array.values == values && array.elementType == .float32)
  }

  @Test(
    "every element type is converted to float32",
    arguments: [
      ("<f4", [0, 0, 0xC0, 0x3F], 1.5), ("<f2", [0, 0x3E], 1.5), ("|V2", [0xC0, 0x3F], 1.5),
      ("<V2", [0xC0, 0x3F], 1.5),
      ("<f8", [0, 0, 0, 0, 0, 0, 0xF8, 0x3F], 1.5), ("|u1", [200], 200), ("|i1", [0xFE], -2),
      ("<i2", [0xFE, 0xFF], -2),
      ("<u2", [1, 2], 513), ("<i4", [0xFD, 0xFF, 0xFF, 0xFF], -3), ("<u4", [4, 0, 0, 0], 4),
      ("<i8", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], -1), ("<u8", [5, 0, 0, 0, 0, 0, 0, 0], 5),
    ] as [(String, [UInt8], Float)])
  func types(_ descriptor: String, _ bytes: [UInt8], _ value: Float) throws {
    let header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (1,), }"
    #expect(try read(array(header, bytes)).values == [value])
  }

  @Test("an array in Fortran order is read in C order")
  func fortran() throws {
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}"
    #expect(try read(array(header, [1, 4, 2, 5, 3, 6])).values == [1, 2, 3, 4, 5, 6])
  }

  @Test("headers of version 2 and 3 are read")
  func versions() throws {
    let header = "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}"
    for version: UInt8 in [2, 3] { #expect(try read(array(header, [8, 9], version: version)).values == [8, 9]) }
  }

  @Test(
    "a malformed header is refused",
    arguments: [
      "{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': 'O', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1}", "{'descr': '|u1', 'shape': (1,)}", "{", "",
      "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} 1",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
      "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    ])
  func malformed(_ header: String) throws {
    #expect(throws: FileError.self) { try read(array(header, [1])) }
  }

  @Test("a file longer or shorter than its shape is refused")
  func wrongSize() throws {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}"
    for elements: [UInt8] in [[1], [1, 2, 3]] {
      let error = try #require(throws: FileError.self) { try read(array(header, elements)) }
      #expect(error.problem.contains("for shape [2]"))
    }
  }
}
