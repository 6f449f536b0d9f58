import CE3Pictures
import E3TestSupport
import Foundation
import Testing

/// A decoded picture: [height][width][channels].
struct Picture: Equatable {
  var width: Int, height: Int, channels: Int
  var pixels: [UInt8]
}

/// The text of a picture that cannot be read.
struct PictureError: Error, Equatable { var text: String }

/// Decodes through the C interface as a caller does: header, memory, pixels.
func decodePicture(_ bytes: [UInt8], _ settings: e3p_settings = e3p_settings()) throws -> Picture {
  var settings = settings
  var message = [CChar](repeating: 0, count: E3P_MESSAGE_BYTES)
  func check(_ status: Int32) throws {
    if status != 0 {
      throw PictureError(text: String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
  }
  var header = e3p_header()
  try check(e3p_read_header(bytes, bytes.count, &settings, &header, &message))
  var pixels = [UInt8](repeating: 0x5A, count: e3p_pixel_bytes(&header) + 64)
  try check(e3p_decode(bytes, bytes.count, &settings, &header, &pixels, &message))
  #expect(pixels.suffix(64).allSatisfy { $0 == 0x5A }, "nothing is written past the picture")
  return Picture(
    width: Int(header.width), height: Int(header.height), channels: Int(header.channels), pixels: pixels.dropLast(64))
}

let pictureFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Data")

/// The JPEG and PNG pictures that `make_pictures.py` wrote.
let pictureNames = try! FileManager.default.contentsOfDirectory(atPath: pictureFolder.path)
  .filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") }.sorted()

func pictureBytes(_ name: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: pictureFolder.appendingPathComponent(name)))
}

@Suite("Pictures")
struct PictureTests {
  @Test("a picture has the pixels that another decoder sees", arguments: pictureNames)
  func pixels(name: String) throws {
    let stem = String(name.dropLast(4))
    let expected = try ["ppm", "pgm"].lazy.map { pictureFolder.appendingPathComponent("\(stem).\($0)") }
      .first { FileManager.default.fileExists(atPath: $0.path) }
      .map { try decodePicture([UInt8](try Data(contentsOf: $0))) }
    let picture = try decodePicture(pictureBytes(name))
    #expect(picture == expected)
  }

  @Test("a picture that is cut short anywhere is an error", arguments: pictureNames + ["grey8.pgm", "rgb8.ppm"])
  func truncated(name: String) throws {
    let bytes = try pictureBytes(name)
    for length in 0..<bytes.count {
      #expect(throws: PictureError.self, "\(length) of \(bytes.count) bytes") {
        try decodePicture(Array(bytes.prefix(length)))
      }
    }
  }

  @Test("damaged pictures give pixels or an error, and write nothing past the picture", arguments: pictureNames)
  func damaged(name: String) throws {
    let bytes = try pictureBytes(name)
    var generator = SplitMix(state: UInt64(bytes.count))
    for _ in 0..<200 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        damaged[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      _ = try? decodePicture(damaged)
    }
  }

  @Test("a scan that is zeroed half way is an error, not grey filler")
  func damagedScan() throws {
    var bytes = try pictureBytes("colour-444.jpg")
    for index in bytes.count - 150..<bytes.count - 2 { bytes[index] = 0 }
    #expect(throws: PictureError.self) { try decodePicture(bytes) }
  }

  @Test("what is no picture is called so", arguments: ["", "P", "P7", "P8\n1 1 255\n0 0 0\n", "hello", "BM____"])
  func foreign(text: String) throws {
    let expected = text.isEmpty ? "the file is empty" : "not a JPEG, PNG or PNM (P1 to P6) picture"
    #expect(throws: PictureError(text: expected)) { try decodePicture(Array(text.utf8)) }
  }

  @Test(
    "other kinds of pictures and films are refused by their names",
    arguments: [
      ("RIFF____WEBPVP8 ", "WebP"), ("GIF89a", "GIF"), ("II*\0", "TIFF"), ("MM\0*", "TIFF"),
      ("BM\u{46}\0\0\0\0\0\0\0\u{36}\0\0\0\u{28}\0\0\0", "BMP"), ("P7\nWIDTH 1", "PAM"),
      ("\0\0\0\u{18}ftypheic", "HEIC"), ("\0\0\0\u{18}ftypavif", "AVIF"),
    ])
  func others(beginning: String, name: String) {
    let text = "\(name) pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"
    #expect(throws: PictureError(text: text)) { try decodePicture(Array(beginning.utf8)) }
  }

  @Test("films and streams are told what reads them")
  func films() {
    let film = "a film is not read: ffmpeg turns it into a y4m stream, for e3-run, or into pictures"
    let stream = "a yuv4mpegpipe stream: e3-run reads it with --pixel-format y4m, without --size"
    #expect(throws: PictureError(text: film)) { try decodePicture(Array("\0\0\0\u{18}ftypisom".utf8)) }
    #expect(throws: PictureError(text: film)) { try decodePicture([0x1A, 0x45, 0xDF, 0xA3, 0x01]) }
    #expect(throws: PictureError(text: film)) { try decodePicture(Array("RIFF\u{10}\0\0\0AVI LIST".utf8)) }
    #expect(throws: PictureError(text: stream)) { try decodePicture(Array("YUV4MPEG2 W64 H48\n".utf8)) }
  }

  @Test("decoding ends when a stop is asked for", arguments: ["grey.jpg", "progressive.jpg", "rgba8-interlaced.png"])
  func stop(name: String) throws {
    var settings = e3p_settings()
    settings.stop = { 1 }
    #expect(throws: PictureError(text: "stopped while it was decoded")) {
      try decodePicture(pictureBytes(name), settings)
    }
    settings.stop = { 0 }
    #expect(try decodePicture(pictureBytes(name), settings) == decodePicture(pictureBytes(name)))
  }

  @Test("the limit of pixels is a setting", arguments: ["grey.jpg", "rgb8.png", "rgb8.ppm"])
  func maximumPixels(name: String) throws {
    var settings = e3p_settings()
    settings.max_pixels = 27 * 18 - 1
    #expect(throws: PictureError(text: "27x18 pixels: more than 485 (e3-run --max-pixels)")) {
      try decodePicture(pictureBytes(name), settings)
    }
    settings.max_pixels += 1
    #expect(try decodePicture(pictureBytes(name), settings) == decodePicture(pictureBytes(name)))
  }
}

@Suite("Picture headers")
struct PictureHeaderTests {
  @Test("a PNG that claims 2 gigapixels is refused by its header")
  func hugePNG() throws {
    var bytes = try pictureBytes("rgb8.png")
    bytes.replaceSubrange(16..<24, with: [0, 0, 0xB0, 0, 0, 0, 0xB0, 0])
    #expect(throws: PictureError(text: "45056x45056 pixels: a side is longer than 16384")) { try decodePicture(bytes) }
  }

  @Test("a JPEG that claims 65535 lines is refused by its header")
  func hugeJPEG() throws {
    var bytes = try pictureBytes("grey.jpg")
    let frame = bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 }!
    bytes.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xFF, 0, 1])
    #expect(throws: PictureError(text: "1x65535 pixels: a side is longer than 16384")) { try decodePicture(bytes) }
    bytes[frame + 4] = 12
    #expect(throws: PictureError(text: "JPEG: 12 bits per sample, 8 are supported")) { try decodePicture(bytes) }
  }
}
