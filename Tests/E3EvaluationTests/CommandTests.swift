import E3TestSupport
import Foundation
import Testing

/// The built `e3-eval`, as a person meets it.
@Suite("e3-eval")
struct CommandTests {
  let folder: TemporaryFolder
  let model: String
  let images: String

  /// Twenty grey pictures of 12 x 12 with labels of five classes.
  init() throws {
    folder = try TemporaryFolder()
    model = try folder.packModel(SampleConfig.ensemble, as: "ensemble")
    images = try folder.write(idx([20, 12, 12], noise(20 * 144)), to: "t10k-images-idx3-ubyte")
    try folder.write(idx([20], (0..<20).map { $0 % 5 }), to: "t10k-labels-idx1-ubyte")
  }

  private func evaluate(_ arguments: String...) throws -> Outcome { try BuiltCommand("e3-eval").run(arguments) }

  @Test("its figures are those of e3-run's answers to the same pictures")
  func sameAnswers() throws {
    let (fashion, pictures) = (
      packageRoot.appendingPathComponent("models/fashion-e3.e3").path, dataPath("fashion-images-idx3-ubyte.gz")
    )
    let found = try evaluate(fashion, pictures, "--json", "--threads", "2").object
    let (bytes, labels) = try fashionSlice()
    let array = try folder.write(npy([100, 28, 28, 1], bytes), to: "slice.npy")
    let answers = try BuiltCommand("e3-run").run([fashion, "--tensor", array, "--json"]).objects
    let probabilities = try answers.map { try #require($0["probabilities"] as? [Double]) }
    let right = zip(probabilities, labels).count { $0.firstIndex(of: $0.max()!) == $1 }
    let nll = zip(probabilities, labels).reduce(0.0) { $0 - log($1.0[$1.1]) } / 100
    #expect(found["count"] as? Int == 100 && found["accuracy"] as? Double == Double(right) / 100)
    // What e3-run prints is tempered.
    let calibrated = try #require(found["calibrated"] as? [String: Any])
    #expect(abs(try #require(calibrated["nll"] as? Double) - nll) < 1e-5)
    #expect(right > 80, "the model knows what it was trained for")
  }

  /// Pixels and labels of the committed slice.
  private func fashionSlice() throws -> (pixels: [UInt8], labels: [Int]) {
    func inflated(_ name: String) throws -> [UInt8] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/gzip")
      process.arguments = ["-dc", dataPath(name)]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      return [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
    }
    return (
      Array(try inflated("fashion-images-idx3-ubyte.gz").dropFirst(16)),
      try inflated("fashion-labels-idx1-ubyte.gz").dropFirst(8).map { Int($0) }
    )
  }

  @Test("the number of threads changes no byte of the report")
  func threads() throws {
    let one = try evaluate(model, images, "--json", "--threads", "1")
    let three = try evaluate(model, images, "--json", "--threads", "3")
    #expect(one.status == 0 && one.output == three.output && !one.output.isEmpty, "\(one.errors)")
  }

  @Test("IDX, .npy and one folder per class hold the same data set")
  func forms() throws {
    let pixels = noise(20 * 144)
    let array = try folder.write(npy([20, 12, 12, 1], pixels), to: "images.npy")
    let labels = try folder.write(Array((0..<20).map { "\($0 % 5)\n" }.joined().utf8), to: "labels.txt")
    for image in 0..<20 {
      let picture = Array("P5\n12 12\n255\n".utf8) + pixels[image * 144..<(image + 1) * 144]
      try folder.write(picture, to: "pictures/\(image % 5)/\(image).pgm")
    }
    let expected = try evaluate(model, images, "--json").object
    for found in [
      try evaluate(model, array, "--labels", labels, "--json").object,
      try evaluate(model, folder["pictures"], "--json").object,
    ] {
      for name in ["count", "accuracy", "members"] {
        #expect(found[name] as? NSNumber == expected[name] as? NSNumber, "\(name)")
      }
      // The folder's order is another one: sums of the same numbers may differ in the last bits.
      for name in ["nll", "brier", "ece", "ece_by_chance", "adaptive_ece", "aurc", "disagreement"] {
        let (a, b) = (try #require(found[name] as? Double), try #require(expected[name] as? Double))
        #expect(abs(a - b) < 1e-12, "\(name)")
      }
    }
  }

  @Test("values of another range than the model's are noted once, and so are transparent pictures")
  func notes() throws {
    let labels = try folder.write(idx([4], [0, 1, 2, 3]), to: "labels")
    for (low, isNoted) in [(Float(0), true), (-1, false)] {
      let values = (0..<4 * 144).map { low + Float($0 % 144) / 143 * (1 - low) }
      let array = npy([4, 12, 12, 1], values.withUnsafeBytes(Array.init), type: "<f4")
      let path = try folder.write(array, to: "values.npy")
      let found = try evaluate(model, path, "--labels", labels, "--ood", path)
      let line =
        "e3-eval: note: \(path): its values are 0.0 to 1.0, none below 0, but \(model) takes -1.0 to 1.0: bring them to that "
        + "range, or give the pictures or their bytes, which are brought there as the model's recipe says\n"
      #expect(found.status == 0 && found.errors == (isNoted ? line : ""), "\(found.errors)")
    }
    for name in ["0/a.png", "1/b.png"] { try folder.write(transparentPNG, to: "clear/\(name)") }
    let clear = try evaluate(model, folder["clear"])
    #expect(
      clear.errors
        == "e3-eval: note: 2 pictures are transparent and shown on white: --alpha ignore shows the pixels' own colours, as "
        + "a training does that drops transparency (Pillow's convert(\"RGB\"))\n")
    #expect(try evaluate(model, folder["clear"], "--alpha", "ignore").errors.isEmpty)
  }

  @Test("a model's ensemble with itself answers alike, and one with another model has the members of both")
  func ensembles() throws {
    let dense = try folder.packModel(SampleConfig.dense, as: "dense", seed: 9)
    let alone = try evaluate(model, images, "--json").object
    let twice = try evaluate(model, model, images, "--json").object
    #expect(twice["members"] as? Int == 6 && alone["members"] as? Int == 3)
    #expect(twice["accuracy"] as? Double == alone["accuracy"] as? Double)
    #expect(abs(try #require(twice["nll"] as? Double) - (try #require(alone["nll"] as? Double))) < 1e-6)
    let both = try evaluate(model, dense, images, "--json").object
    #expect(both["members"] as? Int == 4 && both["model"] as? String == "\(model)+\(dense)")
  }

  @Test("--limit and --skip take a slice")
  func slices() throws {
    #expect(try evaluate(model, images, "--json", "--limit", "7").object["count"] as? Int == 7)
    #expect(try evaluate(model, images, "--json", "--skip", "15").object["count"] as? Int == 5)
    #expect(try evaluate(model, images, "--json", "--limit", "700").object["count"] as? Int == 20)
    let none = try evaluate(model, images, "--skip", "20")
    #expect(none.status == 1 && none.errors.contains("none is left after the first 20"))
  }

  @Test("a dense model has no members to disagree and no experts to count")
  func dense() throws {
    let dense = try folder.packModel(SampleConfig.dense, as: "dense")
    let report = try evaluate(dense, images, "--json", "--ood", images).object
    let signals = try #require(report["ood"] as? [[String: Any]]).map { $0["signal"] as? String }
    #expect(signals == ["maximum_probability", "entropy"])
    #expect((report["routing"] as? [Any])?.isEmpty == true)
    let aurocs = try #require(report["ood"] as? [[String: Any]]).map { $0["auroc"] as? Double }
    #expect(aurocs == [0.5, 0.5], "a data set cannot be told from itself")
  }

  @Test("the float path stands beside int8, with the share of flipped router choices")
  func reference() throws {
    let report = try evaluate(
      model, images, "--json", "--ood", images, "--reference", folder["ensemble.safetensors"], "--threads", "2"
    ).object
    let reference = try #require(report["reference"] as? [String: Any])
    let flipped = try #require(reference["router_choices_flipped"] as? Double)
    #expect(flipped >= 0 && flipped < 0.1)
    let (int8, float) = (try #require(report["nll"] as? Double), try #require(reference["nll"] as? Double))
    #expect(int8 != float && abs(int8 - float) < 0.05 * float)
    #expect((reference["ood"] as? [Any])?.count == 4)
    let text = try evaluate(model, images, "--reference", folder["ensemble.safetensors"], "--limit", "5")
    #expect(text.output.contains("router choices flipped") && text.output.contains("difference"))
  }

  @Test("corruptions are measured at every severity, the same on every run")
  func corruptions() throws {
    let report = try evaluate(model, images, "--corruptions", "--json")
    let entries = try #require(try report.object["corruptions"] as? [[String: Any]])
    #expect(entries.count == 30 && entries.last?["name"] as? String == "jpeg")
    let mean = try #require(try report.object["corrupted_mean"] as? [String: Any])
    let sum = entries.reduce(0) { $0 + ($1["nll"] as? Double ?? .nan) }
    #expect(abs(try #require(mean["nll"] as? Double) - sum / 30) < 1e-9)
    #expect(entries.map { $0["severity"] as? Int } == (0..<30).map { $0 % 5 + 1 })
    #expect(try evaluate(model, images, "--corruptions", "--json", "--threads", "3").output == report.output)
  }

  @Test("the best temperature of a data set, given back, has the least NLL there, for ensembles of files too")
  func temperature() throws {
    let pictures = dataPath("fashion-images-idx3-ubyte.gz")
    let paths = ["fashion-e3", "fashion-vit"].map { packageRoot.appendingPathComponent("models/\($0).e3").path }
    for models in [[paths[0]], paths] {
      let best = try #require(
        try BuiltCommand("e3-eval").run(models + [pictures, "--json"]).object["fitted_temperature"] as? Double)
      let nlls = try [0.8, 1, 1.25].map { factor in
        let arguments = models + [pictures, "--json", "--temperature", "\(best * factor)"]
        let tempered = try #require(try BuiltCommand("e3-eval").run(arguments).object["tempered"] as? [String: Any])
        return try #require(tempered["nll"] as? Double)
      }
      #expect(nlls[1] < nlls[0] && nlls[1] < nlls[2])
    }
    #expect(try evaluate(model, images, "--temperature", "2").output.contains("T = 2.000"))
  }

  @Test("--help and --version answer")
  func help() throws {
    let help = try evaluate("--help")
    #expect(help.status == 0 && help.output.contains("USAGE: e3-eval MODEL.e3"))
    #expect(try evaluate("--version").output.first?.isNumber == true)
  }
}
