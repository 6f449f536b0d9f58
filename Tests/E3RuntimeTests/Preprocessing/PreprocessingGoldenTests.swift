import CE3
import E3Goldens
import Foundation
import Testing

/// One input image of `goldens/extras/preprocess` with the sizes that the reference prepared it at.
struct PreprocessingGolden: CustomTestStringConvertible {
  let index: Int, side: Int, smallSide: Int?

  static let all = [
    PreprocessingGolden(index: 0, side: 128, smallSide: 136), PreprocessingGolden(index: 1, side: 32, smallSide: 40),
    PreprocessingGolden(index: 2, side: 48, smallSide: 56), PreprocessingGolden(index: 3, side: 16, smallSide: nil),
    PreprocessingGolden(index: 4, side: 224, smallSide: 256),
  ]

  var testDescription: String { "case \(index)" }

  func array<Element>(_ suffix: String, of: Element.Type) throws -> Array3<Element> {
    try Array3(
      npy: URL(fileURLWithPath: "\(Goldens.directory ?? "")/extras/preprocess/case\(index)_\(suffix).npy"))
  }
}

@Suite(
  "Preprocessing against the reference's goldens",
  .enabled(if: Goldens.areThere, Comment(rawValue: Goldens.skipped)))
struct PreprocessingGoldenTests {
  @Test("a stretched frame has the reference's bytes", arguments: PreprocessingGolden.all)
  func stretchedBytes(golden: PreprocessingGolden) throws {
    let input = try golden.array("in_u8", of: UInt8.self)
    let expected = try golden.array("resize\(golden.side)_u8", of: UInt8.self)
    let prepared = try prepare(.rgb(input), Recipe(height: golden.side, width: golden.side))
    #expect(prepared.values == expected.values.map(Float.init))
  }

  @Test("a stretched frame has the reference's values in -1...1, bit for bit", arguments: PreprocessingGolden.all)
  func stretchedValues(golden: PreprocessingGolden) throws {
    let input = try golden.array("in_u8", of: UInt8.self)
    let expected = try golden.array("resize\(golden.side)_range", of: Float.self)
    let prepared = try prepare(.rgb(input), Recipe(height: golden.side, width: golden.side, range: (-1, 1)))
    #expect(prepared.values == expected.values)
  }

  @Test(
    "an area-resized, centre-cropped frame has the reference's values, bit for bit",
    arguments: PreprocessingGolden.all.filter { $0.smallSide != nil })
  func smallCrop(golden: PreprocessingGolden) throws {
    let input = try golden.array("in_u8", of: UInt8.self)
    let expected = try golden.array("small\(golden.smallSide!)_crop\(golden.side)_range", of: Float.self)
    let recipe = Recipe(
      height: golden.side, width: golden.side, resize: E3_FILE_RESIZE_SMALL_CROP, side: golden.smallSide!,
      range: (-1, 1))
    let prepared = try prepare(.rgb(input), recipe)
    #expect(prepared.values == expected.values)
  }
}
