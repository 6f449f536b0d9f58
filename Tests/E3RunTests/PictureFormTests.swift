import CE3Pictures
import E3TestSupport
import Testing

/// Forms that pictures may have and mostly have not.
@Suite("Rare forms of pictures")
struct PictureFormTests {
  private func text(_ string: String) -> String? { fault { _ = try decodePicture(Array(string.utf8)) } }

  @Test("comments of PNM end with a line of any system, and may follow a number of a plain picture at once")
  func comments() throws {
    let expected = Picture(width: 2, height: 1, channels: 1, pixels: [7, 9])
    for header in [
      "P2#c\r2 1 255\n", "P2 2#c\n1 255\n", "P2 2 1 255#c\n", "P2 2 1 255 #c\r\n", "P2 2 1 255\u{0B}#c\u{0C}\n\t",
    ] {
      #expect(try decodePicture(Array("\(header)7 9".utf8)) == expected, "\(header)")
    }
    for broken in ["P1 2 2", "P1 2 2\n01", "P1 2 2\n0121", "P4 2 2X", "P5 2 1 255#c\n", "P1 2 2\n01#"] {
      #expect(text(broken) != nil, "\(broken)")
    }
  }

  @Test("what is no picture is named, and a header that nobody read is decoded by nothing")
  func others() throws {
    #expect(text("RIFF0000WEBPVP8 ")?.contains("WebP") == true)
    #expect(text("RIFF0000WAVEfmt ")?.contains("not a JPEG, PNG or PNM") == true)
    #expect(text("P7\nWIDTH 1")?.contains("PAM pictures are not read") == true)
    var (header, settings, pixels) = (e3p_header(), e3p_settings(), [UInt8](repeating: 0, count: 16))
    header.kind = e3p_kind(rawValue: 7)
    var message = [CChar](repeating: 0, count: Int(E3P_MESSAGE_BYTES))
    #expect(e3p_decode(pixels, 16, &settings, &header, &pixels, &message) == -1)
  }

  @Test("of two orientations of one kind in a PNG the first counts; unknown and endless texts count for nothing")
  func texts() throws {
    let picture = try decodePicture(pictureBytes("rgb8.png"))
    func exif(_ orientation: UInt8) -> [UInt8] {
      Array("II*\0".utf8) + [8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    }
    func profile(_ orientation: UInt8, _ rest: String = "") -> [UInt8] {
      let digits = exif(orientation).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":G\n")
      return Array("Raw profile type exif\0\nexif\n 26\n\(digits)\(rest)".utf8)
    }
    func xmp(_ orientation: Int) -> [UInt8] {
      Array("XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"\(orientation)\"/>".utf8)
    }
    let spaces = String(repeating: " ", count: 1 << 17)
    let turned = try decodePicture(png("rgb8.png", "eXIf", exif(3)))
    #expect(turned != picture)
    for (what, name, first, second) in [
      ("eXIf", "eXIf", exif(3), exif(6)), ("raw profile", "tEXt", profile(3), profile(6)),
      ("XMP", "iTXt", xmp(3), xmp(6)),
      ("a long raw profile", "tEXt", profile(3, spaces), profile(6)),
      ("no keyword", "eXIf", exif(3), []), ("no end of the keyword", "tEXt", profile(3), Array("Raw".utf8)),
    ] {
      let bytes = try png("rgb8.png", name, first).inserting(
        pngChunk(second.isEmpty ? "tEXt" : name, second), at: 33 + 12 + first.count)
      #expect(try decodePicture(bytes) == turned, "\(what)")
    }
    #expect(try decodePicture(png("rgb8.png", "tEXt", Array("Comment\0exif".utf8))) == picture)
    // One text of a kind is read, whatever it holds: a file of thousands would take seconds.
    for (name, first, second) in [
      ("tEXt", Array("Raw profile type exif\0\n\n\n".utf8), profile(3)),
      ("iTXt", Array("XML:com.adobe.xmp\0\0\0\0\0<x/>".utf8), xmp(3)),
    ] {
      let bytes = try png("rgb8.png", name, first).inserting(pngChunk(name, second), at: 33 + 12 + first.count)
      #expect(try decodePicture(bytes) == picture, "\(name)")
    }
  }

  @Test("an index of previews that is cut, foreign, empty or too long takes no picture out of a stream")
  func previews() throws {
    func big(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) } }
    func index(entries: Int, at list: Int = 26, _ body: [UInt8] = []) -> [UInt8] {
      Array("MPF\0MM\0*".utf8) + big(8) + [0, 1, 0xB0, 2, 0, 7] + big(16 * entries) + big(list) + big(0) + body
    }
    let picture = try pictureBytes("grey.jpg")
    let place = jpegSegment(0xE0, in: picture).upperBound
    for body in [
      [1, 2], Array("MPX\0MM\0*".utf8), Array("MPF\0XX*\0\0\0\0\0".utf8), Array("MPF\0MM".utf8),
      Array("MPF\0MM\0*".utf8) + big(8) + [0, 1, 0xB0, 1, 0, 7] + big(0) + big(0), index(entries: 2),
      index(entries: 2, at: 1 << 20), index(entries: 20, [UInt8](repeating: 1, count: 320)), index(entries: 0),
      index(entries: 2, [UInt8](repeating: 0, count: 32)),
    ] as [[UInt8]] {
      let first = picture.inserting([0xFF, 0xE2, 0, 0] + body, at: place)
      var stream = first
      (stream[place + 2], stream[place + 3]) = (UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255))
      stream += picture
      var (splitter, at, ends) = (e3p_splitter(), 0, [Int]())
      while at < stream.count {
        var length = 0
        let kind = stream[at...].withUnsafeBufferPointer { e3p_split(&splitter, $0.baseAddress, $0.count, 1, &length) }
        #expect(kind == E3P_PART_PICTURE, "\(body.count) bytes")
        at += max(length, 1)
        ends.append(at)
      }
      #expect(ends == [first.count, stream.count], "\(body.count) bytes")
    }
  }
}
