import E3Checkpoint
import E3Goldens
import E3Host
import Foundation
import Testing

@Suite("Position embedding") struct PositionEmbeddingTests {
  @Test("resizing gives the reference's values", .enabled(if: Goldens.areThere, Comment(rawValue: Goldens.skipped)))
  func goldens() throws {
    let folder = "\(Goldens.directory ?? "")/extras/posemb_zoom"
    let inputs = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix("_in.npy") }
    #expect(!inputs.isEmpty)
    for name in inputs {
      // 4to7_tok_in.npy
      let sides = name.split(separator: "_")[0].split(separator: "to").compactMap { Int($0) }
      let (source, target) = (Grid(height: sides[0], width: sides[0]), Grid(height: sides[1], width: sides[1]))
      let input = try NumpyArray(path: "\(folder)/\(name)")
      let expected = try NumpyArray(path: "\(folder)/\(name.replacing("_in", with: "_out"))")
      let found = resizePositionEmbedding(
        input.values, hiddenSize: try #require(input.shape.last), leading: name.contains("_tok_") ? 1 : 0, from: source,
        to: target)
      #expect(found.count == expected.values.count, "\(name)")
      #expect(zip(found, expected.values).allSatisfy { abs($0 - $1) <= 1e-6 }, "\(name)")
    }
  }

  @Test(
    "each library's way of resizing gives PyTorch's values",
    arguments: [
      ("bicubic", PositionResize.bicubic), ("antialiased", .bicubicAntialiased), ("aligned", .bicubicAligned),
    ])
  func libraries(_ name: String, _ method: PositionResize) throws {
    let folder = "\(Goldens.libraryDirectory)/positions"
    let input = try NumpyArray(path: "\(folder)/in.npy").values
    for target in [Grid(height: 9, width: 7), Grid(height: 2, width: 3)] {
      let expected = try NumpyArray(path: "\(folder)/\(name)-\(target.height)x\(target.width).npy").values
      let found = resizePositionEmbedding(
        [7, 8, 9] + input, hiddenSize: 3, leading: 1, from: Grid(height: 5, width: 6), to: target, by: method)
      #expect(Array(found[..<3]) == [7, 8, 9] && found.count == expected.count + 3)
      #expect(zip(found[3...], expected).allSatisfy { abs($0 - $1) <= 2e-6 }, "\(target)")
    }
  }

  @Test("corners stay corners and the middle is interpolated, in both directions")
  func aligned() {
    let found = resizePositionEmbedding(
      [9, 0, 1, 2, 3], hiddenSize: 1, leading: 1, from: Grid(height: 2, width: 2), to: Grid(height: 3, width: 5))
    #expect(found == [9, 0, 0.25, 0.5, 0.75, 1, 1, 1.25, 1.5, 1.75, 2, 2, 2.25, 2.5, 2.75, 3])
  }

  @Test("one cell is spread over all, and all shrink to the first")
  func single() {
    let one = Grid(height: 1, width: 1)
    let four = Grid(height: 2, width: 2)
    #expect(resizePositionEmbedding([5], hiddenSize: 1, leading: 0, from: one, to: four) == [5, 5, 5, 5])
    #expect(resizePositionEmbedding([1, 2, 3, 4], hiddenSize: 1, leading: 0, from: four, to: one) == [1])
  }
}
