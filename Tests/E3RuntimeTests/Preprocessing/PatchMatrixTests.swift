import CE3
import E3Format
import E3TestSupport
import Testing

@testable import E3Runtime

@Suite("Patch matrix")
struct PatchMatrixTests {
  /// Image sizes and patches that divide them, and that leave pixels over.
  static let cases = [(4, 6, 2, 3), (5, 7, 2, 3), (8, 8, 8, 8), (9, 3, 1, 1), (7, 16, 3, 16), (33, 65, 32, 32)]

  @Test("rows hold the patches of the plain image, and nothing between them is written", arguments: cases, [1, 3])
  func rows(sizes: (Int, Int, Int, Int), channels: Int) throws {
    let (height, width, patchHeight, patchWidth) = sizes
    var generator = SplitMix(state: UInt64(height * width))
    let recipe = Recipe(height: height, width: width, channels: channels, range: (-1, 1))
    let frame = TestFrame.random(E3_PIXEL_RGB24, width: 11, height: 13, using: &generator)
    let plain = try prepare(frame, recipe)

    let shape = try recipe.shape(patchHeight: patchHeight, patchWidth: patchWidth)
    let stride = shape.patchValueCount + 5
    var expected = [Float](repeating: 777, count: shape.patchCount * stride)
    for y in 0..<shape.gridHeight * patchHeight {
      for x in 0..<shape.gridWidth * patchWidth {
        let row: Int = y / patchHeight * shape.gridWidth + x / patchWidth
        let pixel: Int = y % patchHeight * patchWidth + x % patchWidth
        let start: Int = row * stride + pixel * channels
        for c in 0..<channels { expected[start + c] = plain[y, x, c] }
      }
    }

    var prepared = [Float](repeating: 777, count: expected.count)
    var placed = prepared
    try frame.withFrame { frame in
      let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape, tables: nil)
      prepared.withUnsafeMutableBufferPointer {
        let matrix = PatchMatrix(shape: shape, rows: $0.baseAddress!, rowStride: stride)
        // In pieces, last piece first, as threads may.
        for line in (0..<matrix.lineCount).reversed() {
          preparation.run(lines: line..<line + 1, into: matrix, kernels: allKernels.last!)
        }
      }
    }
    #expect(prepared == expected)

    placed.withUnsafeMutableBufferPointer {
      let matrix = PatchMatrix(shape: shape, rows: $0.baseAddress!, rowStride: stride)
      matrix.place(plain.values, shape: shape, lines: 0..<matrix.lineCount)
    }
    #expect(placed == expected)
  }

  @Test("a golden input takes only the value range, whatever the resize recipe", arguments: [1, 3])
  func golden(channels: Int) throws {
    for resize in [E3_FILE_RESIZE_STRETCH, E3_FILE_RESIZE_SMALL_CROP, E3_FILE_RESIZE_STRETCH_FLOAT] {
      let recipe = Recipe(
        height: 6, width: 9, channels: channels, resize: resize, side: resize == E3_FILE_RESIZE_SMALL_CROP ? 12 : 0)
      let shape = try recipe.shape()
      let pixels = (0..<shape.imageValues).map { UInt8($0) }
      var values = [Float](repeating: .nan, count: pixels.count)
      let preparation = FramePreparation(goldenPixels: pixels, shape: shape)
      values.withUnsafeMutableBufferPointer {
        preparation.run(
          lines: 0..<6, into: PatchMatrix(image: shape, values: $0.baseAddress!), kernels: allKernels.last!)
      }
      #expect(values == pixels.map(Float.init))
    }
  }

  @Test("a NaN or an infinity anywhere is found")
  func finite() {
    var values = [Float](repeating: .greatestFiniteMagnitude, count: 37)
    #expect(allFinite(values, count: 37))
    for bad in [Float.nan, .infinity, -.infinity, .signalingNaN] {
      for index in values.indices {
        values[index] = bad
        #expect(!allFinite(values, count: 37))
        values[index] = -0.0
      }
    }
  }
}
