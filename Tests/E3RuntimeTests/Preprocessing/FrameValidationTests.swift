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

/// A frame that claims `sizes` bytes; its pixels are never read here.
private func claimed(_ format: Int, _ width: Int, _ height: Int, strides: (Int, Int) = (0, 0), sizes: (Int, Int))
  -> e3_frame
{
  let pixels = UnsafeRawPointer(bitPattern: 64)
  var frame = e3_frame()
  frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
  frame.format = e3_pixel_format(format)
  (frame.width, frame.height) = (UInt32(width), UInt32(height))
  (frame.planes, frame.strides, frame.sizes) = ((pixels, pixels), strides, sizes)
  return frame
}

@Suite("Frame validation")
struct FrameValidationTests {
  @Test("frames that end exactly with their planes are taken, one byte fewer is refused")
  func exactSizes() {
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, sizes: (105, 0))) == 0)
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, sizes: (104, 0))) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: (8, 0), sizes: (53, 0))) == 0)
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: (8, 0), sizes: (52, 0))) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_YUYV, 6, 1, sizes: (12, 0))) == 0)
    #expect(status(claimed(E3_PIXEL_YUYV, 6, 1, sizes: (11, 0))) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, sizes: (24, 12))) == 0)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, sizes: (24, 11))) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, strides: (6, 16), sizes: (24, 22))) == 0)
  }

  @Test("a stride shorter than a line, or so long that it overflows, is refused")
  func strides() {
    #expect(status(claimed(E3_PIXEL_RGB24, 5, 7, strides: (14, 0), sizes: (1000, 0))) == E3_ERROR_FRAME_STRIDE)
    #expect(status(claimed(E3_PIXEL_NV12, 6, 4, strides: (6, 5), sizes: (24, 100))) == E3_ERROR_FRAME_STRIDE)
    for stride in [Int.max, Int.min, -1] {
      #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, strides: (stride, 0), sizes: (.max, 0))) == E3_ERROR_FRAME_STRIDE)
    }
    // SIZE_MAX, which arrives as -1.
    #expect(status(claimed(E3_PIXEL_GRAY8, 5, 7, sizes: (-1, 0))) == E3_ERROR_FRAME_STRIDE)
  }

  @Test("sides of zero, above 16384, or odd where pixels share chroma, are refused")
  func sides() {
    for (width, height) in [(0, 4), (4, 0), (16385, 4), (4, 16385)] {
      #expect(status(claimed(E3_PIXEL_RGB24, width, height, sizes: (.max, 0))) == E3_ERROR_FRAME_SIZE)
    }
    #expect(status(claimed(E3_PIXEL_RGB24, 16384, 16384, sizes: (.max, 0))) == 0)
    #expect(status(claimed(E3_PIXEL_YUYV, 5, 4, sizes: (.max, 0))) == E3_ERROR_FRAME_SIZE)
    #expect(status(claimed(E3_PIXEL_YUYV, 4, 5, sizes: (.max, 0))) == 0)
    #expect(status(claimed(E3_PIXEL_NV12, 5, 4, sizes: (.max, .max))) == E3_ERROR_FRAME_SIZE)
    #expect(status(claimed(E3_PIXEL_NV12, 4, 5, sizes: (.max, .max))) == E3_ERROR_FRAME_SIZE)
  }

  @Test("unknown formats, missing planes and short structs have their own codes")
  func others() throws {
    for format in [0, 19, 0x7FFF_FFFF] {
      #expect(status(claimed(format, 4, 4, sizes: (.max, 0))) == E3_ERROR_FRAME_FORMAT)
    }
    var frame = claimed(E3_PIXEL_NV12, 4, 4, sizes: (16, 8))
    frame.planes.1 = nil
    #expect(status(frame) == E3_ERROR_NULL_ARGUMENT)
    frame.planes.0 = nil
    #expect(status(frame) == E3_ERROR_NULL_ARGUMENT)
    frame.struct_size = UInt32(E3_FRAME_FIRST_SIZE) - 1
    #expect(status(frame) == E3_ERROR_STRUCT_SIZE)
    #expect(throws: E3Error.nullArgument) { try Frame(validating: nil) }
  }
}
