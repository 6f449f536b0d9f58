import E3Format
import E3TestSupport
import Testing

@Suite("XXH64")
struct XXH64Tests {
  /// The buffer of xxHash's own sanity test.
  static let buffer: [UInt8] = {
    var generator: UInt64 = 2_654_435_761
    return (0..<2367).map { _ in
      defer { generator = generator &* 11_400_714_785_074_694_797 }
      return UInt8(truncatingIfNeeded: generator >> 56)
    }
  }()

  @Test(
    "the reference's vectors with seed 0",
    arguments: [
      (0, 0xef46_db37_51d8_e999), (1, 0xe934_a84a_db05_2768), (3, 0xff7e_1959_cb50_794a),
      (4, 0x9136_a0dc_a574_57ee), (8, 0xcdbc_f538_e71d_1348), (14, 0x8282_dcc4_994e_35c8),
      (31, 0x299b_39a2_90e6_d783), (32, 0x18b2_1649_2bb4_4b70), (33, 0x55c8_dc3e_578f_5b59),
      (63, 0xa9ef_be0f_a0f3_f4e7), (64, 0xef55_8f8a_cac2_b5cd), (101, 0xa51e_a210_1b2d_114c),
      (222, 0xb641_ae8c_b691_c174), (1000, 0x52bd_1358_f22e_9ef7), (2367, 0xa824_18dd_ec0e_a581),
    ] as [(Int, UInt64)])
  func seedZero(length: Int, expected: UInt64) {
    Self.buffer[..<length].withUnsafeBytes { #expect(XXH64.hash($0) == expected) }
  }

  @Test(
    "the reference's vectors with another seed",
    arguments: [
      (0, 0xac75_fda2_929b_17ef), (1, 0x5014_6076_43a9_b4c3), (14, 0xc3bd_6bf6_3deb_6df0),
      (33, 0xe92c_292f_64bc_3071), (222, 0x20cb_8ab7_ae10_c14a), (2367, 0xa36a_93c1_8052_673a),
    ] as [(Int, UInt64)])
  func otherSeed(length: Int, expected: UInt64) {
    Self.buffer[..<length].withUnsafeBytes { #expect(XXH64.hash($0, seed: 2_654_435_761) == expected) }
  }

  @Test("a stream hashes as the whole, however it is cut", arguments: [1, 3, 7, 31, 32, 33, 64, 100])
  func streaming(piece: Int) {
    for length in [0, 5, 31, 32, 33, 64, 65, 257, 2367] {
      var hash = XXH64()
      for start in stride(from: 0, to: length, by: piece) {
        Self.buffer[start..<min(start + piece, length)].withUnsafeBytes { hash.update($0) }
      }
      #expect(hash.digest == Self.buffer[..<length].withUnsafeBytes { XXH64.hash($0) }, "\(length) bytes by \(piece)")
    }
  }
}
