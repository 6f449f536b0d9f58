import CE3
import E3TestSupport
import Foundation
import Testing

@testable import E3Runtime

/// Bilinear stretch as the reference's text states it, before the truncation to bytes.
private func stretched(_ input: Array3<UInt8>, height: Int, width: Int) -> [Float] {
  func taps(_ o: Int, _ out: Int, _ count: Int) -> (Int, Int, Float) {
    let scale = Float(count) / Float(out)
    let s = (Float(o) + 0.5) * scale - 0.5
    return (Int(max(floor(s), 0)), Int(min(ceil(s), Float(count - 1))), s - floor(s))
  }
  var values: [Float] = []
  for y in 0..<height {
    let (y0, y1, fy) = taps(y, height, input.height)
    for x in 0..<width {
      let (x0, x1, fx) = taps(x, width, input.width)
      for c in 0..<input.channels {
        let (tl, tr) = (Float(input[y0, x0, c]), Float(input[y0, x1, c]))
        let (bl, br) = (Float(input[y1, x0, c]), Float(input[y1, x1, c]))
        let top = tl + (tr - tl) * fx
        let bottom = bl + (br - bl) * fx
        values.append(top + (bottom - top) * fy)
      }
    }
  }
  return values
}

/// Area mean in double precision, straight from its definition as an integral over the source interval.
private func areaMean(_ input: Array3<UInt8>, height: Int, width: Int, _ y: Int, _ x: Int, _ c: Int) -> Double {
  func shares(_ o: Int, _ out: Int, _ count: Int) -> [(Int, Double)] {
    let scale = Double(count) / Double(out)
    let (start, end) = (Double(o) * scale, Double(o + 1) * scale)
    return (Int(start)...min(Int(end), count - 1)).map { cell in
      (cell, max(0, min(end, Double(cell + 1)) - max(start, Double(cell))) / scale)
    }
  }
  var mean = 0.0
  for (i, down) in shares(y, height, input.height) {
    for (j, across) in shares(x, width, input.width) { mean += Double(input[i, j, c]) * down * across }
  }
  return mean
}

/// How far the reference's float32 recipe may lie from the exact mean. A source position at the centre of `in` pixels
/// has an error of in / 2 * 2^-23; an interval has two ends and is `in` / `resized` long; a byte is at most 255.
private func areaTolerance(_ resizedHeight: Int, _ resizedWidth: Int) -> Double {
  255 * Double(resizedHeight + resizedWidth) * 0x1p-23 + 0.001
}

@Suite("Resampling")
struct ResampleTests {
  /// Heights and widths of frames: tiny, extreme in aspect, as large as allowed, and near the model's 24 x 20.
  static let sizes = [
    (1, 1), (1, 7), (9, 1), (2, 2), (1, 16384), (16384, 1), (3, 4001), (24, 20), (25, 19), (23, 21), (48, 40),
    (480, 64),
  ]

  @Test("a stretch takes the reference's bits for every size of frame", arguments: sizes)
  func stretch(height: Int, width: Int) throws {
    var generator = SplitMix(state: UInt64(height * 31 + width))
    let input = Array3(
      height: height, width: width, channels: 3,
      values: (0..<height * width * 3).map { _ in UInt8.random(in: 0...255, using: &generator) })
    let expected = stretched(input, height: 24, width: 20)
    let float = try prepare(.rgb(input), Recipe(height: 24, width: 20, resize: E3_FILE_RESIZE_STRETCH_FLOAT))
    #expect(float.values == expected)
    let bytes = try prepare(.rgb(input), Recipe(height: 24, width: 20))
    #expect(bytes.values == expected.map { Float(UInt8($0)) })
  }

  @Test("an area resize is the mean over the source interval, cropped at the centre", arguments: sizes)
  func area(height: Int, width: Int) throws {
    var generator = SplitMix(state: UInt64(height * 37 + width))
    let input = Array3(
      height: height, width: width, channels: 3,
      values: (0..<height * width * 3).map { _ in UInt8.random(in: 0...255, using: &generator) })
    let side = 27
    let recipe = Recipe(height: 24, width: 20, resize: E3_FILE_RESIZE_SMALL_CROP, side: side)
    let prepared = try prepare(.rgb(input), recipe)
    let ratio = Float(side) / Float(min(height, width))
    let resizedHeight = Int((Float(height) * ratio).rounded(.toNearestOrEven))
    let resizedWidth = Int((Float(width) * ratio).rounded(.toNearestOrEven))
    let (top, left) = ((resizedHeight - 24) / 2, (resizedWidth - 20) / 2)
    let tolerance = areaTolerance(resizedHeight, resizedWidth)
    for y in 0..<24 {
      for x in 0..<20 {
        for c in 0..<3 {
          let mean = areaMean(input, height: resizedHeight, width: resizedWidth, top + y, left + x, c)
          #expect(abs(Double(prepared[y, x, c]) - mean) <= tolerance, "at \(y), \(x), \(c)")
        }
      }
    }
  }

  @Test("every recipe keeps a frame of one colour, at every size", arguments: sizes)
  func constant(height: Int, width: Int) throws {
    let frame = TestFrame.rgb(
      Array3(height: height, width: width, channels: 3, values: [UInt8](repeating: 200, count: height * width * 3)))
    for resize in [E3_FILE_RESIZE_STRETCH, E3_FILE_RESIZE_STRETCH_FLOAT, E3_FILE_RESIZE_SMALL_CROP] {
      let side = resize == E3_FILE_RESIZE_SMALL_CROP ? 30 : 0
      let prepared = try prepare(frame, Recipe(height: 24, width: 20, resize: resize, side: side))
      let larger = side * max(height, width) / min(height, width) + 1
      let tolerance = resize == E3_FILE_RESIZE_SMALL_CROP ? areaTolerance(side, larger) : 0
      #expect(prepared.values.allSatisfy { abs(Double($0) - 200) <= tolerance }, "\(resize)")
    }
  }

  @Test("a byte becomes low + (x / 255) * (high - low), or (x - mean) / deviation of its channel")
  func values() throws {
    var recipe = Recipe(height: 2, width: 2)
    let pixels = Array3<UInt8>(height: 2, width: 2, channels: 3, values: Array(0..<12))
    let raw = try prepare(.rgb(pixels), recipe)
    let bytes: [Float] = (0..<12).map { Float($0) }
    #expect(raw.values == bytes)
    recipe.range = (-2, 3)
    let ranged = try prepare(.rgb(pixels), recipe)
    #expect(ranged.values == bytes.map { (byte: Float) -> Float in -2 + byte / 255 * 5 })
  }
}
