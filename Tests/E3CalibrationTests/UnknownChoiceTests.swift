import CE3
import E3
import E3Format
import E3TestSupport
import Testing
@testable import E3Calibration
@testable import E3DataSets
@testable import E3Host
@testable import E3Models

@Suite("What decides between known and unknown")
struct UnknownChoiceTests {
  /// `count` images of `seed` whose squared distance from the classes, from the background and entropy are around these.
  private func images(_ count: Int, seed: UInt64, square: Double, background: Double, entropy: Double) -> Observations {
    var random = SplitMix(state: seed)
    func near(_ value: Double) -> Double { value + Double(random.float) }
    var observations = Observations()
    for _ in 0..<count {
      let (square, background) = (near(square), near(background))
      observations.classes.append(0)
      observations.distances.append(Float(square.squareRoot()))
      observations.relativeDistances.append(Float(square - background))
      observations.entropies.append(Float(near(entropy)))
      observations.mutualInformation.append(0)
    }
    return observations
  }

  private func choice(
    _ names: [DistanceName] = DistanceName.all, known: Observations, unknown: Observations
  ) throws -> UnknownChoice {
    try #require(
      UnknownChoice(
        among: names, known: [false: known], unknown: [false: unknown], foreign: .given, coverage: 0.9))
  }

  @Test("is what tells foreign images best: a distance, or an entropy beside it")
  func best() throws {
    let known = images(300, seed: 1, square: 10, background: 10, entropy: 3)
    // Farther from the classes and from the background alike: the plain distance.
    let far = try choice(known: known, unknown: images(200, seed: 2, square: 11.5, background: 11.5, entropy: 3))
    #expect(far.name == "mahalanobis" && far.score.backgroundWeight == 0 && far.foreignCount == 200)
    // Farther from the classes alone: the relative distance.
    let relative = try choice(known: known, unknown: images(200, seed: 3, square: 11, background: 9.5, entropy: 3))
    #expect(relative.name == "relative" && relative.score == .relative)
    // At the same place, but torn.
    let torn = try choice(known: known, unknown: images(200, seed: 4, square: 10, background: 10, entropy: 4.5))
    #expect(torn.name.hasSuffix(",entropy") && torn.score.uncertainty == .entropy)
    #expect(torn.rows.first?.name == torn.name && (torn.rows.first?.auroc ?? 0) > 0.8 && torn.rows[0].found > 0.2)
    var stored = e3_file_calibration()
    torn.store(in: &stored)
    #expect(stored.foreign == UInt32(E3_FILE_FOREIGN_GIVEN.rawValue) && stored.foreign_count == 200)
    #expect(stored.foreign_auroc > stored.relative_auroc && stored.relative_auroc > 0)
    #expect(UnknownScore(stored) == torn.score)
  }

  @Test("stays the relative distance where the best of many is better by chance")
  func chance() throws {
    // One score in forty passes two standard errors by chance, and there are three things to vary.
    let others = try (10..<30 as Range<UInt64>).count { seed in
      let known = images(100, seed: seed, square: 10, background: 10, entropy: 3)
      let unknown = images(20, seed: seed + 100, square: 10, background: 10, entropy: 3)
      return try choice(known: known, unknown: unknown).name != "relative"
    }
    #expect(others <= 4)
    // With nothing to tell them apart at all.
    let known = images(100, seed: 1, square: 10, background: 10, entropy: 3)
    #expect(try choice(known: known, unknown: known).name == "relative")
  }

  @Test("has a name for everything that may decide, and no other")
  func names() {
    #expect(DistanceName.all.count == 18 && DistanceName.all.first?.text == "relative")
    #expect(Set(DistanceName.all.map(\.text)).count == 18)
    #expect(DistanceName("mahalanobis++,mutual-information")?.text == "mahalanobis++,mutual-information")
    for text in ["", "Relative", "relative+", "relative,entropy,entropy", "knn", "relative ++"] {
      #expect(DistanceName(text) == nil, "\(text)")
    }
  }

  @Test("is known by images whose quarters are exchanged, none of which stays")
  func rearranged() throws {
    let shape = try ModelShape(validating: SampleFile.config)
    for (height, width) in [(4, 6), (5, 7), (2, 2)] {
      let pixels = (0..<height * width * 3).map { UInt8($0) }
      let picture = Picture(height: height, width: width, channels: 3, pixels: pixels)
      for seed in 0..<20 as Range<UInt64> {
        guard case .picture(let other) = DataSetImage.picture(picture).rearranged(for: shape, seed: seed) else {
          Issue.record("not a picture")
          return
        }
        #expect(other.pixels.sorted() == pixels && other.height == height && other.width == width)
        for (line, column) in [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)] {
          let place = (line * width + column) * 3
          #expect(other.pixels[place] != pixels[place])
        }
        if height == 5 { #expect(other.pixels[2 * 7 * 3..<3 * 7 * 3] == pixels[2 * 7 * 3..<3 * 7 * 3]) }
      }
    }
    let values = (0..<shape.imageValues).map { Float($0) }
    guard case .tensor(let other) = DataSetImage.tensor(values).rearranged(for: shape, seed: 1) else { return }
    #expect(other != values && other.sorted() == values)
    let single = DataSetImage.picture(Picture(height: 1, width: 1, channels: 1, pixels: [3]))
    #expect(single.rearranged(for: shape, seed: 1) == single)
  }
}

@Suite("A calibration with another score")
struct WeightedCalibrationTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.packModel()
  }

  @Test("is told by name, the same for any number of threads")
  func told() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 6)
    var options = CalibrationOptions()
    for name in ["relative", "mahalanobis", "half-relative++", "relative,entropy"] {
      options.distance = DistanceName(name)
      options.threads = 1
      let summary = try calibrate(model: model, data: data, output: folder["one.e3"], options: options)
      options.threads = 3
      try calibrate(model: model, data: data, output: folder["three.e3"], options: options)
      #expect(try folder.bytes("one.e3") == folder.bytes("three.e3"))
      #expect(summary.choice?.name == name && (summary.choice?.foreignCount ?? 0 > 0) == name.hasSuffix(",entropy"))
      let written = try verify(model: folder["one.e3"])
      // For how often each expert is chosen, and for other scores than the relative distance.
      #expect(try folder.bytes("one.e3").header.version_minor == 1)
      #expect(written.file.calibration.map { UnknownScore($0) } == summary.choice?.score)
      // As many known images pass as are to, in the runtime's bits: the (n + 1) * 0.98-th and what comes before it.
      var session = try ModelSession(written)
      let half = try LabelledImages(data, for: written).halves.1
      let passed = try half.indices.count {
        StoredAnswer(try session.run(data.image(at: $0), name: "image")).decision != .unknown
      }
      #expect(passed == Int((Double(half.count + 1) * 0.98).rounded(.up)), "\(name)")
    }
  }

  @Test("is chosen by unknown images, to which no threshold is fitted")
  func chosen() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 6)
    let pixels = (0..<40).flatMap { [UInt8](repeating: UInt8(6 * $0), count: 64) }
    let flat = try folder.write(idx([40, 8, 8], pixels), to: "flat")
    var options = CalibrationOptions()
    let summary = try calibrate(
      model: model, data: data, unknown: [DataSet(path: flat), DataSet(path: flat)], output: folder["out.e3"],
      options: options)
    let choice = try #require(summary.choice)
    #expect((81...160).contains(choice.foreignCount) && choice.rows.count > 6)
    let foreign = "\(choice.foreignCount) foreign images, unknown and rearranged known ones"
    #expect(summary.text.contains("  chosen by \(foreign)\n") && summary.text.contains("(chosen)"))
    // The same score without those images: the same thresholds.
    let name = try #require(DistanceName(choice.name))
    guard !name.leavesAChoice else { return }
    options.distance = name
    let told = try calibrate(model: model, data: data, output: folder["told.e3"], options: options)
    #expect(told.calibration.unknown_threshold == summary.calibration.unknown_threshold)
    #expect(told.calibration.accept_threshold == summary.calibration.accept_threshold)
    #expect(told.calibration.foreign_count == 0 && !told.text.contains("(chosen)"))
  }

  @Test("names an unknown picture that cannot be read before any image is run")
  func unreadable() throws {
    let data = try folder.world("held", model: model, count: 40, temperature: 5, seed: 6)
    try folder.write(Array("P5 2 2 255\nabcd".utf8), to: "foreign/a.pgm")
    try folder.write(Array("P5 2 2 255\nabc".utf8), to: "foreign/b.pgm")
    var stages: Set<String> = []
    let error = #expect(throws: FileError.self) {
      try calibrate(
        model: model, data: data, unknown: [DataSet(path: folder["foreign"])], output: folder["out.e3"],
        progress: { stage, _ in stages.insert(stage) })
    }
    #expect(error?.file == folder["foreign/b.pgm"] && stages == ["verifying"])
  }
}
