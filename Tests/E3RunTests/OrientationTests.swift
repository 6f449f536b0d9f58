import CZlib
import E3TestSupport
import Testing

/// A TIFF structure whose first directory has one entry, the orientation.
private func exif(_ order: String, type: UInt16, count: UInt32 = 1, _ value: UInt32, tag: UInt16 = 274) -> [UInt8] {
  func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: order == "MM" ? value.bigEndian : value.littleEndian) { Array($0) }
  }
  let first = [4, 9].contains(type) ? bytes(value) : [3, 8].contains(type) ? bytes(UInt16(value)) : [UInt8(value)]
  let values = first + [UInt8](repeating: 1, count: Int(max(count, 1) - 1) * first.count)
  // More than four bytes lie behind the directory.
  let held = values.count > 4 ? bytes(UInt32(26)) : values + [UInt8](repeating: 0, count: 4 - values.count)
  return Array(order.utf8) + bytes(UInt16(42)) + bytes(UInt32(8)) + bytes(UInt16(1)) + bytes(tag) + bytes(type)
    + bytes(count) + held + [0, 0, 0, 0] + (values.count > 4 ? values : [])
}

private func xmp(_ text: String) -> [UInt8] {
  Array(
    "<x:xmpmeta><rdf:RDF><rdf:Description xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\"\(text)</rdf:RDF></x:xmpmeta>"
      .utf8)
}

/// The picture as the orientation says, worked out apart from the library.
private func turned(_ picture: Picture, _ orientation: Int) -> Picture {
  func mirrored(_ p: Picture) -> Picture { mapped(p, p.width, p.height) { (p.width - 1 - $0, $1) } }
  func clockwise(_ p: Picture) -> Picture { mapped(p, p.height, p.width) { ($1, p.height - 1 - $0) } }
  func mapped(_ p: Picture, _ width: Int, _ height: Int, _ from: (Int, Int) -> (Int, Int)) -> Picture {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let (fromX, fromY) = from(x, y)
        let at = (fromY * p.width + fromX) * p.channels
        pixels += p.pixels[at..<at + p.channels]
      }
    }
    return Picture(width: width, height: height, channels: p.channels, pixels: pixels)
  }
  let half = { clockwise(clockwise($0)) }
  return switch orientation {
  case 2: mirrored(picture)
  case 3: half(picture)
  case 4: half(mirrored(picture))
  case 5: clockwise(half(mirrored(picture)))
  case 6: clockwise(picture)
  case 7: clockwise(mirrored(picture))
  case 8: clockwise(half(picture))
  default: picture
  }
}

@Suite("Orientation")
struct OrientationTests {
  /// A picture with an application segment behind its first one.
  private func jpeg(_ body: [UInt8]) throws -> [UInt8] {
    let bytes = try pictureBytes("colour-444.jpg")
    let length = [UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)]
    return bytes.inserting([0xFF, 0xE1] + length + body, at: jpegSegment(0xE0, in: bytes).upperBound)
  }

  private func expect(_ bytes: [UInt8], _ orientation: Int, of name: String, _ comment: Comment) throws {
    #expect(try decodePicture(bytes) == turned(decodePicture(pictureBytes(name)), orientation), comment)
  }

  @Test("EXIF's number may be a SHORT, a LONG or a BYTE, in both byte orders, in JPEG and PNG", arguments: 1...8)
  func exifForms(orientation: Int) throws {
    for order in ["II", "MM"] {
      for type: UInt16 in [1, 3, 4] {
        let block = exif(order, type: type, UInt32(orientation))
        try expect(jpeg(Array("Exif\0\0".utf8) + block), orientation, of: "colour-444.jpg", "\(order) \(type)")
        for prefix in ["", "Exif\0\0"] {
          for name in ["rgb8.png", "grey16-interlaced.png", "palette4.png"] {
            let bytes = try png(name, "eXIf", Array(prefix.utf8) + block)
            try expect(bytes, orientation, of: name, "\(name) \(order) \(type)")
          }
        }
      }
    }
  }

  @Test("EXIF's number may have a sign, and of several the first counts, as Pillow has it", arguments: ["II", "MM"])
  func exifNumbers(order: String) throws {
    for (type, count) in [(8, 1), (9, 1), (3, 2), (3, 3), (4, 2), (8, 2), (9, 2), (4, 3)] as [(UInt16, UInt32)] {
      let block = exif(order, type: type, count: count, 6)
      try expect(jpeg(Array("Exif\0\0".utf8) + block), 6, of: "colour-444.jpg", "\(type) \(count)")
      try expect(png("rgb8.png", "eXIf", block), 6, of: "rgb8.png", "\(type) \(count)")
    }
  }

  @Test("a number that means nothing turns nothing")
  func meaningless() throws {
    let blocks = [
      exif("II", type: 3, 0), exif("MM", type: 3, 9), exif("II", type: 4, 65542), exif("MM", type: 1, count: 2, 6),
      exif("II", type: 3, count: 0, 6), exif("MM", type: 8, 65530), exif("II", type: 9, 0xFFFF_FFFA),
      Array(exif("MM", type: 4, count: 2, 6).prefix(29)), exif("II", type: 2, 6), exif("MM", type: 3, 6, tag: 275),
      Array(exif("II", type: 3, 6).prefix(15)),
      Array("II*\0".utf8) + [255, 255, 255, 255], [],
    ]
    for block in blocks {
      try expect(jpeg(Array("Exif\0\0".utf8) + block), 1, of: "colour-444.jpg", "\(block)")
      try expect(png("rgb8.png", "eXIf", block), 1, of: "rgb8.png", "\(block)")
    }
  }

  private static let forms = [
    " tiff:Orientation=\"6\"/>", " tiff:Orientation='6'/>", "><tiff:Orientation>6</tiff:Orientation>",
    " tiff:Orientation = \"6\"/>", "><tiff:Orientation> 6 </tiff:Orientation>",
  ]

  @Test("XMP's number may be an attribute or an element, in JPEG and PNG", arguments: forms)
  func xmpForms(form: String) throws {
    let packet = xmp(form)
    try expect(jpeg(Array("http://ns.adobe.com/xap/1.0/\0".utf8) + packet), 6, of: "colour-444.jpg", "JPEG")
    let keyword = Array("XML:com.adobe.xmp\0".utf8)
    try expect(png("rgb8.png", "iTXt", keyword + [0, 0, 0, 0] + packet), 6, of: "rgb8.png", "PNG")
    let packed = keyword + [1, 0] + Array("en\0XMP\0".utf8) + compressed(packet)
    try expect(png("rgb8.png", "iTXt", packed), 6, of: "rgb8.png", "compressed")
  }

  @Test("EXIF comes before XMP, and XMP's other words turn nothing")
  func precedence() throws {
    let bytes = try jpeg(Array("Exif\0\0".utf8) + exif("MM", type: 3, 3))
    let packet = Array("http://ns.adobe.com/xap/1.0/\0".utf8) + xmp(" tiff:Orientation=\"6\"/>")
    let both = bytes.inserting(
      [0xFF, 0xE1, 0, UInt8(packet.count + 2)] + packet, at: jpegSegment(0xE0, in: bytes).upperBound)
    try expect(both, 3, of: "colour-444.jpg", "both")
    for other in [
      " tiff:Orientation=\"66\"/>", " tiff:Orientation=\"0\"/>", " tiff:Orient=\"6\"/>", " tiff:Orientation6", "",
    ] {
      let packet = Array("http://ns.adobe.com/xap/1.0/\0".utf8) + xmp(other)
      try expect(jpeg(packet), 1, of: "colour-444.jpg", "\(other)")
    }
  }

  @Test("PNG's raw profiles hold EXIF as digits", arguments: ["exif", "APP1"])
  func rawProfile(name: String) throws {
    let block = Array("Exif\0\0".utf8) + exif("II", type: 3, 8)
    var text = "\n\(name)\n      \(block.count)\n"
    for (index, byte) in block.enumerated() {
      let digits = String(byte, radix: 16, uppercase: index % 2 == 0)
      text += (digits.count == 1 ? "0" : "") + digits + (index % 36 == 35 ? "\n" : "")
    }
    let keyword = Array("Raw profile type \(name)\0".utf8)
    try expect(png("rgb8.png", "tEXt", keyword + text.utf8), 8, of: "rgb8.png", "plain")
    try expect(png("rgb8.png", "zTXt", keyword + [0] + compressed(Array(text.utf8))), 8, of: "rgb8.png", "compressed")
    try expect(png("rgb8.png", "iTXt", keyword + [0, 0, 0, 0] + text.utf8), 8, of: "rgb8.png", "international")
    for broken in ["", "\n", "\nexif\n", "\nexif\n  38\n", "\nexif\n 38\nzz"] {
      try expect(png("rgb8.png", "tEXt", keyword + broken.utf8), 1, of: "rgb8.png", "\(broken)")
    }
  }

  @Test("text that cannot be decompressed turns nothing; a chunk whose sum is wrong is an error")
  func damagedChunks() throws {
    let keyword = Array("Raw profile type exif\0".utf8)
    for body in [[], [0], [1, 2, 3], [0, 0x78, 0x9C, 1, 2, 3]] as [[UInt8]] {
      try expect(png("rgb8.png", "zTXt", keyword + body), 1, of: "rgb8.png", "\(body)")
      try expect(png("rgb8.png", "iTXt", keyword + body), 1, of: "rgb8.png", "\(body)")
    }
    var bytes = try png("rgb8.png", "eXIf", exif("II", type: 3, 8))
    bytes[33 + 8 + 10] ^= 1
    #expect(throws: PictureError(text: "PNG: its eXIf chunk is damaged")) { try decodePicture(bytes) }
  }
}
