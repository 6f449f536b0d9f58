import E3Calibration
import E3Models
import E3TestSupport
import Foundation
import Testing

/// The built `e3-convert calibrate`, as a person meets it.
@Suite("e3-convert calibrate")
struct CommandTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.packModel()
  }

  private func run(_ arguments: String..., more: [String] = []) throws -> Outcome {
    try BuiltCommand("e3-convert").run(arguments + more)
  }

  @Test("calibrates in place or into another file, which inspect and verify show")
  func calibrates() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 1)
    let plain = try folder.bytes("model.e3")
    let result = try run("calibrate", model, data.path, "--labels", folder["held-labels"], "-o", folder["out.e3"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.output.hasPrefix("\(folder["out.e3"]): calibrated\n  temperature "))
    #expect(try folder.bytes("model.e3") == plain)

    let shown = try run("inspect", folder["out.e3"], "--json")
    let object = try #require(try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    let calibration = try #require(object["calibration"] as? [String: Any])
    #expect(calibration["set_coverage"] as? Double == Double(Float(0.95)))
    #expect((calibration["images"] as? Int ?? 0) + (calibration["statistics_images"] as? Int ?? 0) == 400)
    #expect(
      try run("inspect", folder["out.e3"]).output.contains("\n  unknown              above a relative distance of "))
    #expect(try run("inspect", model).output.contains("\ncalibration\n  none\n"))
    #expect(try run("verify", folder["out.e3"]).output.hasSuffix(" images, all good\n"))

    let inPlace = try run("calibrate", model, data.path, "--labels", folder["held-labels"], "--threads", "2")
    #expect(inPlace.status == 0)
    #expect(try folder.bytes("model.e3") == folder.bytes("out.e3"))
  }

  @Test("decides by a distance that is told, and takes unknown images to choose by")
  func distances() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 1)
    let labels = folder["held-labels"]
    let told = try run(
      "calibrate", model, data.path, "--labels", labels, "--distance", "mahalanobis++", "-o", folder["out.e3"])
    #expect(told.status == 0 && !told.output.contains("chosen by"), "\(told.errors)")
    let shown = try run("inspect", folder["out.e3"]).output
    #expect(shown.contains("above a score (squared distance, representations at unit length) of "), "\(shown)")
    let chosen = try run(
      "calibrate", model, data.path, "--labels", labels, "--distance", "relative,entropy", "--unknown", data.path,
      "--unknown", data.path, "-o", folder["out.e3"])
    let foreign = " foreign images, unknown and rearranged known ones"
    #expect(chosen.status == 0 && chosen.output.contains("\(foreign)\n"), "\(chosen.errors)")
    let json = try run("inspect", folder["out.e3"], "--json").output
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let calibration = try #require(object["calibration"] as? [String: Any])
    #expect(calibration["uncertainty"] as? String == "entropy")
    #expect((801...1000).contains(calibration["foreign_images"] as? Int ?? 0))
    #expect(try run("inspect", folder["out.e3"]).output.contains("\(foreign): AUROC "))
  }

  @Test("takes parts of data sets, and statistics from another one")
  func parts() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 2)
    let labels = folder["held-labels"]
    let result = try run(
      "calibrate", model, data.path, "--labels", labels, "--skip", "250", "--statistics", data.path,
      "--statistics-labels", labels, "--statistics-skip", "10", "--statistics-limit", "240", "-o", folder["out.e3"])
    #expect(result.status == 0, "\(result.errors)")
    let written = try MappedModel(path: folder["out.e3"])
    #expect(written.file.calibration?.image_count == 150 && written.file.calibration?.statistics_count == 240)
    let empty = try run("calibrate", model, data.path, "--labels", labels, "--skip", "400")
    #expect(empty.status == 1 && empty.errors == "e3-convert: \(data.path): 400 images, of which 400 are left out\n")
  }

  @Test("takes a folder of pictures for each class, of any size")
  func folders() throws {
    var random = SplitMix(state: 3)
    for label in 0..<5 {
      for index in 0..<8 {
        let (width, height) = (5 + index, 12 - index)
        let pixels = (0..<width * height).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try folder.write(
          Array("P5\n\(width) \(height)\n255\n".utf8) + pixels, to: "pictures/\(label)/\(index).pgm")
      }
    }
    let result = try run("calibrate", model, folder["pictures"], "--known-coverage", "0.9", "--no-distance")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("  unknown              never: no class statistics\n"))
    #expect(result.output.contains("  fitted on            40 images"))
  }

  @Test("kinds of unknown images say how alike pictures of a new class are, from three kinds on")
  func newKinds() throws {
    let data = try folder.world("held", model: model, count: 200, temperature: 5, seed: 6)
    var random = SplitMix(state: 9)
    let kinds = (0..<3).map { _ in (0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    let images = try folder.write(idx([12, 8, 8], (0..<12).flatMap { kinds[$0 % 3] }), to: "foreign")
    func agreement(_ labels: [UInt8]?) throws -> Float {
      var arguments = ["--unknown", images]
      if let labels { arguments += ["--unknown-labels", try folder.write(idx([12], labels), to: "foreign-labels")] }
      let result = try run(
        "calibrate", model, data.path, "--labels", folder["held-labels"], "-o", folder["out.e3"], more: arguments)
      #expect(result.status == 0, "\(result.errors)")
      return try #require(MappedModel(path: folder["out.e3"]).file.calibration).class_agreement.0
    }
    let known = try agreement(nil)
    #expect(known > 0 && known < 0.99)
    // Four copies of each of three pictures are alike but for the rounding of features to bytes.
    #expect(try agreement((0..<12).map { UInt8($0 % 3) }) > 0.999)
    #expect(try agreement((0..<12).map { UInt8($0 % 2) }) == known)
  }

  @Test("a fault is one line on standard error, a mistake status 2; the model stays as it was")
  func faults() throws {
    let data = try folder.world("held", model: model, count: 100, temperature: 5, seed: 4)
    let plain = try folder.bytes("model.e3")
    let unlabelled = try run("calibrate", model, data.path)
    #expect(unlabelled.status == 1)
    #expect(unlabelled.errors == "e3-convert: \(data.path): no labels, which calibration needs\n")
    for arguments in [
      ["--coverage", "1"], ["--known-coverage", "0"], ["--accept-coverage", "nan"], ["--limit", "0"],
      ["--statistics-limit", "5"], ["--threads", "0"], ["--no-distance", "--statistics", data.path],
      ["--distance", "knn"], ["--no-distance", "--distance", "relative"], ["--no-distance", "--unknown", data.path],
      ["--distance", "mahalanobis++", "--unknown", data.path], ["--unknown-labels", data.path],
    ] {
      #expect(try run("calibrate", model, data.path, more: arguments).status == 2, "\(arguments)")
    }
    let over = try run("calibrate", model, data.path, "--labels", folder["held-labels"], "-o", folder["held-labels"])
    #expect(over.status == 1 && over.errors.contains("is also an input"))
    #expect(try folder.bytes("model.e3") == plain)
  }
}
