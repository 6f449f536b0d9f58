import CE3
import Foundation
import Testing

@testable import E3Runtime

/// One case of Data/pillow.txt, which says what its fields are.
struct PillowGolden {
  let frame: TestFrame
  let recipe: Recipe
  let hash: UInt64

  static let all: [PillowGolden] = {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Data/pillow.txt")
    guard let text = try? String(contentsOf: path, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").map(PillowGolden.init)
  }()

  init(_ line: Substring) {
    let fields = line.split(separator: " ")
    let numbers = fields.dropLast().map { Int($0)! }
    hash = UInt64(fields.last!, radix: 16)!
    let (width, height, channels, seed) = (numbers[0], numbers[1], numbers[2], numbers[3])
    var state = UInt32(seed)
    let bytes = (0..<width * height * channels).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      let byte = UInt8(state >> 24)
      return seed % 3 == 0 ? (byte > 127 ? 255 : 0) : byte
    }
    let pixels = Array3(height: height, width: width, channels: channels, values: bytes)
    frame = channels == 3 ? .rgb(pixels) : .grey(pixels)
    recipe = Recipe(
      height: numbers[9], width: numbers[10], channels: channels,
      pillow: PillowRecipe(
        fit: .init(UInt32(numbers[4])), height: numbers[5], width: numbers[6], filter: .init(UInt32(numbers[7])),
        crop: .init(UInt32(numbers[8]))))
  }
}

private func fnv(_ values: [Float]) -> UInt64 {
  values.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

@Suite("Pillow's resize")
struct PillowTests {
  @Test("300 random pictures have Pillow's bytes, by torchvision's, timm's and Hugging Face's size and crop rules")
  func goldens() throws {
    #expect(PillowGolden.all.count == 300)
    for golden in PillowGolden.all {
      let prepared = try prepare(golden.frame, golden.recipe).values
      #expect(fnv(prepared) == golden.hash, "\(golden.recipe) \(golden.frame.width)x\(golden.frame.height)")
    }
  }

  @Test("the order of the passes decides only where the height loses more than twice the pixels that the width loses")
  func order() throws {
    var recipe = Recipe(height: 10, width: 10, pillow: PillowRecipe(height: 10, width: 10))
    func differs(_ width: Int, _ height: Int) throws -> Bool {
      let bytes = (0..<width * height).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 >> 3) }
      let frame = TestFrame.grey(Array3(height: height, width: width, channels: 1, values: bytes))
      recipe.channels = 1
      recipe.pillow?.order = E3_FILE_ORDER_PILLOW_13
      let rule = try prepare(frame, recipe).values
      recipe.pillow?.order = E3_FILE_ORDER_ACROSS
      return try prepare(frame, recipe).values != rule
    }
    #expect(try differs(30, 51))
    #expect(try !differs(30, 50))
    #expect(try !differs(51, 30))
  }

  @Test("tables follow the size of the frame, from one frame to the next")
  func tables() throws {
    let recipe = Recipe(
      height: 20, width: 24,
      pillow: PillowRecipe(fit: E3_FILE_FIT_SHORTER, height: 24, width: 24, filter: E3_FILE_FILTER_BICUBIC))
    let tables = TestTables(try recipe.shape())
    for (width, height) in [(40, 50), (40, 50), (60, 50), (60, 30), (40, 50), (1, 1), (50, 40)] {
      let bytes = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 * 7) }
      let frame = TestFrame.rgb(Array3(height: height, width: width, channels: 3, values: bytes))
      let kept = try prepare(frame, recipe, tables: tables).values
      #expect(try kept == prepare(frame, recipe).values)
    }
  }

  @Test("frames of the largest side fit the tables, with every filter", arguments: TierTests.filters)
  func largest(filter: e3_file_filter) throws {
    for (width, height) in [(16384, 1), (1, 16384), (16384, 3)] {
      let frame = TestFrame.grey(
        Array3(height: height, width: width, channels: 1, values: [UInt8](repeating: 200, count: width * height)))
      for side in [1, 7, 40] {
        let recipe = Recipe(
          height: side, width: side, channels: 1, pillow: PillowRecipe(height: side, width: side, filter: filter))
        #expect(try prepare(frame, recipe).values.allSatisfy { $0 == 200 })
      }
    }
  }
}
