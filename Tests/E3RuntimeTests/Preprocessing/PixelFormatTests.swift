import CE3
import E3Format
import E3TestSupport
import Glibc
import Testing

@testable import E3Runtime

/// BT.601 limited range to full-range RGB by the real-valued definition.
private func exactRGB(_ y: UInt8, _ u: UInt8, _ v: UInt8) -> [Double] {
  let luma = 255.0 / 219 * (Double(y) - 16)
  let (blue, red) = (Double(u) - 128, Double(v) - 128)
  let chroma = 255.0 / 224
  return [
    luma + chroma * 2 * (1 - 0.299) * red,
    luma - chroma * 2 * ((1 - 0.114) * 0.114 * blue + (1 - 0.299) * 0.299 * red) / 0.587,
    luma + chroma * 2 * (1 - 0.114) * blue,
  ].map { min(max($0, 0), 255) }
}

/// The documented integer formula.
private func integerRGB(_ y: UInt8, _ u: UInt8, _ v: UInt8) -> [UInt8] {
  let luma = 76309 * (Int(y) - 16) + 32768
  let (blue, red) = (Int(u) - 128, Int(v) - 128)
  return [luma + 104597 * red, luma - 25675 * blue - 53279 * red, luma + 132201 * blue].map {
    UInt8(min(max($0 >> 16, 0), 255))
  }
}

extension TestFrame {
  /// Luma, and the chroma sample it takes, of a pixel of a YUYV or NV12 frame.
  fileprivate func samples(_ y: Int, _ x: Int) -> (UInt8, UInt8, UInt8) {
    if format == E3_PIXEL_YUYV {
      let line = y * strides[0]
      let pair = line + x / 2 * 4
      return (planes[0][line + 2 * x], planes[0][pair + 1], planes[0][pair + 3])
    }
    let chroma = y / 2 * strides[1] + x / 2 * 2
    return (planes[0][y * strides[0] + x], planes[1][chroma], planes[1][chroma + 1])
  }

  /// The same pixels as red, green, blue bytes.
  fileprivate var converted: TestFrame {
    var rgb: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        switch format {
        case E3_PIXEL_RGB24: rgb += planes[0][(y * strides[0] + 3 * x)...].prefix(3)
        case E3_PIXEL_GRAY8: rgb += [UInt8](repeating: planes[0][y * strides[0] + x], count: 3)
        default:
          let (luma, blue, red) = samples(y, x)
          rgb += integerRGB(luma, blue, red)
        }
      }
    }
    return .rgb(Array3(height: height, width: width, channels: 3, values: rgb))
  }

  /// The same pixels as grey bytes.
  fileprivate var grey: TestFrame {
    var grey: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        switch format {
        case E3_PIXEL_RGB24:
          let pixel = planes[0][(y * strides[0] + 3 * x)...].prefix(3).map(Int.init)
          grey.append(UInt8((19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 32768) >> 16))
        case E3_PIXEL_GRAY8: grey.append(planes[0][y * strides[0] + x])
        default: grey.append(integerRGB(samples(y, x).0, 128, 128)[0])
        }
      }
    }
    return TestFrame(format: E3_PIXEL_GRAY8, width: width, height: height, planes: [grey])
  }
}

@Suite("Pixel formats")
struct PixelFormatTests {
  static let formats = [E3_PIXEL_RGB24, E3_PIXEL_GRAY8, E3_PIXEL_YUYV, E3_PIXEL_NV12]
  static let recipes = [
    Recipe(height: 10, width: 12), Recipe(height: 10, width: 12, resize: E3_FILE_RESIZE_STRETCH_FLOAT),
    Recipe(height: 10, width: 12, resize: E3_FILE_RESIZE_SMALL_CROP, side: 13),
  ]

  @Test("the integer conversion is within one level of BT.601")
  func exactness() {
    for y in stride(from: UInt8(0), through: 255, by: 3) {
      for u in stride(from: UInt8(0), through: 255, by: 5) {
        for v in stride(from: UInt8(0), through: 255, by: 5) {
          for (integer, exact) in zip(integerRGB(y, u, v), exactRGB(y, u, v)) {
            #expect(abs(Double(integer) - exact) < 0.51)
          }
        }
      }
    }
    #expect(integerRGB(16, 128, 128) == [0, 0, 0])
    #expect(integerRGB(235, 128, 128) == [255, 255, 255])
  }

  @Test("a padded frame of any format prepares as its RGB pixels do", arguments: formats)
  func colour(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    for (height, width) in [(2, 2), (6, 4), (10, 12), (30, 44), (64, 2), (2, 64)] {
      let frame = TestFrame.random(format, width: width, height: height, padding: 6, using: &generator)
      for recipe in Self.recipes {
        let prepared = try prepare(frame, recipe).values
        let expected = try prepare(frame.converted, recipe).values
        #expect(prepared == expected)
      }
    }
  }

  @Test("a grey model sees the luma of a frame of any format", arguments: formats)
  func grey(format: Int) throws {
    var generator = SplitMix(state: UInt64(format))
    for (height, width) in [(2, 2), (6, 4), (10, 12), (30, 44)] {
      let frame = TestFrame.random(format, width: width, height: height, padding: 6, using: &generator)
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

  @Test("no byte outside the planes is read", arguments: formats)
  func guarded(format: Int) throws {
    var generator = SplitMix(state: 5)
    for (height, width) in [(2, 2), (10, 12), (34, 62), (480, 640)] {
      let frame = TestFrame.random(format, width: width, height: height, using: &generator)
      for recipe in Self.recipes {
        let expected = try prepare(frame, recipe)
        // Each plane ends at a page that cannot be read.
        let guardedPlanes = frame.planes.map(GuardedBytes.init)
        let shape = try recipe.shape()
        var values = [Float](repeating: .nan, count: shape.imageValues)
        try frame.withFrame { original in
          var guarded = original.pointee
          guarded.planes = (guardedPlanes[0].start, guardedPlanes.count > 1 ? guardedPlanes[1].start : nil)
          let preparation = FramePreparation(of: try Frame(validating: &guarded), shape: shape)
          values.withUnsafeMutableBufferPointer {
            let image = PatchMatrix(image: shape, values: $0.baseAddress!)
            preparation.run(lines: 0..<image.lineCount, into: image)
          }
        }
        #expect(values == expected.values)
      }
    }
  }
}

/// Bytes that are followed by a page without access.
private final class GuardedBytes {
  private let mapping: UnsafeMutableRawPointer
  private let mappedBytes: Int
  let start: UnsafeRawPointer

  init(_ bytes: [UInt8]) {
    let page = Int(getpagesize())
    let pages = (bytes.count + page - 1) / page
    mappedBytes = (pages + 1) * page
    mapping = mmap(nil, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    let start = mapping + (pages * page - bytes.count)
    start.copyMemory(from: bytes, byteCount: bytes.count)
    mprotect(mapping + pages * page, page, PROT_NONE)
    self.start = UnsafeRawPointer(start)
  }

  deinit { munmap(mapping, mappedBytes) }
}
