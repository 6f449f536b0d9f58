import CE3Pictures
import E3TestSupport
import Testing

/// What files are told by their first bytes, so that none is taken for raw pixels.
@Suite("Kinds of files that are no raw pixels")
struct PictureKindTests {
  private func kind(_ bytes: [UInt8]) -> String? { e3p_begins_as(bytes, bytes.count).map { String(cString: $0) } }

  @Test("a JPEG shows by its first segment, and by the second one where that is there")
  func jpeg() {
    for marker in [0xC0, 0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xFE] as [UInt8] {
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 4, 1, 2, 0xFF, 0xC4]) != nil)
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 4]) != nil)
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 4, 1, 2, 0xFF, 0xFF]) == nil)
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 4, 1, 2, 0xFE, 0xC4]) == nil)
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 1, 1, 2, 0xFF, 0xC4]) == nil)
    }
    // Without a length, or no marker at all.
    for marker in [0xD0, 0xD7, 0xD8, 0xD9, 0xBF, 0, 0xFF] as [UInt8] {
      #expect(kind([0xFF, 0xD8, 0xFF, marker, 0, 4, 1, 2, 0xFF, 0xC4]) == nil)
    }
    #expect(kind([0xFF, 0xD8, 0xFE, 0xE0, 0, 4]) == nil && kind([0xFF, 0xD7, 0xFF, 0xE0, 0, 4]) == nil)
    #expect(kind([0xFE, 0xD8, 0xFF, 0xE0, 0, 4]) == nil && kind([0xFF, 0xD8, 0xFF, 0xE0, 0]) == nil)
  }

  @Test("a PNM shows by its whole header")
  func pnm() {
    for text in ["P1\n12 10\n", "P4 # a\n 12#b\n 10 ", "P6 1 1 255\n", "P5\t12\r\n1 65535\n", "P3#ab\n1\n1\n1\n"] {
      #expect(kind(Array(text.utf8)) != nil, "\(text)")
      #expect(kind(Array(text.utf8.dropLast())) == nil, "\(text)")
    }
    for text in [
      "P0\n12 10 255\n", "P8\n12 10 255\n", "Q5\n12 10 255\n", "P5112 10 255\n", "P5\n1a 10 255\n", "P6\n\n\n\n",
      "P5\n12 10\n\u{1}", "P5\n12 10 255:", "P5\n/1 1 1 ", "P3#", "P2\n# endless",
    ] {
      #expect(kind(Array(text.utf8)) == nil, "\(text)")
    }
  }

  @Test("H.264 and H.265 show by their parameters")
  func h26x() {
    let parameters: [UInt8] = [0x67, 66, 0, 30]
    func stream(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, 1] + bytes + [UInt8](repeating: 9, count: 24) }
    let good = [
      parameters, [0x27, 100, 0x0C, 41], [0x67, 77, 0, 9], [0x67, 88, 0, 62], [9, 0xF0, 0, 0, 0, 1] + parameters,
      [0x40, 1, 0x0C, 1], [0x46, 1, 0x50, 0, 0, 0, 1, 0x40, 1, 0x0C],
    ]
    for bytes in good { #expect(kind(stream(bytes))?.hasPrefix("a film is not read") == true, "\(bytes)") }
    for bytes in [
      [0x68, 66, 0, 30], [0x67, 67, 0, 30], [0x67, 66, 1, 30], [0x67, 66, 0, 8], [0x67, 66, 0, 63],
      [0x67, 0x67, 0x67, 0x67],
      [9, 0xF0, 0, 0, 1, 1] + parameters, [0x40, 2, 0x0C], [0x40, 1, 0x0D], [0x46, 1, 0x50, 0, 0, 1, 1, 0x40, 1, 0x0C],
    ] as [[UInt8]] {
      #expect(kind(stream(bytes)) == nil, "\(bytes)")
    }
    #expect(kind(Array(stream(parameters).prefix(23))) == nil && kind([0, 0, 1, 1] + stream(parameters)) == nil)
  }

  @Test("plain frames of every colour that a camera may give are pixels")
  func plainFrames() {
    var generator = SplitMix(state: 3)
    for value in 0...255 as ClosedRange<UInt8> {
      for others in [(value, value), (0, value), (value, 0), (128, 128), (0x5A, 0x96), (0xFF, 0xFF)] as [(UInt8, UInt8)]
      {
        // Grey, RGB, YUYV, UYVY, and four bytes with a fourth that means nothing.
        for pattern in [
          [value], [value, others.0, others.1], [value, others.0, value, others.1], [others.0, value, others.1, value],
          [value, others.0, others.1, 0], [value, others.0, others.1, 0xFF],
        ] {
          #expect(kind((0..<4096).map { pattern[$0 % pattern.count] }) == nil, "\(pattern)")
        }
      }
      // The colours whose bytes are letters, with the noise of a camera.
      for pattern in [
        [80, 53, 35], [80, 55, 10], [73, 73, 42, 0], [77, 77, 0, 42], [71, 71, 71, 255], [66, 77, 70],
      ] {
        let noisy = (0..<4096).map {
          UInt8(clamping: pattern[$0 % pattern.count] + Int.random(in: -2...2, using: &generator))
        }
        #expect(kind(noisy) == nil, "\(pattern)")
      }
    }
  }

  @Test("a BMP shows by its two headers")
  func bmp() {
    let good = Array("BM".utf8) + [9, 9, 9, 9, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]
    for size in [12, 40, 124] as [UInt8] {
      var bytes = good
      bytes[14] = size
      #expect(kind(bytes)?.hasPrefix("BMP pictures are not read") == true)
    }
    #expect(kind(Array(good.dropLast())) == nil)
    for (place, value) in [(0, 0), (1, 0), (6, 1), (9, 1), (14, 11), (14, 125), (15, 1), (17, 1)] as [(Int, UInt8)] {
      var bytes = good
      bytes[place] = value
      #expect(kind(bytes) == nil, "\(place)")
    }
  }

  @Test("a transport stream shows by three packets")
  func transportStream() {
    var good = [UInt8](repeating: 0xFF, count: 377)
    for packet in 0..<3 { good[188 * packet] = 0x47 }
    (good[1], good[2], good[3]) = (0x40, 0x11, 0x10)
    #expect(kind(good.map { $0 == 0x11 ? 0 : $0 })?.hasPrefix("a film is not read") == true)
    #expect(kind(good)?.hasPrefix("a film is not read") == true)
    #expect(kind(Array(good.dropLast())) == nil)
    for (place, value) in [(0, 0x46), (1, 0), (2, 1), (3, 0), (3, 0x50), (188, 0), (376, 0)] as [(Int, UInt8)] {
      var bytes = good
      bytes[place] = value
      #expect(kind(bytes) == nil, "\(place)")
    }
    #expect(kind([UInt8](repeating: 0x47, count: 377)) == nil, "a grey picture")
  }

  @Test("a signature is looked for whole, and at its place")
  func signatures() {
    let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A]
    #expect(kind(png) != nil && kind(Array(png.dropLast())) == nil && kind([0] + png) == nil)
    #expect(kind(Array("RIFF____WEBP".utf8)) != nil && kind(Array("RIFX____WEBP".utf8)) == nil)
    #expect(kind([0, 0] + Array("__ftypisom".utf8)) != nil && kind([0, 1] + Array("__ftypisom".utf8)) == nil)
    #expect(kind([1, 0] + Array("__ftypisom".utf8)) == nil && kind(Array("WEBP________".utf8)) == nil)
    #expect(kind(Array("MM\0*\0\0\0\u{8}".utf8)) != nil && kind(Array("II*\0\u{9}\0\0\0".utf8)) == nil)
    #expect(kind(Array("II*\0\u{8}\0\0".utf8)) == nil)
    #expect(kind([0x1F, 0x8B, 8, 0]) != nil && kind([0x1F, 0x8B, 8, 8]) != nil && kind([0x1F, 0x8B, 8, 9]) == nil)
    #expect(kind([]) == nil && kind([0]) == nil)
  }
}
