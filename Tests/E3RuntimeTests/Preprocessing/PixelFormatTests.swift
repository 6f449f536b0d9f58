import CE3
import E3Format
import E3TestSupport
import Foundation
import Glibc
import Testing

@testable import E3Runtime

private let ffmpeg = "/usr/bin/ffmpeg"

/// Real-valued red, green, blue of Y, U, V: the definition of BT.601, BT.709 and BT.2020, clamped to 0...255.
private func exactRGB(_ y: Int, _ u: Int, _ v: Int, matrix: Int, limited: Bool) -> [Double] {
  let (red, blue): (Double, Double) =
    matrix == E3_MATRIX_BT709 ? (0.2126, 0.0722) : matrix == E3_MATRIX_BT2020 ? (0.2627, 0.0593) : (0.299, 0.114)
  let luma = limited ? 255.0 / 219 * Double(y - 16) : Double(y)
  let scale = limited ? 255.0 / 224 : 1
  let (cb, cr) = (scale * Double(u - 128), scale * Double(v - 128))
  return [
    luma + 2 * (1 - red) * cr, luma - 2 * ((1 - blue) * blue * cb + (1 - red) * red * cr) / (1 - red - blue),
    luma + 2 * (1 - blue) * cb,
  ].map { min(max($0, 0), 255) }
}

@Suite("Pixel formats")
struct PixelFormatTests {
  static let recipes = [
    Recipe(height: 10, width: 12), Recipe(height: 10, width: 12, resize: E3_FILE_RESIZE_STRETCH_FLOAT),
    Recipe(height: 10, width: 12, resize: E3_FILE_RESIZE_SMALL_CROP, side: 13),
    Recipe(
      height: 10, width: 12,
      pillow: PillowRecipe(fit: E3_FILE_FIT_SHORTER, height: 13, width: 13, filter: E3_FILE_FILTER_BICUBIC)),
  ]

  @Test(
    "the integer conversion is within half a level of the matrix",
    arguments: [E3_MATRIX_BT601, E3_MATRIX_BT709, E3_MATRIX_BT2020], [E3_RANGE_LIMITED, E3_RANGE_FULL])
  func exactness(matrix: Int, range: Int) throws {
    // One picture of every third Y, fifth U, fifth V, two pixels of a kind, as a model of its own size sees it.
    var samples: [(Int, Int, Int)] = []
    for y in stride(from: 0, through: 255, by: 3) {
      for u in stride(from: 0, through: 255, by: 15) {
        for v in stride(from: 0, through: 255, by: 5) { samples.append((y, u, v)) }
      }
    }
    let bytes = samples.flatMap { (y, u, v) in [UInt8(y), UInt8(u), UInt8(y), UInt8(v)] }
    let height = samples.count / 52
    var frame = TestFrame(format: E3_PIXEL_YUYV, width: 104, height: height, planes: [bytes], strides: [208, 0, 0])
    (frame.matrix, frame.range) = (matrix, range)
    let prepared = try prepare(frame, Recipe(height: height, width: 104))
    var worst = 0.0
    for (index, (y, u, v)) in samples.enumerated() {
      let exact = exactRGB(y, u, v, matrix: matrix, limited: range == E3_RANGE_LIMITED)
      for c in 0..<3 { worst = max(worst, abs(Double(prepared.values[6 * index + c]) - exact[c])) }
    }
    #expect(worst < 0.51)
  }

  /// What ffmpeg calls the formats that it reads too; of the others the samples are brought into the order of one.
  private static let ffmpegNames: [Int: String] = [
    E3_PIXEL_RGB24: "rgb24", E3_PIXEL_BGR24: "bgr24", E3_PIXEL_BGRX32: "bgr0", E3_PIXEL_RGBX32: "rgb0",
    E3_PIXEL_XRGB32: "0rgb", E3_PIXEL_XBGR32: "0bgr", E3_PIXEL_GRAY8: "gray", E3_PIXEL_GRAY10: "gray10le",
    E3_PIXEL_GRAY12: "gray12le", E3_PIXEL_GRAY16: "gray16le", E3_PIXEL_YUYV: "yuyv422", E3_PIXEL_UYVY: "uyvy422",
    E3_PIXEL_YVYU: "yvyu422", E3_PIXEL_NV12: "nv12", E3_PIXEL_NV21: "nv21", E3_PIXEL_I420: "yuv420p",
    E3_PIXEL_YV12: "yuv420p", E3_PIXEL_NV16: "yuv422p",
  ]

  /// The frame's pixels as ffmpeg converts them, every pixel with the U and V that it shares: [height * width * 3].
  private func convertedByFFmpeg(_ frame: TestFrame, range: String, matrix: String) throws -> [UInt8] {
    var planes = frame.planes
    if frame.format == E3_PIXEL_YV12 { planes.swapAt(1, 2) }
    var name = Self.ffmpegNames[frame.format]
    if frame.format == E3_PIXEL_GRAY8 && range == "limited" {  // ffmpeg takes gray for full, whatever it is told
      name = "yuv444p"
      planes += [planes[0], planes[0]].map { [UInt8](repeating: 128, count: $0.count) }
    }
    if frame.format == E3_PIXEL_NV16 {
      let pairs = planes[1]
      planes = [planes[0]] + [0, 1].map { first in stride(from: first, to: pairs.count, by: 2).map { pairs[$0] } }
    }
    let folder = try TemporaryFolder()
    let flags = "neighbor+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
    let status = try BuiltCommand(path: ffmpeg).spawn(
      [
        "-v", "error", "-f", "rawvideo", "-pix_fmt", try #require(name),
        "-s", "\(frame.width)x\(frame.height)", "-i", try folder.write(planes.joined(), to: "frame"),
        "-vf", "scale=in_range=\(range):out_range=full:in_color_matrix=\(matrix):flags=\(flags)",
        "-pix_fmt", "rgb24", "-f", "rawvideo", folder["rgb"],
      ], descriptors: [0, 1, 2])
    #expect(status == 0)
    return try folder.bytes("rgb")
  }

  @Test(
    "ffmpeg's own conversion of a frame differs by at most one level, for every format, range and matrix",
    .enabled(if: FileManager.default.isExecutableFile(atPath: ffmpeg), "ffmpeg is not installed"),
    arguments: allPixelFormats)
  func ffmpegColours(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    let isColour = (E3_PIXEL_YUYV...E3_PIXEL_YV12).contains(format)
    let isGrey = format == E3_PIXEL_GRAY8 || (E3_PIXEL_GRAY10...E3_PIXEL_GRAY16).contains(format)
    let ranges = [(E3_RANGE_FULL, "full")] + (isColour || isGrey ? [(E3_RANGE_LIMITED, "limited")] : [])
    let matrices = [(E3_MATRIX_BT601, "bt601"), (E3_MATRIX_BT709, "bt709"), (E3_MATRIX_BT2020, "bt2020")]
    for (range, rangeName) in ranges {
      for (matrix, matrixName) in isColour ? matrices : [matrices[0]] {
        var frame = TestFrame.random(format, width: 64, height: 48, using: &generator)
        (frame.range, frame.matrix) = (range, matrix)
        if format == E3_PIXEL_GRAY10 || format == E3_PIXEL_GRAY12 {  // words of so many bits
          let most: UInt8 = format == E3_PIXEL_GRAY10 ? 3 : 15
          for index in stride(from: 1, to: frame.planes[0].count, by: 2) { frame.planes[0][index] &= most }
        } else if isColour && range == E3_RANGE_LIMITED {  // ffmpeg's sums overflow outside of what the range has
          frame.planes = frame.planes.map { plane in plane.map { 16 + $0 % 220 } }
        }
        let expected = try convertedByFFmpeg(frame, range: rangeName, matrix: matrixName)
        let prepared = try prepare(frame, Recipe(height: 48, width: 64)).values
        #expect(prepared.count == expected.count)
        let worst = zip(prepared, expected).map { abs($0 - Float($1)) }.max()
        #expect(try #require(worst) <= 1, "\(rangeName) \(matrixName)")
      }
    }
  }

  @Test("black and white of each range are black and white; defaults are BT.601, limited with U and V, else full")
  func anchors() throws {
    func pixel(_ format: Int, _ bytes: [UInt8], range: Int = E3_RANGE_DEFAULT, matrix: Int = 0) throws -> [Float] {
      var frame = TestFrame(format: format, width: 2, height: 1, planes: [bytes])
      (frame.range, frame.matrix) = (range, matrix)
      return Array(try prepare(frame, Recipe(height: 1, width: 2)).values.prefix(3))
    }
    #expect(try pixel(E3_PIXEL_YUYV, [16, 128, 16, 128]) == [0, 0, 0])
    #expect(try pixel(E3_PIXEL_YUYV, [235, 128, 235, 128]) == [255, 255, 255])
    #expect(try pixel(E3_PIXEL_YUYV, [255, 128, 0, 128], range: E3_RANGE_FULL) == [255, 255, 255])
    #expect(try pixel(E3_PIXEL_GRAY8, [16, 235]) == [16, 16, 16])
    #expect(try pixel(E3_PIXEL_GRAY8, [235, 16], range: E3_RANGE_LIMITED) == [255, 255, 255])
    #expect(try pixel(E3_PIXEL_RGB24, [16, 126, 235, 0, 0, 0], range: E3_RANGE_LIMITED) == [0, 128, 255])
    #expect(try pixel(E3_PIXEL_RGB24, [16, 126, 235, 0, 0, 0]) == [16, 126, 235])
    let colour: [UInt8] = [81, 90, 81, 240]
    #expect(try pixel(E3_PIXEL_YUYV, colour) == pixel(E3_PIXEL_YUYV, colour, range: E3_RANGE_LIMITED, matrix: 1))
    #expect(try pixel(E3_PIXEL_YUYV, colour) != pixel(E3_PIXEL_YUYV, colour, matrix: E3_MATRIX_BT709))
  }

  @Test("a grey word is its byte times 257, and words beyond the format's bits count as its largest")
  func words() throws {
    func bytes(_ format: Int, _ words: [Int]) throws -> [Float] {
      let bytes = words.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
      let frame = TestFrame(format: format, width: words.count, height: 1, planes: [bytes])
      return try prepare(frame, Recipe(height: 1, width: words.count, channels: 1)).values
    }
    #expect(try bytes(E3_PIXEL_GRAY16, (0...255).map { 257 * $0 }) == (0...255).map(Float.init))
    for (format, limit) in [(E3_PIXEL_GRAY10, 1023), (E3_PIXEL_GRAY12, 4095), (E3_PIXEL_GRAY16, 65535)] {
      let words = Array(stride(from: 0, through: limit, by: limit / 1023))
      #expect(try bytes(format, words) == words.map { (Double($0) * 255 / Double(limit)).rounded() }.map { Float($0) })
      #expect(try bytes(format, [limit, min(limit + 1, 65535), 65535, 0]) == [255, 255, 255, 0])
    }
  }

  // promise: pixel-formats
  @Test("a padded frame of any format, range and matrix prepares as its RGB pixels do", arguments: allPixelFormats)
  func colour(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    for (index, size) in [(2, 2), (6, 4), (10, 12), (30, 44), (64, 2), (2, 64), (20, 150)].enumerated() {
      var frame = TestFrame.random(format, width: size.1, height: size.0, padding: 6, using: &generator)
      (frame.range, frame.matrix) = (index % 3, index % 4)
      for recipe in Self.recipes {
        let prepared = try prepare(frame, recipe).values
        let expected = try prepare(frame.converted, recipe).values
        #expect(prepared == expected)
      }
    }
  }

  @Test("a grey model sees the luma of a frame of any format", arguments: allPixelFormats)
  func grey(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    for (index, size) in [(2, 2), (6, 4), (10, 12), (30, 44)].enumerated() {
      var frame = TestFrame.random(format, width: size.1, height: size.0, padding: 6, using: &generator)
      frame.range = index % 3
      for var recipe in Self.recipes {
        recipe.channels = 1
        let prepared = try prepare(frame, recipe).values
        let expected = try prepare(frame.grey, recipe).values
        #expect(prepared == expected)
        // And a colour model repeats the grey.
        recipe.channels = 3
        let colour = try prepare(frame.grey, recipe).values
        #expect(colour == prepared.flatMap { [$0, $0, $0] })
      }
    }
  }

  // promise: rectangle
  @Test("a rectangle and a transform give what cutting and turning the RGB pixels gives", arguments: allPixelFormats)
  func rectangle(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    let rectangles = [(0, 0, 0, 0), (0, 0, 44, 30), (1, 1, 1, 1), (43, 29, 1, 1), (3, 5, 21, 13), (10, 0, 33, 30)]
    for transform in E3_TRANSFORM_NONE...E3_TRANSFORM_TRANSVERSE {
      for crop in rectangles {
        var frame = TestFrame.random(format, width: 44, height: 30, padding: 3, using: &generator)
        (frame.crop, frame.transform) = (crop, transform)
        for recipe in Self.recipes {
          let prepared = try prepare(frame, recipe).values
          let expected = try prepare(frame.converted, recipe).values
          #expect(prepared == expected, "transform \(transform), rectangle \(crop)")
        }
      }
    }
  }

  @Test("formats that hold the same samples give the same bits")
  func sameSamples() throws {
    var generator = SplitMix(state: 11)
    let nv12 = TestFrame.random(E3_PIXEL_NV12, width: 64, height: 48, using: &generator)
    let chroma = nv12.planes[1]
    let u = stride(from: 0, to: chroma.count, by: 2).map { chroma[$0] }
    let v = stride(from: 1, to: chroma.count, by: 2).map { chroma[$0] }
    func frame(_ format: Int, _ planes: [[UInt8]], _ strides: [Int] = [0, 0, 0]) -> TestFrame {
      TestFrame(format: format, width: 64, height: 48, planes: planes, strides: strides)
    }
    func padded(_ plane: [UInt8], _ line: Int, _ stride: Int) -> [UInt8] {
      let rest = [UInt8](repeating: 99, count: stride - line)
      return (0..<plane.count / line).flatMap { (row: Int) -> [UInt8] in plane[row * line..<(row + 1) * line] + rest }
    }
    let luma = nv12.planes[0]
    let expected = try prepare(nv12, Self.recipes[0]).values
    let swapped = zip(v, u).flatMap { [$0, $1] }
    // Lines of padding below are part of no plane: the caller's planes start where they start.
    let below = luma + [UInt8](repeating: 7, count: 8 * 64)
    let same: [TestFrame] = [
      frame(E3_PIXEL_I420, [luma, u, v]), frame(E3_PIXEL_YV12, [luma, v, u]), frame(E3_PIXEL_NV21, [luma, swapped]),
      frame(E3_PIXEL_I420, [padded(luma, 64, 96), padded(u, 32, 48), padded(v, 32, 48)], [96, 48, 48]),
      frame(E3_PIXEL_NV12, [below, chroma]),
    ]
    for same in same {
      #expect(try prepare(same, Self.recipes[0]).values == expected)
    }
  }

  @Test("full-range luma without colour is the grey of the same bytes, to a grey and to a colour model")
  func fullRange() throws {
    let ramp = (0..<16 * 256).map { UInt8(truncatingIfNeeded: $0) }
    let grey = TestFrame(format: E3_PIXEL_GRAY8, width: 256, height: 16, planes: [ramp])
    let chroma = [UInt8](repeating: 128, count: 8 * 256)
    var nv12 = TestFrame(format: E3_PIXEL_NV12, width: 256, height: 16, planes: [ramp, chroma])
    nv12.range = E3_RANGE_FULL
    for matrix in E3_MATRIX_DEFAULT...E3_MATRIX_BT2020 {
      nv12.matrix = matrix
      for channels in [1, 3] {
        var recipe = Self.recipes[1]
        recipe.channels = channels
        #expect(try prepare(nv12, recipe).values == prepare(grey, recipe).values)
      }
    }
  }

  // promise: frame-bounds
  @Test("no byte outside the planes is read", arguments: allPixelFormats)
  func guarded(format: Int) throws {
    var generator = SplitMix(state: 5)
    for (height, width) in [(2, 2), (10, 12), (34, 62), (480, 640)] {
      var frame = TestFrame.random(format, width: width, height: height, using: &generator)
      // Each plane lies between pages that cannot be read, at the end of its own and then at its beginning.
      for atEnd in [true, false] {
        let guardedPlanes = frame.planes.map { GuardedBytes($0, atEnd: atEnd) }
        for transform in [E3_TRANSFORM_NONE, E3_TRANSFORM_ROTATE_180, E3_TRANSFORM_ROTATE_90] {
          frame.transform = transform
          for recipe in Self.recipes {
            let expected = try prepare(frame, recipe)
            let shape = try recipe.shape()
            let tables = TestTables(shape)
            var values = [Float](repeating: .nan, count: shape.imageValues)
            try frame.withFrame(starts: guardedPlanes.map(\.start)) { guarded in
              let preparation = FramePreparation(
                of: try Frame(validating: guarded), shape: shape, tables: tables?.tables)
              values.withUnsafeMutableBufferPointer {
                let image = PatchMatrix(image: shape, values: $0.baseAddress!)
                preparation.run(lines: 0..<image.lineCount, into: image, kernels: allKernels.last!)
              }
            }
            #expect(values == expected.values)
          }
        }
      }
    }
  }
}

/// Bytes between two pages without access.
private final class GuardedBytes {
  private let mapping: UnsafeMutableRawPointer
  private let mappedBytes: Int
  let start: UnsafeRawPointer

  init(_ bytes: [UInt8], atEnd: Bool) {
    let page = Int(getpagesize())
    let pages = (bytes.count + page - 1) / page
    mappedBytes = (pages + 2) * page
    mapping = mmap(nil, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    let start = mapping + page + (atEnd ? pages * page - bytes.count : 0)
    start.copyMemory(from: bytes, byteCount: bytes.count)
    mprotect(mapping, page, PROT_NONE)
    mprotect(mapping + (pages + 1) * page, page, PROT_NONE)
    self.start = UnsafeRawPointer(start)
  }

  deinit { munmap(mapping, mappedBytes) }
}
