import E3
import E3Converter
import E3Format
import E3Metrics
import E3TestSupport
import Testing
@testable import E3Calibration
@testable import E3DataSets
@testable import E3Host
@testable import E3Models

@Suite("Calibration of a model")
struct CalibrateTests {
  let folder: TemporaryFolder
  let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try folder.packModel()
  }

  /// What a calibrated model does with fresh images.
  private struct Behaviour {
    var covered = 0, known = 0, accepted = 0, empty = 0
  }

  private func behaviour(_ path: String, _ data: DataSet) throws -> Behaviour {
    var session = try ModelSession(MappedModel(path: path))
    var behaviour = Behaviour()
    for index in 0..<data.count {
      let answer = StoredAnswer(try session.run(data.image(at: index), name: "image"))
      let set = answer.predictionSet
      if set.contains(try #require(data.labels)[index]) { behaviour.covered += 1 }
      if set.isEmpty { behaviour.empty += 1 }
      if answer.decision != .unknown { behaviour.known += 1 }
      if answer.decision == .accept { behaviour.accepted += 1 }
    }
    return behaviour
  }

  @Test("finds the temperature of the world, and fresh images of it are covered, known and accepted as stated")
  func coverage() throws {
    let world = try folder.world("held", model: model, count: 3000, temperature: 1.8, seed: 1)
    var options = CalibrationOptions()
    (options.coverage, options.knownCoverage, options.acceptCoverage) = (0.9, 0.95, 0.8)
    options.threads = 2
    let summary = try calibrate(model: model, data: world, output: folder["out.e3"], options: options)
    let stored = summary.calibration
    #expect(abs(stored.temperature / 1.8 - 1) < 0.15, "\(stored.temperature)")
    #expect(stored.image_count + stored.statistics_count == 3000 && (1490...1500).contains(stored.image_count))
    #expect(stored.image_hash != stored.statistics_hash)
    #expect(summary.negativeLogLikelihood.after < summary.negativeLogLikelihood.before)
    #expect(abs(summary.shareDeviation - 0.0103) < 0.0001, "0.8 of 1500 images")
    #expect(!summary.hasFewStatistics)

    let fresh = try behaviour(
      folder["out.e3"], folder.world("fresh", model: model, count: 2000, temperature: 1.8, seed: 2))
    // Four standard deviations of both samples, 1500 and 2000 images.
    func bound(_ share: Double, _ count: Double) -> ClosedRange<Double> {
      let deviation = (share * (1 - share) * (1 / 1500 + 1 / count)).squareRoot()
      return share - 4 * deviation...share + 4 * deviation
    }
    #expect(bound(0.9, 2000).contains(Double(fresh.covered) / 2000), "\(fresh)")
    #expect(bound(0.95, 2000).contains(Double(fresh.known) / 2000), "\(fresh)")
    #expect(bound(0.8, 2000).contains(Double(fresh.accepted) / Double(fresh.known)), "\(fresh)")
    #expect(fresh.empty == 0)
  }

  @Test("keeps 4-bit weights as they are")
  func int4() throws {
    let model = try folder.packModel(weights: WeightBits(experts: .four, mlp: .four))
    let held = try folder.world("held", model: model, count: 3000, temperature: 2, seed: 5)
    try calibrate(model: model, data: held, output: folder["out.e3"], options: CalibrationOptions())
    let (before, after) = (try MappedModel(path: model), try MappedModel(path: folder["out.e3"]))
    try after.file.verifyChecksums()
    #expect(after.file.mostInt4Inputs > 0 && after.file.mostInt4Inputs == before.file.mostInt4Inputs)
    #expect(after.file.modelHash == before.file.modelHash)
  }

  @Test("the thresholds hold exactly, in the runtime's bits, for the images that they were fitted on")
  func exactShares() throws {
    let statistics = try folder.world("statistics", model: model, count: 300, temperature: 5, seed: 3)
    let held = try folder.world("held", model: model, count: 199, temperature: 5, seed: 4)
    var options = CalibrationOptions()
    (options.coverage, options.knownCoverage, options.acceptCoverage) = (0.9, 0.97, 0.75)
    try calibrate(model: model, data: held, statistics: statistics, output: folder["out.e3"], options: options)
    let shares = try behaviour(folder["out.e3"], held)
    // The (n + 1) * coverage-th of n images and what comes before it: 180, 194, and 147 of 194 (195 * 0.75 rounded up).
    #expect(shares.covered == 180)
    #expect(shares.known == 194)
    #expect(shares.accepted == 147)
  }

  @Test("keeps the network's answer, the golden self-test and every other section")
  func keepsTheModel() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 5)
    let before = try folder.bytes("model.e3")
    try calibrate(model: model, data: data, output: folder["out.e3"])
    #expect(try folder.bytes("model.e3") == before)
    let written = try verify(model: folder["out.e3"])
    let plain = try MappedModel(path: model)
    #expect(written.file.extentCount == plain.file.extentCount + 3)
    for index in 0..<plain.file.extentCount {
      let extent = plain.file.extent(at: index)
      let other = try #require(
        (0..<written.file.extentCount).first {
          let found = written.file.extent(at: $0)
          return found.kind == extent.kind && found.block == extent.block && found.index == extent.index
        })
      #expect(written.file.bytes(at: other).elementsEqual(plain.file.bytes(at: index)))
    }
    var a = try ModelSession(plain)
    var b = try ModelSession(written)
    for index in 0..<20 {
      let image = try data.image(at: index)
      let x = StoredAnswer(try a.run(image, name: ""))
      let y = StoredAnswer(try b.run(image, name: ""))
      #expect(x.memberLogits == y.memberLogits)
    }
  }

  @Test("stores how many images chose each expert")
  func expertUses() throws {
    let data = try folder.world("held", model: model, count: 120, temperature: 5, seed: 8)
    let other = try folder.world("other", model: model, count: 300, temperature: 5, seed: 9)
    try calibrate(model: model, data: data, statistics: other, output: folder["out.e3"])
    let written = try MappedModel(path: folder["out.e3"])
    var session = try ModelSession(written, recordsRouting: true)
    var uses = [UInt32](repeating: 0, count: 4)
    for index in 0..<120 {
      _ = try session.run(data.image(at: index), name: "")
      let chosen = try session.routing(layer: 0).experts.withUnsafeBufferPointer { Set($0) }
      for expert in chosen { uses[Int(expert)] += 1 }
    }
    #expect((0..<4).map { written.file.uses(ofExpert: $0, block: 1) } == uses)
    #expect(try folder.bytes("out.e3").header.version_minor == 1)
  }

  @Test("gives the same bytes for any number of threads, and for a model that was calibrated before, in place")
  func reproducible() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 6)
    let other = try folder.world("other", model: model, count: 300, temperature: 3.5, seed: 7)
    var options = CalibrationOptions()
    try calibrate(model: model, data: data, output: folder["one.e3"], options: options)
    options.threads = 3
    try calibrate(model: model, data: other, output: folder["three.e3"], options: options)
    #expect(try folder.bytes("one.e3") != folder.bytes("three.e3"))
    try calibrate(model: folder["three.e3"], data: data, output: folder["three.e3"], options: options)
    #expect(try folder.bytes("one.e3") == folder.bytes("three.e3"))
    options.hasDistance = false
    try calibrate(model: folder["three.e3"], data: data, output: folder["three.e3"], options: options)
    let written = try MappedModel(path: folder["three.e3"])
    withExtendedLifetime(written) {
      let calibration = written.file.calibration
      #expect(calibration?.image_count == 400 && calibration?.statistics_count == 0 && !written.file.hasStatistics)
    }
    #expect(try behaviour(folder["three.e3"], data).known == 400)
  }

  @Test("what few images cannot promise is said")
  func fewImages() throws {
    let world = try folder.world("held", model: model, count: 120, temperature: 5, seed: 9)
    let few = try calibrate(model: model, data: world, output: folder["out.e3"])
    #expect(few.hasFewStatistics && few.text.contains("\n  class statistics     from too few images "), "\(few.text)")
    #expect(few.text.contains("\n  new images           shares within 3.9 points "), "\(few.text)")
  }

  @Test("fewer images than values of a representation have class statistics, and thresholds that hold")
  func fewerThanValues() throws {
    let statistics = try folder.world("few", model: model, count: 15, temperature: 5, seed: 9)
    let cycle = try folder.write(idx([15], (0..<15).map { UInt8($0 % 5) }), to: "cycle")
    let held = try folder.world("held", model: model, count: 199, temperature: 5, seed: 4)
    let few = try DataSet(path: statistics.path, labels: cycle)
    try calibrate(model: model, data: held, statistics: few, output: folder["out.e3"])
    #expect(try behaviour(folder["out.e3"], held).known == 196)
    #expect(try verify(model: folder["out.e3"]).file.hasStatistics)
  }

  /// The sample model's pictures, and which class it answers.
  private func answered(_ count: Int) throws -> (DataSet, [UInt8]) {
    let data = try folder.world("held", model: model, count: count, temperature: 5, seed: 12)
    var session = try ModelSession(MappedModel(path: model))
    let classes = try (0..<count).map { index in
      let answer = StoredAnswer(try session.run(data.image(at: index), name: ""))
      return UInt8(answer.probabilities.indices.max { answer.probabilities[$0] < answer.probabilities[$1] } ?? 0)
    }
    return (data, classes)
  }

  private func labelled(_ data: DataSet, _ labels: [UInt8]) throws -> DataSet {
    try DataSet(path: data.path, labels: folder.write(idx([UInt32(labels.count)], labels), to: "these-labels"))
  }

  @Test("images that are all right, or all wrong, do not tell the temperature, and that is said")
  func temperatureAtItsBound() throws {
    let (data, right) = try answered(100)
    var options = CalibrationOptions()
    options.hasDistance = false
    let sure = try calibrate(model: model, data: labelled(data, right), output: folder["o.e3"], options: options)
    #expect(
      sure.doubts.contains("the temperature lies at its bound, 0.05: these images do not tell it"), "\(sure.doubts)")
    let wrong = right.map { ($0 + 1) % 5 }
    let other = try calibrate(model: model, data: labelled(data, wrong), output: folder["o.e3"], options: options)
    #expect(other.doubts.contains { $0.hasPrefix("accuracy 0.00 % is no better than chance") }, "\(other.doubts)")
  }

  @Test("classes without images are named, and the class that is covered worst")
  func classesWithoutImages() throws {
    let data = try folder.world("held", model: model, count: 100, temperature: 5, seed: 12)
    var options = CalibrationOptions()
    options.hasDistance = false
    let two = try labelled(data, (0..<100).map { UInt8($0 % 2) })
    let summary = try calibrate(model: model, data: two, output: folder["o.e3"], options: options)
    #expect(summary.doubts.contains("no images of the classes 2, 3, 4"), "\(summary.doubts)")
    #expect(["0", "1"].contains(summary.worstClass.name) && summary.worstClass.count == 50)
    let whole = try calibrate(model: model, data: data, output: folder["o.e3"], options: options)
    #expect(!whole.doubts.contains { $0.hasPrefix("no images") })
  }

  @Test("an accuracy that one answer for every image would have is named, also above one part of all classes")
  func nothingLearned() throws {
    let (data, right) = try answered(100)
    // 30 of 100 right, of 5 classes: more than a fifth, and less than the half that have one class.
    let labels = right.indices.map { $0 < 30 ? right[$0] : $0 < 65 ? (right[$0] + 1) % 5 : (right[$0] + 2) % 5 }
    let counts = (0..<5).map { label in labels.count { $0 == label } }
    let most = try #require(counts.firstIndex(of: counts.max() ?? 0))
    try #require(counts[most] >= 30 && counts[most] < 100, "\(counts)")
    var options = CalibrationOptions()
    options.hasDistance = false
    let summary = try calibrate(model: model, data: labelled(data, labels), output: folder["o.e3"], options: options)
    #expect(
      summary.doubts.contains("accuracy 30.00 % is no better than the answer \(most) for every image"),
      "\(summary.doubts)")
  }

  @Test("images that serve for class statistics and thresholds alike are counted")
  func sharedImages() throws {
    let data = try folder.world("held", model: model, count: 200, temperature: 5, seed: 12)
    let same = try calibrate(model: model, data: data, statistics: data[0..<150], output: folder["o.e3"])
    #expect(same.doubts.contains { $0.hasPrefix("150 of the images are among those of the class statistics too") })
    let apart = try calibrate(model: model, data: data[0..<100], statistics: data[100..<200], output: folder["o.e3"])
    #expect(!apart.doubts.contains { $0.contains("class statistics") })
    // As values that somebody made of the same bytes, in other steps than the runtime.
    var pixels: [UInt8] = []
    for index in 0..<200 {
      if case .picture(let picture) = try data.image(at: index) { pixels += picture.pixels }
    }
    let floats = pixels.map { Float($0) / 127.5 - 1 }
    let path = try folder.write(npy([200, 8, 8, 1], floats.withUnsafeBytes(Array.init), type: "<f4"), to: "f.npy")
    let values = try DataSet(path: path, labels: folder["held-labels"])
    let prepared = try calibrate(model: model, data: values, statistics: data[0..<150], output: folder["o.e3"])
    #expect(prepared.doubts.contains { $0.hasPrefix("150 of the images are among those of the class statistics too") })
    // Another class makes them others.
    let labels = try #require(data.labels).map { UInt8(($0 + 1) % sampleClasses) }
    let others = try DataSet(path: path, labels: folder.write(idx([200], labels), to: "other-labels"))
    let relabelled = try calibrate(model: model, data: others, statistics: data[0..<150], output: folder["o2.e3"])
    #expect(!relabelled.doubts.contains { $0.contains("class statistics") })
  }

  @Test("the hash is of the images and their labels, in order")
  func hash() throws {
    let data = try folder.world("held", model: model, count: 200, temperature: 5, seed: 8)
    var options = CalibrationOptions()
    options.hasDistance = false
    let hash = try calibrate(model: model, data: data, output: folder["out.e3"], options: options).calibration
      .image_hash
    var hashes: [UInt64] = []
    for index in 0..<200 {
      guard case .picture(let picture) = try data.image(at: index) else { continue }
      let numbers = [UInt32(try #require(data.labels)[index]), 8, 8, 1]
      let bytes = numbers.flatMap { SampleFile.raw($0) } + picture.pixels
      hashes.append(bytes.withUnsafeBytes { XXH64.hash($0) })
    }
    #expect(hashes.withUnsafeBytes { XXH64.hash($0) } == hash)
    let labels = try #require(data.labels).map { UInt8($0) }
    let changed = Array(labels.dropLast()) + [(labels[199] + 1) % 5]
    let other = try DataSet(path: data.path, labels: folder.write(idx([200], changed), to: "changed"))
    #expect(
      try calibrate(model: model, data: other, output: folder["o.e3"], options: options).calibration.image_hash != hash)
  }

  @Test("data that cannot calibrate the model are refused with the cause, and nothing is written")
  func refusals() throws {
    let data = try folder.world("held", model: model, count: 400, temperature: 5, seed: 9)
    func refused(
      _ data: DataSet, statistics: DataSet? = nil, _ edit: (inout CalibrationOptions) -> Void = { _ in }
    ) -> String {
      var options = CalibrationOptions()
      edit(&options)
      return fault {
        try calibrate(model: model, data: data, statistics: statistics, output: folder["out.e3"], options: options)
      } ?? "accepted"
    }
    #expect(refused(try DataSet(path: data.path)).contains("no labels"))
    let labels = try folder.write(idx([400], [UInt8](repeating: 5, count: 400)), to: "five")
    #expect(refused(try DataSet(path: data.path, labels: labels)).contains("label 0 is 5, but the model has 5 classes"))
    let zeros = try folder.write(idx([400], [UInt8](repeating: 0, count: 400)), to: "zeros")
    #expect(
      refused(try DataSet(path: data.path, labels: zeros)).contains(
        "class 1 has 0 images for the class statistics, expected 2 or more, and 3 more have fewer than 2: add pictures of every class"
      ))
    let cycle = try folder.write(idx([400], (0..<400).map { UInt8($0 % 5) }), to: "cycle")
    let even = try DataSet(path: data.path, labels: cycle)
    #expect(refused(even[0..<8]).contains("class 0 has 1 image for the class statistics, expected 2 or more"))
    #expect(
      refused(data[0..<40], statistics: data).contains(
        "expected 49 or more for --known-coverage 0.98; --known-coverage 0.97 fits them"))
    #expect(refused(data[0..<18]) { $0.hasDistance = false }.contains("expected 19 or more for --coverage 0.95"))
    let small = try folder.write(idx([400, 8, 8, 3], [UInt8](repeating: 7, count: 400 * 192)), to: "flat")
    let flat = try DataSet(path: small, labels: folder["held-labels"])
    #expect(refused(flat).contains("do not vary"))
    let tensors = [Float](repeating: 0, count: 400 * 9)
    try NumpyArray.write(tensors, shape: [400, 3, 3, 1], path: folder["tensors.npy"])
    let wrong = try DataSet(path: folder["tensors.npy"], labels: folder["held-labels"])
    #expect(refused(wrong).contains("tensors.npy: image 0: 9 values"))
    #expect(!folder.names.contains { $0.hasPrefix("out.e3") || $0.hasPrefix(".out.e3") })
  }

  @Test(
    "adaptive and regularised sets, of all classes or of each, hold the true class of fresh images as stated",
    arguments: PredictionSetKind.allCases, [false, true])
  func sets(kind: PredictionSetKind, isClassConditional: Bool) throws {
    let world = try folder.world("held", model: model, count: 1500, temperature: 1.8, seed: 1)
    var options = CalibrationOptions()
    (options.coverage, options.sets, options.isClassConditional) = (0.8, kind, isClassConditional)
    (options.hasDistance, options.threads) = (false, 2)
    let summary = try calibrate(model: model, data: world, output: folder["out.e3"], options: options)
    #expect(summary.setThresholds.count == (isClassConditional ? sampleClasses : 0))
    let score = SetScore(summary.calibration)
    #expect(score.isAdaptive == (kind != .leastAmbiguous) && (score.penalty > 0) == (kind == .regularised))
    let file = try MappedModel(path: folder["out.e3"])
    #expect((file.file.setThresholds != nil) == isClassConditional)
    let header = file.bytes.loadUnaligned(as: e3_file_header.self)
    #expect((header.version_minor < 2) == (kind == .leastAmbiguous && !isClassConditional))

    let fresh = try folder.world("fresh", model: model, count: 1500, temperature: 1.8, seed: 2)
    let labels = try #require(fresh.labels)
    var session = try ModelSession(file)
    var (covered, counts) = ([Int](repeating: 0, count: sampleClasses), [Int](repeating: 0, count: sampleClasses))
    for index in 0..<fresh.count {
      let answer = StoredAnswer(try session.run(fresh.image(at: index), name: "image"))
      counts[labels[index]] += 1
      if answer.predictionSet.contains(labels[index]) { covered[labels[index]] += 1 }
    }
    // Four standard deviations of both samples; the smallest class has some hundred images.
    let all = Double(covered.reduce(0, +)) / Double(fresh.count)
    let deviation = 4 * (0.8 * 0.2 * (1 / 1100 + 1 / 1500.0)).squareRoot()
    #expect(all > 0.8 - deviation, "\(all)")
    // Sums of probabilities that do not vary much are nearly the same for many images.
    if kind == .leastAmbiguous, !isClassConditional { #expect(all < 0.8 + deviation, "\(all)") }
    #expect(counts.count { $0 > 30 } >= 3)
    for index in 0..<sampleClasses where isClassConditional && counts[index] > 30 {
      let count = Double(counts[index])
      let share = Double(covered[index]) / count
      #expect(share > 0.8 - 4 * (0.8 * 0.2 * 2.4 / count).squareRoot(), "class \(index): \(share) of \(count)")
    }
  }

  @Test("class-conditional sets name the class that has the fewest images, and the share that fits all")
  func classWithFewImages() throws {
    let data = try folder.world("held", model: model, count: 60, temperature: 1, seed: 1)
    let counts = [20, 10, 3, 7, 20]
    let labels = counts.indices.flatMap { [UInt8](repeating: UInt8($0), count: counts[$0]) }
    var options = CalibrationOptions()
    (options.hasDistance, options.isClassConditional) = (false, true)
    let few = try labelled(data, labels)
    let text = fault { try calibrate(model: model, data: few, output: folder["out.e3"], options: options) }
    #expect(
      text?.hasSuffix(
        "3 images of 2, the fewest of a class, for the thresholds, expected 19 or more for --coverage 0.95; "
          + "--coverage 0.75 fits all") == true, "\(text ?? "accepted")")
    options.coverage = 0.75
    #expect(try calibrate(model: model, data: few, output: folder["out.e3"], options: options).setThresholds.count == 5)
  }

  @Test("a penalty is chosen that makes sets small, beyond the ranks where the class is found")
  func penalty() throws {
    // Twenty classes; the true one is the second in every fifth image; the rest has a long tail.
    var (probabilities, labels): ([Float], [Int]) = ([], [])
    for image in 0..<400 {
      let (first, second) = (image % 20, (image + 7) % 20)
      var row = [Float](repeating: 0.3 / 18, count: 20)
      (row[first], row[second]) = (0.5, 0.2)
      probabilities += row
      labels.append(image % 5 == 0 ? second : first)
    }
    let images = LabelledPredictions(probabilities: probabilities, classCount: 20, labels: labels)
    var options = CalibrationOptions()
    options.coverage = 0.9
    options.sets = .regularised
    let sets = try PredictionSets(images, options: options, labels: [], path: "images")
    #expect(sets.score == SetScore(isAdaptive: true, freeRanks: 2, penalty: 1))
    #expect(sets.threshold == 0.5 && sets.isCovered.allSatisfy { $0 })
  }
}
