import E3Format
import E3TestSupport
import Testing

/// What only a full verification finds: damage to weights, and weights that break the rules of int8 panels.
@Suite("Verification")
struct VerifyTests {
  private func verified(
    _ file: SampleFile = .full, _ edit: (inout [UInt8]) throws -> Void
  ) throws -> E3Error? {
    var bytes = try file.bytes
    try edit(&bytes)
    #expect(bytes.openError == nil, "opening does not look at int8 weights")
    return bytes.verifyError
  }

  // promise: format-verify, verify
  @Test("a flipped bit in any extent is found")
  func damage() throws {
    let bytes = try SampleFile.full.bytes
    for index in 0..<Int(bytes.header.extent_count) {
      let extent = bytes[extent: index]
      guard extent.encoding == UInt32(E3_FILE_ENCODING_INT8.rawValue) else { continue }
      #expect(try verified { $0[Int(extent.offset + extent.length / 2)] ^= 4 } == .fileChecksum)
    }
  }

  // promise: format-place
  @Test("a gap between extents that is not zero is found")
  func gap() throws {
    let bytes = try SampleFile.full.bytes
    let expert = bytes[extent: try #require(bytes.extentIndex(of: .expert))]
    #expect(try verified { $0[Int(expert.offset) - 1] = 1 } == .fileExtent)
  }

  @Test("a weight of -128") func weightRange() throws {
    #expect(try verified { try $0.write(Int8(-128), in: .patchEmbedding, at: 5) } == .fileValues)
  }

  // promise: format-panels
  @Test("a weight for an input or output that is not there") func weightPadding() throws {
    // Group 9 holds the inputs 36...39 of 36; channel 6 is the first of the padding.
    #expect(try verified { try $0.write(Int8(1), in: .patchEmbedding, at: 9 * 64) } == .fileValues)
    #expect(try verified { try $0.write(Int8(1), in: .patchEmbedding, at: 6 * 4) } == .fileValues)
  }

  @Test("a weight in the padding of a head") func headPadding() throws {
    #expect(try verified { try $0.write(Int8(1), in: .queryKeyValue, at: 3 * 4) } == .fileValues)
    #expect(try verified { try $0.write(Int8(1), in: .attentionOutput, at: 3) } == .fileValues)
  }

  @Test("a scale that is negative or not finite, a bias that is not finite, tails of padding")
  func tails() throws {
    let scales = 40 * 16
    #expect(try verified { try $0.write(Float(-1), in: .patchEmbedding, at: scales) } == .fileValues)
    #expect(try verified { try $0.write(Float.infinity, in: .patchEmbedding, at: scales) } == .fileValues)
    #expect(try verified { try $0.write(Float.nan, in: .patchEmbedding, at: scales + 64) } == .fileValues)
    #expect(try verified { try $0.write(Float(1), in: .patchEmbedding, at: scales + 24) } == .fileValues)
    #expect(try verified { try $0.write(Float(1), in: .patchEmbedding, at: scales + 64 + 24) } == .fileValues)
  }

  // promise: format-panels
  @Test("a compensation that is not 128 times the sum of the weights") func compensation() throws {
    #expect(try verified { try $0.write(Int32(3), in: .patchEmbedding, at: 40 * 16 + 128) } == .fileValues)
    #expect(try verified { try $0.write(Int32(1), in: .expert, at: 8 * 16 + 128 + 60) } == .fileValues)
  }

  @Test("a file with 4-bit weights is good") func int4() throws {
    #expect(try verified(.int4) { _ in } == nil)
    #expect(try SampleFile.int4.bytes.count < SampleFile.full.bytes.count + 4096)
  }

  // An expert's first layer: 6 inputs, padded to 8: 64 bytes of grids, 64 of codes, 192 of scales, biases, compensations.
  // promise: format-int4
  @Test("a grid of which a code stands for more than 127, whether or not a weight has that code")
  func int4Grid() throws {
    for (multiplier, zero) in [(15, 6), (15, 9), (9, 0), (9, 15), (10, 2)] {
      let grid = UInt8(multiplier + 16 * zero)
      #expect(try verified(.int4) { try $0.write(grid, in: .expert, at: 7) } == .fileValues, "\(multiplier), \(zero)")
    }
  }

  // promise: format-int4
  @Test("4-bit weights of inputs and outputs that are not there, bytes after the grids, a wrong compensation")
  func int4Padding() throws {
    // The second layer has 7 inputs and 6 outputs.
    let contract = 64 + 64 + 192
    for (place, byte): (Int, UInt8) in [(16, 1), (63, 1)] {
      #expect(try verified(.int4) { try $0.write(byte, in: .expert, at: place) } == .fileValues)
    }
    // Output 6, which is not there: a multiplier of 1 and codes of 3.
    #expect(
      try verified(.int4) {
        try $0.write(UInt8(1), in: .expert, at: contract + 6)
        try $0.write(UInt32(0x3333_3333), in: .expert, at: contract + 64 + 24)
      } == .fileValues)
    #expect(try verified(.int4) { try $0.write(Int32(7), in: .expert, at: 64 + 64 + 128) } == .fileValues)
    #expect(try verified(.int4) { try $0.write(Float.nan, in: .expert, at: 64 + 64) } == .fileValues)
  }

  @Test("a broken second layer of an expert") func contractLayer() throws {
    let expand = 8 * 16 + 192
    #expect(try verified { try $0.write(Int8(-128), in: .expert, at: expand) } == .fileValues)
  }
}
