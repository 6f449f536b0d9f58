import CE3Pictures
import E3TestSupport
import Testing

/// Where the markers of a JPEG's header stand: each with the bytes from its first to behind its segment. The last is
/// the scan's.
func jpegSegments(_ bytes: [UInt8]) -> [(marker: UInt8, range: Range<Int>)] {
  var (found, at): ([(UInt8, Range<Int>)], Int) = ([], 2)
  repeat {
    let end = at + 2 + Int(bytes[at + 2]) << 8 + Int(bytes[at + 3])
    found.append((bytes[at + 1], at..<end))
    at = end
  } while found.last!.0 != 0xDA
  return found
}

/// The range of the first segment with the marker.
func jpegSegment(_ marker: UInt8, in bytes: [UInt8]) -> Range<Int> {
  jpegSegments(bytes).first { $0.marker == marker }!.range
}

extension Array<UInt8> {
  func inserting(_ bytes: [Element], at index: Int) -> [Element] { self[..<index] + bytes + self[index...] }
}

@Suite("JPEG")
struct JPEGTests {
  let names = ["colour-420.jpg", "colour-444.jpg", "grey.jpg", "progressive.jpg", "restart.jpg", "cmyk-adobe.jpg"]

  /// Expects that changed bytes give the pixels of the picture as it was.
  private func expectSame(_ bytes: [UInt8], as name: String, _ comment: Comment) throws {
    #expect(try decodePicture(bytes) == decodePicture(pictureBytes(name)), "\(name): \(comment)")
  }

  @Test("filler before the last marker and before restart markers passes")
  func filler() throws {
    for name in names {
      let bytes = try pictureBytes(name)
      for filler in [[0], [0, 0], [7], Array(repeating: 0, count: 20), Array(repeating: 0x55, count: 64)] as [[UInt8]] {
        try expectSame(bytes.inserting(filler, at: bytes.count - 2), as: name, "\(filler.count) bytes before the end")
      }
    }
    for filler in [[0], [1, 2, 3, 4, 5], Array(repeating: 0, count: 60)] as [[UInt8]] {
      let bytes = try pictureBytes("restart.jpg")
      let scan = jpegSegment(0xDA, in: bytes).upperBound
      var filled = Array(bytes[..<scan])
      for index in scan..<bytes.count {
        if bytes[index] == 0xFF, (0xD0...0xD9).contains(bytes[index + 1]) { filled += filler }
        filled.append(bytes[index])
      }
      #expect(filled.count >= bytes.count + 4 * filler.count)
      if filler.count == 5 { filled.removeSubrange(filled.count - 7..<filled.count - 2) }
      try expectSame(filled, as: "restart.jpg", "\(filler.count) bytes before every marker")
    }
  }

  @Test("bytes before the last marker that may be the rest of damaged data are an error")
  func rest() throws {
    for name in names {
      let bytes = try pictureBytes(name)
      for rest in [noise(20), noise(300), Array(repeating: 0, count: 100)] {
        #expect(throws: PictureError.self, "\(name), \(rest.count)") {
          try decodePicture(bytes.inserting(rest.filter { $0 != 0xFF }, at: bytes.count - 2))
        }
      }
    }
  }

  @Test("scan parameters that a sequential picture does not use may be anything")
  func scanParameters() throws {
    for name in ["colour-420.jpg", "grey.jpg", "restart.jpg"] {
      let bytes = try pictureBytes(name)
      let end = jpegSegment(0xDA, in: bytes).upperBound
      for (place, value) in [(2, 0), (3, 1), (1, 0x11), (2, 255), (3, 63)] as [(Int, UInt8)] {
        var changed = bytes
        changed[end - place] = value
        try expectSame(changed, as: name, "\(value) \(place) before the scan")
      }
    }
    var progressive = try pictureBytes("progressive.jpg")
    progressive[jpegSegment(0xDA, in: progressive).upperBound - 3] = 1
    #expect(throws: PictureError.self) { try decodePicture(progressive) }
  }

  @Test("bytes between segments pass; a segment that lost the first byte of its marker does not")
  func betweenSegments() throws {
    for name in names {
      let bytes = try pictureBytes(name)
      for segment in jpegSegments(bytes) {
        for stray in [[0], Array(repeating: 0, count: 8), [0x20, 0x0D, 0x0A], Array(repeating: 0xFF, count: 5)]
          as [[UInt8]]
        {
          let changed = bytes.inserting(stray, at: segment.range.lowerBound)
          if segment.range.lowerBound > 2 || stray[0] == 0xFF { try expectSame(changed, as: name, "\(segment)") }
        }
        var lost = bytes
        lost[segment.range.lowerBound] = 0x7F
        #expect(throws: PictureError.self, "\(name) without marker \(segment.marker)") { try decodePicture(lost) }
      }
    }
  }

  @Test("the tables that cameras leave out of MJPEG are the standard's")
  func standardTables() throws {
    for name in ["colour-420.jpg", "grey.jpg", "restart.jpg"] {
      var bytes = try pictureBytes(name)
      for segment in jpegSegments(bytes).reversed() where segment.marker == 0xC4 { bytes.removeSubrange(segment.range) }
      try expectSame(bytes, as: name, "no tables of codes")
    }
  }

  @Test("odd JFIF and Adobe markers leave the picture as it is")
  func oddMarkers() throws {
    var bytes = try pictureBytes("colour-420.jpg")
    let jfif = jpegSegment(0xE0, in: bytes)
    for version: UInt8 in [0, 2, 255] {
      bytes[jfif.lowerBound + 9] = version
      try expectSame(bytes, as: "colour-420.jpg", "JFIF version \(version)")
    }
    let adobe: [UInt8] = [0xFF, 0xEE, 0, 14] + Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0]
    let plain = try pictureBytes("colour-420.jpg")
    for transform: UInt8 in [1, 3, 255] {
      let marked = Array(plain[..<2] + adobe + [transform] + plain[jfif.upperBound...])
      try expectSame(marked, as: "colour-420.jpg", "Adobe transform \(transform)")
    }
  }

  @Test(
    "arithmetic, lossless and hierarchical pictures are refused by name",
    arguments: [0xC3, 0xC5, 0xC9, 0xCA] as [UInt8])
  func otherProcesses(marker: UInt8) throws {
    var bytes = try pictureBytes("grey.jpg")
    bytes[jpegSegment(0xC0, in: bytes).lowerBound + 1] = marker
    let kind = marker < 0xC9 ? "lossless and hierarchical pictures" : "arithmetic codes"
    let text = "JPEG: \(kind) are not read; expected baseline or progressive with Huffman codes"
    #expect(throws: PictureError(text: text)) { try decodePicture(bytes) }
  }

  private func segment(_ marker: UInt8, _ body: [UInt8]) -> [UInt8] { [0xFF, marker, 0, UInt8(body.count + 2)] + body }

  /// The beginning of a picture of 8 x 8 pixels, with codes for zero and no more: one bit that is 0.
  private func header(frame: UInt8, components: UInt8) -> [UInt8] {
    let oneCode = [1] + [UInt8](repeating: 0, count: 15) + [0]
    return [0xFF, 0xD8] + segment(0xDB, [0] + [UInt8](repeating: 1, count: 64))
      + segment(frame, [8, 0, 8, 0, 8, components] + (1...components).flatMap { [$0, 0x11, 0] })
      + segment(0xC4, [0] + oneCode) + segment(0xC4, [0x10] + oneCode)
  }

  private func scan(_ component: UInt8, _ first: UInt8, _ last: UInt8, _ approximation: UInt8) -> [UInt8] {
    segment(0xDA, [1, component, 0, first, last, approximation]) + [0x3F]
  }

  @Test("a component without a scan is an error, though the library would make up its colours")
  func missingScans() throws {
    let grey = [UInt8](repeating: 128, count: 192)
    for frame: UInt8 in [0xC0, 0xC2] {
      func picture(_ components: [UInt8]) -> [UInt8] {
        header(frame: frame, components: 3) + components.flatMap { scan($0, 0, frame == 0xC2 ? 0 : 63, 0) } + [
          0xFF, 0xD9,
        ]
      }
      #expect(try decodePicture(picture([1, 2, 3])).pixels == grey)
      for components in [[1, 2], [1, 3], [2, 3], [3]] as [[UInt8]] {
        #expect(throws: PictureError(text: "JPEG: the scans of a component are missing")) {
          try decodePicture(picture(components))
        }
      }
    }
  }

  /// A grey picture whose coefficients each come in a scan, some of them in another one for their last bit.
  private func manyScans(refined: UInt8) -> [UInt8] {
    header(frame: 0xC2, components: 1) + scan(1, 0, 0, 0) + (1...63).flatMap { scan(1, $0, $0, 1) }
      + (1...refined).flatMap { scan(1, $0, $0, 0x10) } + [0xFF, 0xD9]
  }

  @Test("a picture has at most 100 scans, or what is asked for, and work in proportion to the limit of pixels")
  func scans() throws {
    #expect(try decodePicture(manyScans(refined: 36)).pixels == [UInt8](repeating: 128, count: 64))
    #expect(throws: PictureError(text: "JPEG: more than 100 scans (e3-run --max-scans)")) {
      try decodePicture(manyScans(refined: 37))
    }
    var scans = e3p_settings()
    scans.max_scans = 101
    #expect(try decodePicture(manyScans(refined: 37), scans).pixels.count == 64)
    #expect(throws: PictureError(text: "JPEG: more than 101 scans (e3-run --max-scans)")) {
      try decodePicture(manyScans(refined: 38), scans)
    }
    // All coefficients again and again: 8 times as many are gone through as there may be pixels.
    let refinements: [UInt8] = (0..<10 as Range<UInt8>).reversed().flatMap { scan(1, 1, 63, ($0 + 1) << 4 + $0) }
    let work = header(frame: 0xC2, components: 1) + scan(1, 0, 0, 0) + scan(1, 1, 63, 10) + refinements + [0xFF, 0xD9]
    var settings = e3p_settings()
    settings.max_pixels = 64
    #expect(throws: PictureError(text: "JPEG: its 10 scans take too much work (e3-run --max-pixels)")) {
      try decodePicture(work, settings)
    }
    settings.max_pixels = 100
    #expect(try decodePicture(work, settings).pixels.count == 64)
  }

  @Test("a progressive picture whose coefficients would not fit the memory is refused before they are taken")
  func memory() throws {
    var bytes = try pictureBytes("progressive.jpg")
    let frame = jpegSegment(0xC2, in: bytes)
    bytes.replaceSubrange(frame.lowerBound + 5..<frame.lowerBound + 9, with: [0x20, 0, 0x20, 0])
    let text = "JPEG: 8192x8192 pixels in several scans take too much memory (e3-run --max-pixels)"
    #expect(throws: PictureError(text: text)) {
      try decodePicture(bytes)
    }
  }
}
