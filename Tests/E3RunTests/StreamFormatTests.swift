import CE3
import E3TestSupport
import Foundation
import Testing

@Suite("e3-run: formats of raw streams")
struct StreamFormatTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  /// The probabilities of every frame of 12 x 10 pixels, or of the size that the options name.
  private func answers(_ bytes: [UInt8], _ format: String, _ options: [String] = []) throws -> [[Double]] {
    let size = options.contains("--size") ? [] : ["--size", "12x10"]
    let outcome = try run([model, "-", "--pixel-format", format, "--json"] + size + options, input: bytes)
    #expect(outcome.status == 0, "\(format): \(outcome.errors)")
    return try outcome.objects.map { ($0["probabilities"] as! [NSNumber]).map(\.doubleValue) }
  }

  private static let luma = noise(120)
  /// U and V of two lines of pixels each.
  private static let (u, v) = (Array(noise(60)[..<30]), Array(noise(60)[30...]))

  private func pairs(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] { zip(first, second).flatMap { [$0, $1] } }

  /// Each line twice.
  private func doubled(_ plane: [UInt8]) -> [UInt8] { rows(plane, 6).flatMap { $0 + $0 } }

  private func rows(_ plane: [UInt8], _ length: Int) -> [[UInt8]] {
    stride(from: 0, to: plane.count, by: length).map { Array(plane[$0..<$0 + length]) }
  }

  private func packed(_ order: (_ y0: UInt8, _ u: UInt8, _ y1: UInt8, _ v: UInt8) -> [UInt8]) -> [UInt8] {
    let (u, v) = (doubled(Self.u), doubled(Self.v))
    return (0..<60).flatMap { (pair: Int) -> [UInt8] in
      order(Self.luma[2 * pair], u[pair], Self.luma[2 * pair + 1], v[pair])
    }
  }

  @Test("the same samples give the same answer in every format with U and V")
  func chroma() throws {
    let (y, u, v) = (Self.luma, Self.u, Self.v)
    let expected = try answers(y + pairs(u, v), "nv12")
    #expect(expected.count == 1)
    let frames: [(String, [UInt8])] = [
      ("nv21", y + pairs(v, u)), ("nv16", y + pairs(doubled(u), doubled(v))), ("i420", y + u + v), ("yv12", y + v + u),
      ("yuyv", packed { [$0, $1, $2, $3] }), ("uyvy", packed { [$1, $0, $3, $2] }),
      ("yvyu", packed { [$0, $3, $2, $1] }),
    ]
    for (format, bytes) in frames {
      #expect(try answers(bytes + bytes, format) == expected + expected, "\(format)")
    }
    #expect(try answers(y + v + u, "i420") != expected)
  }

  @Test("the same pixels give the same answer in every order of red, green and blue")
  func colours() throws {
    let pixels = rows(noise(360), 3)
    let expected = try answers(pixels.flatMap { $0 }, "rgb24")
    let frames: [(String, [UInt8])] = [
      ("bgr24", pixels.flatMap { [$0[2], $0[1], $0[0]] }), ("bgrx32", pixels.flatMap { [$0[2], $0[1], $0[0], 9] }),
      ("rgbx32", pixels.flatMap { [$0[0], $0[1], $0[2], 9] }), ("xrgb32", pixels.flatMap { [9, $0[0], $0[1], $0[2]] }),
      ("xbgr32", pixels.flatMap { [9, $0[2], $0[1], $0[0]] }),
    ]
    for (format, bytes) in frames { #expect(try answers(bytes, format) == expected, "\(format)") }
  }

  @Test("16-bit words of grey are read as the bytes that they stand for")
  func grey() throws {
    let bytes = Self.luma
    let expected = try answers(bytes, "gray8")
    #expect(try answers(bytes.flatMap { [$0, $0] }, "gray16") == expected)
    let extremes = bytes.map { $0 < 128 ? UInt8(0) : 255 }
    let black = try answers(extremes, "gray8")
    #expect(try answers(extremes.flatMap { $0 == 0 ? [0, 0] : [0xFF, 0x03] }, "gray10") == black)
    #expect(try answers(extremes.flatMap { $0 == 0 ? [0, 0] : [0xFF, 0x0F] }, "gray12") == black)
  }

  @Test("lines and planes with padding are read where they lie", arguments: [("nv12", 16), ("nv16", 16), ("i420", 8)])
  func padding(format: String, chromaStride: Int) throws {
    let (y, u, v) = (Self.luma, Self.u, Self.v)
    let isFull = format == "nv16"
    let chroma =
      format == "i420" ? [rows(u, 6), rows(v, 6)] : [rows(isFull ? pairs(doubled(u), doubled(v)) : pairs(u, v), 12)]
    let tight = y + chroma.flatMap { $0.flatMap { $0 } }
    func padded(_ plane: [[UInt8]], _ stride: Int, _ lines: Int) -> [UInt8] {
      (plane + Array(repeating: [], count: lines - plane.count)).flatMap {
        $0 + Array(repeating: 77, count: stride - $0.count)
      }
    }
    let frame =
      padded(rows(y, 12), 16, 14) + chroma.flatMap { padded($0, chromaStride, isFull ? 14 : 7) }
    let expected = try answers(tight, format)
    let options = ["--stride", "16", "--plane-height", "14"]
    #expect(try answers(frame + frame + frame, format, options) == expected + expected + expected)
  }

  @Test("the range and the matrix of colours are those that were named, BT.709 from 720 lines on")
  func colourOptions() throws {
    let grey = try answers(Self.luma, "gray8")
    let neutral = Self.luma + [UInt8](repeating: 128, count: 60)
    #expect(try answers(neutral, "nv12", ["--color-range", "full"]) == grey)
    #expect(try answers(neutral, "nv12") != grey)
    #expect(try answers(neutral, "nv12", ["--color-range", "limited"]) == answers(neutral, "nv12"))
    #expect(try answers(Self.luma, "gray8", ["--color-range", "full"]) == grey)
    #expect(try answers(Self.luma, "gray8", ["--color-range", "limited"]) != grey)

    for (lines, matrix) in [(718, "bt601"), (720, "bt709")] {
      let size = ["--size", "2x\(lines)"]
      let frame = (0..<lines).flatMap { _ in [90, 40, 90, 200] as [UInt8] }
      let found = try ["bt601", "bt709", "bt2020"].map { try answers(frame, "yuyv", size + ["--color-matrix", $0]) }
      #expect(Set(found).count == 3)
      #expect(try answers(frame, "yuyv", size) == found[matrix == "bt601" ? 0 : 1])
    }
  }

  @Test("a rectangle, turned and mirrored, is what was classified")
  func views() throws {
    let pixels = rows(noise(360), 3)
    func at(_ x: Int, _ y: Int) -> [UInt8] { pixels[y * 12 + x] }
    // The rectangle of 5 x 4 pixels from (3, 2) on.
    func view(_ width: Int, _ height: Int, _ from: (_ x: Int, _ y: Int) -> (Int, Int)) -> [UInt8] {
      (0..<height).flatMap { y in
        (0..<width).flatMap { x in
          let place = from(x, y)
          return at(3 + place.0, 2 + place.1)
        }
      }
    }
    let views: [([String], Int, Int, [UInt8])] = [
      ([], 5, 4, view(5, 4) { ($0, $1) }),
      (["--rotate", "90"], 4, 5, view(4, 5) { ($1, 3 - $0) }),
      (["--rotate", "180"], 5, 4, view(5, 4) { (4 - $0, 3 - $1) }),
      (["--rotate", "270"], 4, 5, view(4, 5) { (4 - $1, $0) }),
      (["--flip", "horizontal"], 5, 4, view(5, 4) { (4 - $0, $1) }),
      (["--flip", "vertical"], 5, 4, view(5, 4) { ($0, 3 - $1) }),
      (["--rotate", "90", "--flip", "horizontal"], 4, 5, view(4, 5) { ($1, $0) }),
      (["--rotate", "90", "--flip", "vertical"], 4, 5, view(4, 5) { (4 - $1, 3 - $0) }),
      (["--rotate", "180", "--flip", "horizontal"], 5, 4, view(5, 4) { ($0, 3 - $1) }),
      (["--rotate", "180", "--flip", "vertical"], 5, 4, view(5, 4) { (4 - $0, $1) }),
      (["--rotate", "270", "--flip", "horizontal"], 4, 5, view(4, 5) { (4 - $1, 3 - $0) }),
      (["--rotate", "270", "--flip", "vertical"], 4, 5, view(4, 5) { ($1, $0) }),
    ]
    let whole = pixels.flatMap { $0 }
    let picture = try folder.write(Array("P6 12 10 255\n".utf8) + whole, to: "whole.ppm")
    for (options, width, height, bytes) in views {
      let expected = try answers(bytes, "rgb24", ["--size", "\(width)x\(height)"])
      #expect(try answers(whole, "rgb24", ["--crop", "3,2,5,4"] + options) == expected, "\(options)")
      let outcome = try run([model, picture, "--json", "--crop", "3,2,5,4"] + options)
      #expect(try outcome.objects.map { ($0["probabilities"] as! [NSNumber]).map(\.doubleValue) } == expected)
    }
    let outside = try run([model, picture, "--crop", "3,2,10,4"])
    #expect(outside.status == 1)
    #expect(outside.errors == "e3-run: \(picture): frame 0: \(statusText(E3_ERROR_FRAME_CROP)) of 12x10 pixels\n")
  }
}
