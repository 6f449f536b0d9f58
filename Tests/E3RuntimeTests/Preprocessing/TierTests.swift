import CE3
import CE3Kernels
import E3TestSupport
import Testing

@testable import E3Runtime

@Suite("Preparation on every tier")
struct TierTests {
  static let fits = [E3_FILE_FIT_EXACT, E3_FILE_FIT_SHORTER, E3_FILE_FIT_COVER]
  static let filters = [
    E3_FILE_FILTER_NEAREST, E3_FILE_FILTER_LANCZOS, E3_FILE_FILTER_BILINEAR, E3_FILE_FILTER_BICUBIC,
    E3_FILE_FILTER_BOX, E3_FILE_FILTER_HAMMING,
  ]

  /// A random recipe for a model of a random size.
  static func recipe(using generator: inout SplitMix) -> Recipe {
    func side(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    var recipe = Recipe(height: side(1...90), width: side(1...90), channels: Bool.random(using: &generator) ? 1 : 3)
    let larger = max(recipe.height, recipe.width)
    switch side(0...5) {
    case 0: break
    case 1: recipe.resize = E3_FILE_RESIZE_STRETCH_FLOAT
    case 2: (recipe.resize, recipe.side) = (E3_FILE_RESIZE_SMALL_CROP, larger + side(0...9))
    default:
      var pillow = PillowRecipe(
        fit: fits[side(0...2)], height: recipe.height + side(0...9), width: recipe.width + side(0...9),
        filter: filters[side(0...5)])
      if pillow.fit == E3_FILE_FIT_SHORTER { (pillow.height, pillow.width) = (larger + 3, larger + 3) }
      recipe.pillow = pillow
    }
    if Bool.random(using: &generator) { recipe.range = (-1, 1) }
    return recipe
  }

  @Test("gives the bits of the definition for random frames and recipes", arguments: 0..<8)
  func bits(seed: Int) throws {
    var generator = SplitMix(state: UInt64(seed))
    for _ in 0..<40 {
      let recipe = Self.recipe(using: &generator)
      let longest = Bool.random(using: &generator) ? 20 : 130
      let (width, height) = (
        2 * Int.random(in: 1...longest, using: &generator), 2 * Int.random(in: 1...longest / 2, using: &generator)
      )
      var frame = TestFrame.random(
        allPixelFormats.randomElement(using: &generator)!, width: width, height: height,
        padding: Int.random(in: 0...9, using: &generator), using: &generator)
      frame.transform = Int.random(in: E3_TRANSFORM_NONE...E3_TRANSFORM_TRANSVERSE, using: &generator)
      if Bool.random(using: &generator) {
        let (x, y) = (Int.random(in: 0..<width, using: &generator), Int.random(in: 0..<height, using: &generator))
        frame.crop = (
          x, y, Int.random(in: 1...width - x, using: &generator), Int.random(in: 1...height - y, using: &generator)
        )
      }
      (frame.range, frame.matrix) = (Int.random(in: 0...2, using: &generator), Int.random(in: 0...3, using: &generator))
      let expected = try prepare(frame, recipe, kernels: allKernels[0]).values
      for kernels in allKernels.dropFirst() {
        #expect(try prepare(frame, recipe, kernels: kernels).values == expected, "\(recipe) \(width)x\(height)")
      }
    }
  }

  @Test("does not depend on how the lines are divided")
  func division() throws {
    var generator = SplitMix(state: 3)
    for _ in 0..<40 {
      let recipe = Self.recipe(using: &generator)
      let frame = TestFrame.random(E3_PIXEL_NV12, width: 120, height: 70, using: &generator)
      let expected = try prepare(frame, recipe).values
      let shape = try recipe.shape()
      let tables = TestTables(shape)
      var values = [Float](repeating: .nan, count: shape.imageValues)
      try frame.withFrame { frame in
        let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape, tables: tables?.tables)
        values.withUnsafeMutableBufferPointer {
          let image = PatchMatrix(image: shape, values: $0.baseAddress!)
          var end = image.lineCount
          while end > 0 {
            let start = Int.random(in: 0..<end, using: &generator)
            preparation.run(lines: start..<end, into: image, kernels: allKernels.last!)
            end = start
          }
        }
      }
      #expect(values == expected)
    }
  }
}
