import E3TestSupport
import Foundation
import Testing

/// Little-endian bytes.
func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes(Array.init) }

@Suite("e3-run: tensors")
struct TensorTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.model()
  }

  /// Images of the sample model, 7x9 colour.
  private func images(_ count: Int) -> [Float] { (0..<count * 189).map { Float($0 % 101) / 50 - 1 } }

  private func answers(_ outcome: Outcome) throws -> [[Double]] {
    try outcome.objects.map { ($0["probabilities"] as! [NSNumber]).map(\.doubleValue) }
  }

  @Test("floats that are bytes, or otherwise no pixels of the model's range, are refused")
  func otherRange() throws {
    for (factor, expected) in [
      (127.5 as Float, "model takes -1.00 to 1.00"), (4.5, "the value -4.50 is no prepared pixel"),
    ] {
      let path = try folder.write(
        npy([1, 7, 9, 3], bytes(images(1).map { $0 * factor }), type: "<f4"), to: "range.npy")
      let outcome = try run([model, "--tensor", path, "--json"])
      #expect(outcome.status == 1 && outcome.output.isEmpty && outcome.errors.contains(expected), "\(outcome.errors)")
    }
    let noisy = try folder.write(npy([1, 7, 9, 3], bytes(images(1).map { $0 * 1.5 }), type: "<f4"), to: "noisy.npy")
    #expect(try run([model, "--tensor", noisy, "--json"]).status == 0)
    // Values of 0 to 1 are inside, and answered; of several images that is said.
    for count in 1...2 {
      let values = images(count).map { ($0 + 1) / 2 }
      let path = try folder.write(npy([count, 7, 9, 3], bytes(values), type: "<f4"), to: "half.npy")
      let outcome = try run([model, "--tensor", path, "--json"])
      let note = "e3-run: \(path): note: no value is below 0: the model takes -1.00 to 1.00\n"
      #expect(outcome.status == 0 && outcome.errors == (count == 1 ? "" : note), "\(outcome.errors)")
    }
  }

  @Test("a batch is answered image by image, wherever its header ends")
  func batch() throws {
    let batch = try folder.write(npy([3, 7, 9, 3], bytes(images(3)), type: "<f4"), to: "batch.npy")
    let outcome = try run([model, "--tensor", batch, "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let expected = try answers(outcome)
    #expect(expected.count == 3)
    for padding in 1...3 {
      let shifted = npy([3, 7, 9, 3], bytes(images(3)), type: "<f4", version: 2, padding: padding)
      #expect(try answers(run([model, "--tensor", folder.write(shifted, to: "shifted.npy"), "--json"])) == expected)
    }
    for index in 0..<3 {
      let image = Array(images(3)[index * 189..<index * 189 + 189])
      let path = try folder.write(npy([7, 9, 3], bytes(image), type: "<f4"), to: "image.npy")
      #expect(try answers(run([model, "--tensor", path, "--json"])) == [expected[index]])
    }
    #expect(try run([model, "--tensor", batch, "--frames", "2", "--json"]).lines.count == 2)
    let said = try run([model, "--tensor", batch]).lines.filter { $0.hasPrefix(batch) }
    #expect(said.enumerated().allSatisfy { $1.hasPrefix("\(batch) \($0): ") } && said.count == 3, "\(said)")
    #expect(try run([model, "--tensor", folder["image.npy"]]).output.hasPrefix("\(folder["image.npy"]): "))
  }

  @Test("bytes are pixels and go through the preprocessing recipe")
  func pixels() throws {
    let pixels: [UInt8] = (0..<378).map { UInt8($0 % 251) }
    let path = try folder.write(npy([2, 7, 9, 3], pixels), to: "pixels.npy")
    let pictures: [String] = try (0..<2).map { (index: Int) in
      let start: Int = index * 189
      let picture: [UInt8] = Array("P6 9 7 255\n".utf8) + pixels[start..<start + 189]
      return try folder.write(picture, to: "\(index).ppm")
    }
    #expect(try answers(run([model, "--tensor", path, "--json"])) == answers(run([model, "--json"] + pictures)))
  }

  @Test("an image with a NaN is reported and the others are answered")
  func notFinite() throws {
    var values = images(3)
    values[200] = .nan
    let path = try folder.write(npy([3, 7, 9, 3], bytes(values), type: "<f4"), to: "nan.npy")
    let outcome = try run([model, "--tensor", path, "--json"])
    #expect(outcome.status == 1)
    #expect(try outcome.objects.map { $0["frame"] as? Int } == [0, 2])
    #expect(outcome.errors.hasPrefix("e3-run: \(path): frame 1: "))
  }

  @Test("what is no array of images for this model is refused with its reason")
  func refused() throws {
    let one = bytes(images(1))
    let cases: [([UInt8], String)] = [
      ([], "not a .npy file"),
      (Array("P6 9 7 255\n".utf8) + one, "not a .npy file"),
      (
        Array(npy([7, 9, 3], one, type: "<f4").prefix(30)), "a truncated .npy file, or an unknown version of the format"
      ),
      (npy([7, 9, 3], one, type: "<f4", version: 9), "a truncated .npy file, or an unknown version of the format"),
      (
        npy([7, 9, 3], one + one, type: "<f8"),
        "the elements are neither little-endian float32 ('<f4') nor bytes ('|u1')"
      ),
      (npy([7, 9, 3], one, type: ">f4"), "the elements are neither little-endian float32 ('<f4') nor bytes ('|u1')"),
      (npy([7, 9, 3], one, type: "<f4", order: "True"), "the array is not in C order"),
      (npy([189], one, type: "<f4"), "the shape is not [N, height, width, channels] or [height, width, channels]"),
      (
        npy([1, 1, 7, 9, 3], one, type: "<f4"),
        "the shape is not [N, height, width, channels] or [height, width, channels]"
      ),
      (npy([9, 7, 3], one, type: "<f4"), "the shape is (9, 7, 3), the model takes images of (7, 9, 3)"),
      (npy([2, 7, 9, 1], one, type: "<f4"), "the shape is (2, 7, 9, 1), the model takes images of (7, 9, 3)"),
      (npy([2, 7, 9, 3], one, type: "<f4"), "the file is shorter than its header says"),
      (npy([999_999_999, 7, 9, 3], one, type: "<f4"), "the file is shorter than its header says"),
      (Array(npy([7, 9, 3], one, type: "<f4").dropLast()), "the file is shorter than its header says"),
    ]
    for (bytes, text) in cases {
      let path = try folder.write(bytes, to: "bad.npy")
      let outcome = try run([model, "--tensor", path, "--json"])
      #expect(outcome.status == 1)
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors == "e3-run: \(path): \(text)\n")
    }
  }
}
