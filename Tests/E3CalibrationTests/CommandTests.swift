import E3Calibration
import E3Format
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
    #expect(shown.contains(": at most 2 % of the images\n") && shown.contains(": at least 90 % of the known images\n"))
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
    let anew = try run(
      "calibrate", folder["out.e3"], data.path, "--labels", labels, "--distance", "mahalanobis++", "-o", folder["a.e3"])
    #expect(anew.status == 0 && !anew.errors.contains("note:"), "\(anew.errors)")
    let untold = try run("calibrate", folder["a.e3"], data.path, "--labels", labels, "--no-distance")
    #expect(untold.errors.contains("had also class statistics, without which nothing is unknown\n"))
    let plain = try run("calibrate", folder["out.e3"], data.path, "--labels", labels)
    #expect(plain.errors.contains("had also a distance that images of no class chose (--unknown)\n"))
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

  @Test("what a calibration had, and the one in its place has not, is said in one line")
  func lost() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 3, seed: 1)
    let common = ["--labels", folder["held-labels"], "--no-distance"]
    let first = try run(
      "calibrate", model, data.path, "--coverage", "0.995", "--sets", "adaptive", "--accept-coverage", "0.8",
      more: common)
    #expect(first.status == 0 && first.errors.isEmpty, "\(first.errors)")
    #expect(first.output.contains(": holds the true one of at least 99.5 %\n"), "\(first.output)")
    let anew = try run("calibrate", model, data.path, "--limit", "300", more: common)
    #expect(
      anew.errors == "e3-convert: note: the calibration before had also adaptive prediction sets (--sets), "
        + "--coverage 0.995, --accept-coverage 0.8, 400 images of the thresholds, not 300\n")
    let same = try run("calibrate", model, data.path, "--limit", "300", more: common)
    #expect(same.status == 0 && same.errors.isEmpty, "\(same.errors)")
    let each = try run("calibrate", model, data.path, "--coverage", "0.5", "--class-conditional", more: common)
    #expect(each.status == 0 && each.errors.isEmpty, "\(each.errors)")
    let all = try run("calibrate", model, data.path, "--coverage", "0.5", more: common)
    #expect(all.errors.hasSuffix(" had also prediction sets for each class by itself (--class-conditional)\n"))
  }

  @Test("answers no better than chance do not replace a calibration that is there")
  func chance() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 1)
    #expect(try run("calibrate", model, data.path, "--labels", folder["held-labels"]).status == 0)
    let kept = try folder.bytes("model.e3")
    // Of all the ways to count the classes on, one is right no more often than the mean of them.
    let right = try folder.bytes("held-labels")
    let doubted = try (1...4).first { shift in
      try folder.write(right.prefix(8) + right.dropFirst(8).map { ($0 + UInt8(shift)) % 5 }, to: "wrong")
      let other = try run("calibrate", model, data.path, "--labels", folder["wrong"], "-o", folder["out.e3"])
      #expect(other.status == 0, "\(other.errors)")
      return other.errors.contains("% is no better than chance")
    }
    try #require(doubted != nil)
    let refused = try run("calibrate", model, data.path, "--labels", folder["wrong"])
    #expect(
      refused.status == 1 && refused.errors.contains("% is no better than chance: are these"), "\(refused.errors)")
    #expect(try folder.bytes("model.e3") == kept)
  }

  @Test("unknown images that are those of the data set are said")
  func knownUnknown() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 1)
    let result = try run(
      "calibrate", model, data.path, "--labels", folder["held-labels"], "--unknown", data.path, "-o", folder["out.e3"])
    #expect(
      result.errors.contains("warning: 400 of the unknown images are among the known ones too"), "\(result.errors)")
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
      let written = try MappedModel(path: folder["out.e3"])
      return try withExtendedLifetime(written) { try #require(written.file.calibration).class_agreement.0 }
    }
    let known = try agreement(nil)
    #expect(known > 0 && known < 0.99)
    // Four copies of each of three pictures are alike but for the rounding of features to bytes.
    #expect(try agreement((0..<12).map { UInt8($0 % 3) }) > 0.999)
    #expect(try agreement((0..<12).map { UInt8($0 % 2) }) == known)
  }

  @Test("a damaged model is called so, by learn too")
  func damaged() throws {
    let data = try folder.world("held", model: model, count: 100, temperature: 5, seed: 4)
    var bytes = try folder.bytes("model.e3")
    let whole = try MappedModel(path: model)
    bytes[withExtendedLifetime(whole) { Int(whole.file.extent(at: 2).offset) }] ^= 1
    let path = try folder.write(bytes, to: "damaged.e3")
    let said = try run("verify", path).errors
    #expect(said.hasSuffix(": a checksum is wrong: the file is damaged\n"), "\(said)")
    for more in [[], ["--no-distance"]] {
      let found = try run(
        "calibrate", path, data.path, "--labels", folder["held-labels"], "-o", folder["out.e3"], more: more)
      #expect(found.status == 1 && found.errors == said, "\(found.errors)")
    }
    let learned = try run("learn", path, data.path, "--label", "x", "--classes", folder["x.e3c"])
    #expect(learned.status == 1 && learned.errors == said, "\(learned.errors)")
    #expect(!folder.names.contains("out.e3") && !folder.names.contains("x.e3c"))
  }

  @Test("values of another range and transparent pictures are noted, by learn too")
  func imageNotes() throws {
    let values = (0..<40 * 64).map { Float($0 % 641) / 640 }
    let array = try folder.write(npy([40, 8, 8, 1], values.withUnsafeBytes(Array.init), type: "<f4"), to: "values.npy")
    let labels = try folder.write(idx([40], (0..<40).map { $0 % 5 }), to: "labels")
    let shares = ["--no-distance", "--coverage", "0.5", "--accept-coverage", "0.5", "-o", folder["out.e3"]]
    let range =
      "e3-convert: note: \(array): its values are 0.0 to 1.0, none below 0, but \(model) takes -1.0 to 1.0: bring them to"
    let found = try run("calibrate", model, array, "--labels", labels, more: shares)
    #expect(
      found.status == 0 && found.errors.split(separator: "\n").count { $0.hasPrefix(range) } == 1, "\(found.errors)")
    for label in 0..<5 {
      for name in ["a", "b"] { try folder.write(transparentPNG, to: "clear/\(label)/\(name).png") }
    }
    let clear = "e3-convert: note: 10 pictures are transparent and shown on white: --alpha ignore"
    let shown = try run("calibrate", model, folder["clear"], more: shares)
    #expect(shown.status == 0 && shown.errors.contains(clear), "\(shown.errors)")
    let told = try run("calibrate", model, folder["clear"], "--alpha", "ignore", more: shares)
    #expect(told.status == 0 && !told.errors.contains("transparent"), "\(told.errors)")
    // Learning needs a model with class statistics.
    let learner = packageRoot.appendingPathComponent("models/fashion-e3.e3").path
    let learned = try run("learn", learner, folder["clear/0"], "--label", "clear", "--classes", folder["x.e3c"])
    #expect(learned.errors.contains("note: 2 pictures are transparent and shown on white"), "\(learned.errors)")
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
      ["--coverage", "0.9999999"],
    ] {
      #expect(try run("calibrate", model, data.path, more: arguments).status == 2, "\(arguments)")
    }
    let early = try run("calibrate", model, data.path, more: ["--early", "1e-50"])
    #expect(early.status == 2 && early.errors.contains("--early takes a share from 0.000001 to 0.999999\n"))
    let one = try run("calibrate", model, data.path, "--labels", folder["held-labels"], "--limit", "1", "--no-distance")
    #expect(one.errors.contains(": 1 image for the thresholds, expected 19 or more for --coverage 0.95; "))
    let over = try run("calibrate", model, data.path, "--labels", folder["held-labels"], "-o", folder["held-labels"])
    #expect(over.status == 1 && over.errors.contains("is also an input"))
    #expect(try folder.bytes("model.e3") == plain)
  }
}
