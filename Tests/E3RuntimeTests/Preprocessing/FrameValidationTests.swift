import CE3
import E3Format
import Testing

@testable import E3Runtime

/// The status that checking a frame gives.
private func status(_ frame: e3_frame) -> e3_status {
  var frame = frame
  do throws(E3Error) {
    _ = try Frame(validating: &frame)
    return 0
  } catch { return error.rawValue }
}

/// A frame that claims planes of `sizes` bytes; its pixels are never read here.
private func claimed(_ format: Int, _ width: Int, _ height: Int, strides: [Int] = [0, 0, 0], sizes: [Int]) -> e3_frame {
  let pixels = UnsafeRawPointer(bitPattern: 64)
  var frame = e3_frame()
  frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
  frame.format = e3_pixel_format(format)
  (frame.width, frame.height) = (UInt32(width), UInt32(height))
  (frame.planes, frame.third_plane) = ((pixels, pixels), pixels)
  (frame.strides, frame.third_stride) = ((strides[0], strides[1]), strides[2])
  let sizes = sizes + [0, 0, 0]
  (frame.sizes, frame.third_size) = ((sizes[0], sizes[1]), sizes[2])
  return frame
}

@Suite("Frame validation")
struct FrameValidationTests {
  // promise: frame-bounds
  @Test("frames that end exactly with their planes are taken, one byte fewer is refused")
  func exactSizes() {
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, sizes: [105, 0])) == 0)
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, sizes: [104, 0])) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: [8, 0, 0], sizes: [53, 0])) == 0)
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: [8, 0, 0], sizes: [52, 0])) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_YUYV, 6, 1, sizes: [12, 0])) == 0)
    #expect(status(claimed(E3_PIXEL_YUYV, 6, 1, sizes: [11, 0])) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, sizes: [24, 12])) == 0)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, sizes: [24, 11])) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, strides: [6, 16, 0], sizes: [24, 22])) == 0)
  }

  @Test("a stride shorter than a line, or so long that it overflows, is refused")
  func strides() {
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, strides: [14, 0, 0], sizes: [1000, 0])) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, strides: [6, 5, 0], sizes: [24, 100])) == E3_ERROR_FRAME_STRIDE)
    for stride in [Int.max, Int.min, -1] {
      #expect(
        status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: [stride, 0, 0], sizes: [.max, 0])) == E3_ERROR_FRAME_STRIDE)
    }
    // SIZE_MAX, which arrives as -1.
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, sizes: [-1, 0])) == E3_ERROR_FRAME_STRIDE)
  }

  @Test("sides of zero, above 16384, or odd where pixels share chroma, are refused")
  func sides() {
    for (width, height) in [(0, 4), (4, 0), (16385, 4), (4, 16385)] {
      #expect(status(claimed(E3_PIXEL_RGB24, width, height, sizes: [.max, 0])) == E3_ERROR_FRAME_SIZE)
    }
    #expect(status(claimed(E3_PIXEL_RGB24, 16384, 16384, sizes: [.max, 0])) == 0)
    #expect(status(claimed(E3_PIXEL_YUYV, 5, 4, sizes: [.max, 0])) == E3_ERROR_FRAME_SIZE)
    #expect(status(claimed(E3_PIXEL_YUYV, 4, 5, sizes: [.max, 0])) == 0)
    #expect(status(claimed(E3_PIXEL_NV12, 5, 4, sizes: [.max, .max])) == E3_ERROR_FRAME_SIZE)
    #expect(status(claimed(E3_PIXEL_NV12, 4, 5, sizes: [.max, .max])) == E3_ERROR_FRAME_SIZE)
  }

  @Test("every plane of every format ends where its last line does", arguments: allPixelFormats)
  func everyPlane(format: Int) {
    for padding in [0, 5] {
      let planes = planeSizes(format, width: 6, height: 4)
      var strides = planes.map { $0.line + padding }
      var sizes = planes.map { ($0.line + padding) * ($0.lines - 1) + $0.line }
      while strides.count < 3 { (strides, sizes) = (strides + [0], sizes + [0]) }
      #expect(status(claimed(format, 6, 4, strides: strides, sizes: sizes)) == 0)
      for plane in planes.indices {
        var short = sizes
        short[plane] -= 1
        #expect(status(claimed(format, 6, 4, strides: strides, sizes: short)) == E3_ERROR_FRAME_STRIDE)
        var narrow = strides
        narrow[plane] = planes[plane].line - 1
        #expect(status(claimed(format, 6, 4, strides: narrow, sizes: sizes)) == E3_ERROR_FRAME_STRIDE)
        for stride in [Int.max, Int.min, -1] {
          var wild = strides
          wild[plane] = stride
          let status = status(claimed(format, 6, 4, strides: wild, sizes: [.max, .max, .max]))
          #expect(status == E3_ERROR_FRAME_STRIDE)
        }
        var frame = claimed(format, 6, 4, strides: strides, sizes: sizes)
        switch plane {
        case 0: frame.planes.0 = nil
        case 1: frame.planes.1 = nil
        default: frame.third_plane = nil
        }
        #expect(status(frame) == E3_ERROR_NULL_ARGUMENT)
      }
    }
  }

  @Test("chroma shared by two pixels needs an even width, by two lines an even height", arguments: allPixelFormats)
  func odd(format: Int) {
    let shared = (E3_PIXEL_YUYV...E3_PIXEL_YV12).contains(format)
    let lines = [E3_PIXEL_NV12, E3_PIXEL_NV21, E3_PIXEL_I420, E3_PIXEL_YV12].contains(format)
    let whole = [Int.max, .max, .max]
    #expect(status(claimed(format, 5, 4, sizes: whole)) == (shared ? e3_status(E3_ERROR_FRAME_SIZE) : 0))
    #expect(status(claimed(format, 4, 5, sizes: whole)) == (lines ? e3_status(E3_ERROR_FRAME_SIZE) : 0))
  }

  @Test("a rectangle lies inside the frame, or is refused")
  func rectangle() {
    func crop(_ x: UInt32, _ y: UInt32, _ width: UInt32, _ height: UInt32) -> e3_status {
      var frame = claimed(E3_PIXEL_NV12, 6, 4, sizes: [24, 12])
      (frame.crop_x, frame.crop_y, frame.crop_width, frame.crop_height) = (x, y, width, height)
      return status(frame)
    }
    let right: [(UInt32, UInt32, UInt32, UInt32)] = [(0, 0, 0, 0), (0, 0, 6, 4), (5, 3, 1, 1), (1, 1, 3, 3)]
    for (x, y, width, height) in right { #expect(crop(x, y, width, height) == 0) }
    let wrong: [(UInt32, UInt32, UInt32, UInt32)] = [
      (0, 0, 0, 1), (0, 0, 1, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 7, 4), (0, 0, 6, 5), (1, 0, 6, 4), (0, 1, 6, 4),
      (6, 0, 1, 1), (.max, 0, 1, 1), (1, 0, .max, 1), (0, .max, 1, 2), (.max, .max, .max, .max),
    ]
    for (x, y, width, height) in wrong { #expect(crop(x, y, width, height) == E3_ERROR_FRAME_CROP) }
  }

  @Test("unknown ranges, matrices and transforms have their own codes, and so has a reserved member that is set")
  func unknownValues() {
    func edited(_ edit: (inout e3_frame) -> Void) -> e3_status {
      var frame = claimed(E3_PIXEL_RGB24, 4, 4, sizes: [48])
      edit(&frame)
      return status(frame)
    }
    #expect(edited { ($0.range, $0.matrix, $0.transform) = (2, 3, 7) } == 0)
    for value in [4, UInt32.max] {
      #expect(edited { $0.range = value - 1 } == E3_ERROR_FRAME_COLOR)
      #expect(edited { $0.matrix = value } == E3_ERROR_FRAME_COLOR)
      #expect(edited { $0.transform = value + (value == 4 ? 4 : 0) } == E3_ERROR_FRAME_TRANSFORM)
      #expect(edited { $0.reserved = value } == E3_ERROR_FRAME_TRANSFORM)
    }
  }

  @Test("a caller of version 1.0 is not asked for what its struct does not have")
  func olderCaller() throws {
    var frame = claimed(E3_PIXEL_NV12, 6, 4, sizes: [24, 12])
    // What follows the first version's members is not the frame's.
    (frame.range, frame.transform, frame.crop_x, frame.reserved) = (77, 88, 99, 11)
    #expect(status(frame) != 0)
    frame.struct_size = UInt32(E3_FRAME_FIRST_SIZE)
    #expect(status(frame) == 0)
    let view = try Frame(validating: &frame)
    #expect((view.width, view.height) == (6, 4))
  }

  @Test("unknown formats and short structs have their own codes")
  func others() throws {
    for format in [0, 19, 0x7FFF_FFFF] {
      #expect(status(claimed(format, 4, 4, sizes: [.max, 0])) == E3_ERROR_FRAME_FORMAT)
    }
    var frame = claimed(E3_PIXEL_NV12, 4, 4, sizes: [16, 8])
    frame.struct_size = UInt32(E3_FRAME_FIRST_SIZE) - 1
    #expect(status(frame) == E3_ERROR_STRUCT_SIZE)
    #expect(throws: E3Error.nullArgument) { try Frame(validating: nil) }
  }
}
