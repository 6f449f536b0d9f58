import Testing

@Suite("PNM")
struct PNMTests {
  private func decode(_ header: String, _ samples: [UInt8]) throws -> Picture {
    try decodePicture(Array(header.utf8) + samples)
  }

  @Test("comments and any white space separate the numbers")
  func comments() throws {
    let picture = try decode("P5 # grey\n#\n# 9\n 2\t#w\n3\r\n255\n", [1, 2, 3, 4, 5, 6])
    #expect(picture == Picture(width: 2, height: 3, channels: 1, pixels: [1, 2, 3, 4, 5, 6]))
  }

  @Test("samples are scaled from the maximum value to 255")
  func maximum() throws {
    #expect(try decode("P6 1 1 1\n", [0, 1, 1]).pixels == [0, 255, 255])
    #expect(try decode("P5 3 1 100\n", [0, 50, 100]).pixels == [0, 128, 255])
    #expect(try decode("P5 3 1 65535\n", [0, 0, 0x80, 0x80, 0xFF, 0xFF]).pixels == [0, 128, 255])
    #expect(try decode("P5 2 1 256\n", [0, 128, 1, 0]).pixels == [128, 255])
  }

  @Test(
    "headers that lie are refused before any memory is taken",
    arguments: [
      ("P5 0 4 255\n", "the picture has no pixels (0x4)"),
      ("P6 999999999 999999999 255\n", "999999999x999999999 pixels: a side is longer than 16384"),
      ("P6 16384 16384 255\n", "16384x16384 pixels: more than 67108864 (e3-run --max-pixels)"),
      ("P6 8192 8192 255\n", "PNM: 0 bytes of pixels, 8192x8192 need 201326592"),
      ("P5 1 1 0\n", "PNM: maximum value 0 is outside 1...65535"),
      ("P5 1 1 65536\n", "PNM: maximum value 65536 is outside 1...65535"),
      ("P5 9999999999 1 255\n", "PNM: the header is not width, height, maximum value"),
      ("P5 -1 1 255\n", "PNM: the header is not width, height, maximum value"),
      ("P5 1 1 255", "PNM: the header is not width, height, maximum value"),
      ("P5 1 # 1 255\n", "PNM: the header is not width, height, maximum value"),
    ])
  func lies(header: String, text: String) {
    #expect(throws: PictureError(text: text)) { try decode(header, []) }
  }

  @Test("a sample above the maximum value is an error")
  func aboveMaximum() {
    #expect(throws: PictureError(text: "PNM: sample 9 is above the maximum value 8")) {
      try decode("P5 2 1 8\n", [8, 9])
    }
  }

  @Test("plain pictures have the pixels of binary ones, with comments and line ends anywhere")
  func plain() throws {
    #expect(try decode("P3 1 2 7#\n7 0 # red\n\n3\t1 2\r\n6", []) == decode("P6 1 2 7 ", [7, 0, 3, 1, 2, 6]))
    #expect(try decode("P2\n3 1\n65535\n0 32896 65535\n", []).pixels == [0, 128, 255])
    #expect(throws: PictureError(text: "PNM: sample 2 of 3 is missing or no number")) {
      try decode("P2 3 1 9\n1 x 2", [])
    }
    #expect(throws: PictureError(text: "PNM: sample 3 of 3 is missing or no number")) {
      try decode("P2 3 1 99\n11 22", [])
    }
    #expect(throws: PictureError(text: "PNM: sample 10 is above the maximum value 9")) {
      try decode("P2 3 1 9\n1 2 10", [])
    }
  }

  @Test("a bitmap is black where its bits are set; plain ones need no space between digits")
  func bitmaps() throws {
    let expected = Picture(
      width: 10, height: 2, channels: 1,
      pixels: [255, 0, 255, 0, 0, 255, 255, 255, 0, 0] + Array(repeating: 255, count: 10))
    #expect(try decode("P4 10 2\n", [0b0101_1000, 0b1100_0000, 0, 0b0011_1111]) == expected)
    #expect(try decode("P1\n10 2\n0101100011\n#1\n0 0 0 0 0 00000", []) == expected)
    #expect(throws: PictureError(text: "PNM: 3 bytes of pixels, 10x2 need 4")) { try decode("P4 10 2\n", [0, 0, 0]) }
    #expect(throws: PictureError(text: "PNM: sample 2 of 2 is missing or no number")) { try decode("P1 2 1\n12", []) }
    #expect(throws: PictureError(text: "PNM: the header is not width, height")) { try decode("P4 10", []) }
  }

  @Test("a plain picture that claims more samples than it has bytes is refused before any memory is taken")
  func plainLies() {
    #expect(throws: PictureError(text: "PNM: 4 bytes of pixels, 8192x8192 need 201326592")) {
      try decode("P3 8192 8192 255\n1 2", [])
    }
  }
}
