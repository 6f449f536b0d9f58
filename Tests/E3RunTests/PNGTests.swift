import CE3Pictures
import CZlib
import E3TestSupport
import Foundation
import Testing

/// A chunk with its length and its sum.
func pngChunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
  func big(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) } }
  let named = Array(name.utf8) + body
  return big(body.count) + named + big(Int(crc32(0, named, UInt32(named.count))))
}

/// A picture of the test data with a chunk behind its header.
func png(_ picture: String, _ name: String, _ body: [UInt8]) throws -> [UInt8] {
  try pictureBytes(picture).inserting(pngChunk(name, body), at: 33)
}

/// The bytes as zlib compresses them.
func compressed(_ bytes: [UInt8]) -> [UInt8] {
  var size = compressBound(UInt(bytes.count))
  var packed = [UInt8](repeating: 0, count: Int(size))
  precondition(compress(&packed, &size, bytes, UInt(bytes.count)) == Z_OK)
  return Array(packed.prefix(Int(size)))
}

/// A picture of 2 x 1 pixels from its samples, which one filter byte precedes.
private func png(depth: UInt8, type: UInt8, _ samples: [UInt8], chunks: [UInt8] = []) -> [UInt8] {
  [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + pngChunk("IHDR", [0, 0, 0, 2, 0, 0, 0, 1, depth, type, 0, 0, 0])
    + chunks + pngChunk("IDAT", compressed([0] + samples)) + pngChunk("IEND", [])
}

@Suite("PNG")
struct PNGTests {
  private func pixels(_ bytes: [UInt8], _ alpha: e3p_alpha) throws -> [UInt8] {
    var settings = e3p_settings()
    settings.alpha = alpha
    return try decodePicture(bytes, settings).pixels
  }

  @Test("transparent pixels show a white ground, a black one, or their own colour, as the settings say")
  func alpha() throws {
    let rgba = png(depth: 8, type: 6, [200, 100, 50, 0, 200, 100, 50, 128])
    #expect(try pixels(rgba, E3P_ALPHA_WHITE) == [255, 255, 255, 227, 177, 152])
    #expect(try pixels(rgba, E3P_ALPHA_BLACK) == [0, 0, 0, 100, 50, 25])
    #expect(try pixels(rgba, E3P_ALPHA_IGNORE) == [200, 100, 50, 200, 100, 50])
    let grey = png(depth: 8, type: 4, [200, 0, 200, 255])
    #expect(try pixels(grey, E3P_ALPHA_WHITE) == [255, 200])
    #expect(try pixels(grey, E3P_ALPHA_BLACK) == [0, 200])
    #expect(try pixels(grey, E3P_ALPHA_IGNORE) == [200, 200])
    let palette = png(
      depth: 8, type: 3, [0, 1], chunks: pngChunk("PLTE", [10, 20, 30, 40, 50, 60]) + pngChunk("tRNS", [0]))
    #expect(try pixels(palette, E3P_ALPHA_WHITE) == [255, 255, 255, 40, 50, 60])
    #expect(try pixels(palette, E3P_ALPHA_BLACK) == [0, 0, 0, 40, 50, 60])
    #expect(try pixels(palette, E3P_ALPHA_IGNORE) == [10, 20, 30, 40, 50, 60])
  }

  @Test("a colour that is called transparent is so, and only it, at every depth")
  func transparentColour() throws {
    func expect(_ bytes: [UInt8], white: [UInt8], black: [UInt8], own: [UInt8], _ comment: Comment) throws {
      #expect(try pixels(bytes, E3P_ALPHA_WHITE) == white, comment)
      #expect(try pixels(bytes, E3P_ALPHA_BLACK) == black, comment)
      #expect(try pixels(bytes, E3P_ALPHA_IGNORE) == own, comment)
    }
    // Two neighbours that sixteen bits tell apart and eight do not.
    let grey16 = png(depth: 16, type: 0, [100, 7, 100, 8], chunks: pngChunk("tRNS", [100, 7]))
    try expect(grey16, white: [255, 100], black: [0, 100], own: [100, 100], "16-bit grey")
    let rgb16 = png(
      depth: 16, type: 2, [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 4], chunks: pngChunk("tRNS", [1, 1, 2, 2, 3, 3]))
    try expect(
      rgb16, white: [255, 255, 255, 1, 2, 3], black: [0, 0, 0, 1, 2, 3], own: [1, 2, 3, 1, 2, 3], "16-bit colour")
    let grey8 = png(depth: 8, type: 0, [9, 10], chunks: pngChunk("tRNS", [0, 9]))
    try expect(grey8, white: [255, 10], black: [0, 10], own: [9, 10], "8-bit grey")
    let grey2 = png(depth: 2, type: 0, [0b0110_0000], chunks: pngChunk("tRNS", [0, 1]))
    try expect(grey2, white: [255, 170], black: [0, 170], own: [85, 170], "2-bit grey")
  }

  @Test("of sixteen bits of a colour, or of grey with alpha, the upper eight are read; plain grey is rounded")
  func sixteenBits() throws {
    // 0x01FF is nearer to 2 than to 1, 0xFE00 to 253 than to 254.
    let rgb = png(depth: 16, type: 2, [1, 255, 0, 127, 254, 0, 0, 128, 0, 255, 255, 255])
    #expect(try pixels(rgb, E3P_ALPHA_WHITE) == [1, 0, 254, 0, 0, 255])
    let rgba = png(depth: 16, type: 6, [1, 255, 0, 127, 254, 0, 255, 255, 1, 255, 0, 127, 254, 0, 0, 255])
    #expect(try pixels(rgba, E3P_ALPHA_WHITE) == [1, 0, 254, 255, 255, 255])
    #expect(try pixels(rgba, E3P_ALPHA_IGNORE) == [1, 0, 254, 1, 0, 254])
    let greyAlpha = png(depth: 16, type: 4, [1, 255, 255, 255, 254, 0, 255, 255])
    #expect(try pixels(greyAlpha, E3P_ALPHA_WHITE) == [1, 254])
    let grey = png(depth: 16, type: 0, [1, 255, 254, 0])
    #expect(try pixels(grey, E3P_ALPHA_WHITE) == [2, 253])
  }

  @Test("texts and profiles are passed over, whatever they hold")
  func ancillaryChunks() throws {
    let expected = try decodePicture(pictureBytes("rgb8.png"))
    let large = compressed([UInt8](repeating: 0x20, count: 1 << 20))
    for (name, body) in [
      ("zTXt", Array("Comment\0\0".utf8) + large), ("zTXt", Array("Comment\0\0broken".utf8)), ("iTXt", [1, 2, 3]),
      ("tEXt", []), ("iCCP", Array("profile\0\0".utf8) + large), ("iCCP", Array("profile\0\0broken".utf8)),
      ("gAMA", [0, 0, 0, 1]), ("cHRM", [0]), ("sPLT", [0, 0, 0]), ("vpAg", [1]),
    ] {
      let chunk = pngChunk(name, body)
      let bytes = try pictureBytes("rgb8.png").inserting(Array(repeatElement(chunk, count: 20).joined()), at: 33)
      #expect(try decodePicture(bytes) == expected, "\(name)")
    }
  }

  @Test("a picture of more bytes than its limit of pixels allows is refused before they are decompressed")
  func rawBytes() throws {
    let rgba16 = png(depth: 16, type: 6, [UInt8](repeating: 9, count: 16))
    var settings = e3p_settings()
    settings.max_pixels = 4
    #expect(try decodePicture(rgba16, settings).pixels.count == 6)
    settings.max_pixels = 3
    #expect(throws: PictureError(text: "PNG: 2x1 pixels of 8 bytes take too much work (e3-run --max-pixels)")) {
      try decodePicture(rgba16, settings)
    }
  }
}
