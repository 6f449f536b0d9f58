import CE3
import E3Format
import E3TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite("The answer of a calibrated file")
struct CalibrationTests {
  private func sample(
    _ index: Int = 1, hasStatistics: Bool = true, _ edit: (inout e3_file_calibration) -> Void = { _ in }
  ) throws -> OpenModel {
    var file = SampleFile(config: awkwardConfigs[index].config)
    var calibration = SampleFile.thresholds(hasStatistics: hasStatistics)
    edit(&calibration)
    file.calibration = calibration
    file.hasStatistics = hasStatistics
    return try OpenModel(file.bytes)
  }

  /// Distances in double precision of what the answer says the head read.
  private func exactDistances(
    _ model: OpenModel, _ result: e3_result, hasUnitLength: Bool = false
  ) throws -> (distance: Double, relative: Double) {
    let file = try ModelFile(validating: UnsafeRawBufferPointer(model.memory))
    let (size, padded) = (file.shape.headInputSize, file.shape.headInputSizePadded)
    func whiten(_ view: WhiteningView, _ z: [Double]) -> [Double] {
      (0..<size).map { row in
        (0...row).reduce(0.0) { $0 + Double(view.panel(row / 16)[$1 * 16 + row % 16]) * z[$1] }
      }
    }
    var (sum, relative) = (0.0, 0.0)
    for member in 0..<file.shape.memberCount {
      let view = file.statistics(member: member)
      let vector = result.representations + member * Int(result.representation_stride)
      let length =
        hasUnitLength ? (0..<size).reduce(0.0) { $0 + Double(vector[$1]) * Double(vector[$1]) }.squareRoot() : 1
      let z = (0..<size).map { Double(vector[$0]) / length - Double(view.centre[$0]) }
      let y = whiten(view.classes, z)
      let squares = (0..<file.shape.classCount).map { index in
        (0..<size).reduce(0.0) {
          let difference = y[$1] - Double(view.classMeans[index * padded + $1])
          return $0 + difference * difference
        }
      }
      let background = whiten(view.background, z).reduce(0.0) { $0 + $1 * $1 }
      sum += squares.min()!
      relative += squares.min()! - background
    }
    let members = Double(file.shape.memberCount)
    return ((sum / members).squareRoot(), relative / members)
  }

  // promise: distance
  @Test("has the Mahalanobis distances of the formula in double precision", arguments: awkwardConfigs.indices)
  func distances(index: Int) throws {
    let model = try sample(index)
    let session = try OpenSession(model, sessionOptions(threads: 2))
    for seed in 0..<4 as Range<UInt64> {
      let result = try session.run(model.image(seed: seed))
      let exact = try exactDistances(model, result)
      // Two float sums of at most 72 terms: a few hundred roundings.
      #expect(abs(Double(result.distance) - exact.distance) <= 2e-5 * exact.distance)
      #expect(abs(Double(result.relative_distance) - exact.relative) <= 4e-5 * (exact.distance * exact.distance + 100))
    }
  }

  // promise: unit-length
  @Test("has the distances of representations at unit length where the file says so", arguments: awkwardConfigs.indices)
  func unitLength(index: Int) throws {
    let model = try sample(index) { ($0.distance, $0.rows) = (2, 1) }
    let session = try OpenSession(model, sessionOptions(threads: 2))
    for seed in 0..<4 as Range<UInt64> {
      let result = try session.run(model.image(seed: seed))
      let exact = try exactDistances(model, result, hasUnitLength: true)
      #expect(abs(Double(result.distance) - exact.distance) <= 2e-5 * exact.distance)
      #expect(abs(Double(result.relative_distance) - exact.relative) <= 4e-5 * (exact.distance * exact.distance + 100))
    }
  }

  // promise: unknown-score
  @Test("is decided by the weighted score of the formula", arguments: [Float(0), 0.5, 1], [UInt32(0), 1, 2])
  func weighted(background: Float, uncertainty: UInt32) throws {
    func edit(_ calibration: inout e3_file_calibration) {
      (calibration.distance, calibration.background_weight, calibration.uncertainty) = (2, background, uncertainty)
      calibration.uncertainty_weight = uncertainty == 0 ? 0 : 37
    }
    let model = try sample { edit(&$0) }
    let image = model.image(seed: 9)
    let session = try OpenSession(model, sessionOptions())
    let result = try session.run(image)
    let square = Double(result.distance) * Double(result.distance)
    let nats: [Float] = [0, result.total_entropy, result.mutual_information]
    let backgroundSquare = square - Double(result.relative_distance)
    let exact = square - Double(background) * backgroundSquare + 37 * Double(nats[Int(uncertainty)])
    #expect(abs(Double(result.unknown_score) - exact) <= 1e-5 * (square + abs(Double(result.relative_distance)) + 200))
    // The distances themselves are those of any other file.
    let plain = try OpenSession(sample(), sessionOptions())
    let other = try plain.run(image)
    #expect(other.distance == result.distance && other.relative_distance == result.relative_distance)
    #expect(other.unknown_score.bitPattern == other.relative_distance.bitPattern)
    if background == 1, uncertainty == 0 { #expect(result.unknown_score == other.unknown_score) }
    let thresholds = [(result.unknown_score, E3_DECISION_ACCEPT), (result.unknown_score.nextDown, E3_DECISION_UNKNOWN)]
    for (threshold, decision) in thresholds {
      let decided = try sample {
        edit(&$0)
        ($0.unknown_threshold, $0.accept_threshold) = (threshold, 0)
      }
      #expect(try Int(OpenSession(decided, sessionOptions()).answer(image).decision) == decision)
    }
    withExtendedLifetime((session, plain)) {}
  }

  // promise: result
  @Test("is tempered after averaging: p^(1/T), normalised", arguments: [Float(0.05), 0.7, 1, 3, 100])
  func temperature(value: Float) throws {
    let image = try sample().image(seed: 4)
    let plainModel = try OpenModel(awkwardConfigs[1].config)
    let plain = try OpenSession(plainModel, sessionOptions())
    let calibrated = try OpenSession(sample { $0.temperature = value }, sessionOptions())
    let before = try plain.run(image)
    let after = try calibrated.run(image)
    let powers = (0..<37).map { pow(Double(before.probabilities[$0]), 1 / Double(value)) }
    let sum = powers.reduce(0, +)
    for index in 0..<37 {
      let exact = powers[index] / sum
      #expect(abs(Double(after.probabilities[index]) - exact) <= 1e-5 * max(exact, 1e-30) + 1e-30)
    }
    // Everything that comes before the temperature keeps its bits.
    for index in 0..<3 * 37 { #expect(before.member_logits[index].bitPattern == after.member_logits[index].bitPattern) }
    #expect(before.total_entropy == after.total_entropy && before.mutual_information == after.mutual_information)
    #expect(after.top_probability == after.probabilities[Int(after.top_class)])
    withExtendedLifetime((plain, calibrated)) {}
  }

  // promise: decision
  @Test("is unknown above the threshold of the relative distance, else accepted from the probability threshold on")
  func decisions() throws {
    let session = try OpenSession(sample(), sessionOptions())
    let image = session.model.image(seed: 9)
    let result = try session.run(image)
    let (distance, probability) = (result.relative_distance, result.top_probability)
    func decision(_ unknown: Float, _ accept: Float) throws -> Int {
      let model = try sample {
        $0.unknown_threshold = unknown
        $0.accept_threshold = accept
      }
      return Int(try OpenSession(model, sessionOptions()).answer(image).decision)
    }
    #expect(try decision(distance, probability) == E3_DECISION_ACCEPT)
    #expect(try decision(distance, probability.nextUp) == E3_DECISION_UNSURE)
    #expect(try decision(distance.nextDown, probability) == E3_DECISION_UNKNOWN)
    #expect(try decision(distance.nextDown, probability.nextUp) == E3_DECISION_UNKNOWN)
  }

  // promise: uncalibrated
  @Test("is never unknown without statistics, and has no distance")
  func withoutStatistics() throws {
    let session = try OpenSession(sample(hasStatistics: false), sessionOptions())
    let result = try session.run(session.model.image(seed: 9))
    #expect(result.distance.isNaN && result.relative_distance.isNaN && result.unknown_score.isNaN)
    #expect(Int(result.decision) != E3_DECISION_UNKNOWN && result.prediction_set_count > 0)
    var calibration = e3_calibration()
    calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    try check(e3_model_get_calibration(&session.model.handle, &calibration))
    #expect(calibration.has_distance == 0 && calibration.unknown_threshold.isNaN && calibration.known_coverage.isNaN)
  }

  // promise: prediction-set, format-calibration
  @Test("has the classes from the set threshold on, most probable first, and never no class")
  func predictionSets() throws {
    for threshold in [Float(0), 0.01, 0.02, 0.03, 0.05, 1] {
      let session = try OpenSession(sample { $0.set_threshold = threshold }, sessionOptions())
      for seed in 0..<4 as Range<UInt64> {
        let result = try session.run(session.model.image(seed: seed))
        let order = (0..<37).sorted {
          let (p, q) = (result.probabilities[$0], result.probabilities[$1])
          return p > q || p == q && $0 < $1
        }
        let expected = order.filter { result.probabilities[$0] >= threshold || $0 == Int(result.top_class) }
        #expect((0..<Int(result.prediction_set_count)).map { Int(result.prediction_set[$0]) } == expected)
      }
    }
  }

  // promise: set-thresholds
  @Test("has the classes that their own thresholds let in", arguments: [false, true])
  func classThresholds(isAdaptive: Bool) throws {
    var file = SampleFile(config: awkwardConfigs[1].config)
    var calibration = SampleFile.thresholds(hasStatistics: false)
    SetScore(isAdaptive: isAdaptive).store(in: &calibration)
    calibration.image_count = 100
    file.calibration = calibration
    let thresholds: [Float] = (0..<37).map { (index: Int) in isAdaptive ? Float(index % 5) / 4 : Float(index % 3) / 30 }
    file.setThresholds = thresholds
    let session = try OpenSession(OpenModel(file.bytes), sessionOptions())
    var stated = e3_calibration()
    stated.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    try check(e3_model_get_calibration(&session.model.handle, &stated))
    #expect(stated.class_conditional == 1 && stated.set_score == (isAdaptive ? 2 : 1) && stated.set_penalty == 0)
    for seed in 0..<4 as Range<UInt64> {
      let result = try session.run(session.model.image(seed: seed))
      let order: [Int] = (0..<37).sorted { (a: Int, b: Int) -> Bool in
        let (p, q): (Float, Float) = (result.probabilities[a], result.probabilities[b])
        return p > q || p == q && a < b
      }
      var (expected, mass): ([Int], Float) = ([], 0)
      for index in order {
        let isIn = isAdaptive ? mass <= thresholds[index] : result.probabilities[index] >= thresholds[index]
        if isIn || index == Int(result.top_class) { expected.append(index) }
        mass += result.probabilities[index]
      }
      #expect(expected.count > 1 && expected.count < 37)
      let set: [Int] = (0..<Int(result.prediction_set_count)).map { Int(result.prediction_set[$0]) }
      #expect(set == expected)
    }
  }

  // promise: distance-infinite
  @Test("is infinitely far away and unknown, not a NaN, where a distance overflows")
  func overflow() throws {
    var file = SampleFile.calibrated
    file.calibration?.unknown_threshold = .greatestFiniteMagnitude
    for value in [Float.greatestFiniteMagnitude, -1e30] {
      var bytes = try file.bytes
      // Diagonals of both whitenings of both members.
      for member in 0..<2 {
        for whitening in 0..<2 {
          for k in 0..<4 {
            let element: Int = member * 576 + 16 + 256 * whitening + 17 * k
            try bytes.write(value, in: .statistics, at: 4 * element)
          }
        }
      }
      let session = try OpenSession(OpenModel(bytes), sessionOptions())
      let result = try session.run(session.model.image(seed: 1))
      #expect(result.distance == .infinity && Int(result.decision) == E3_DECISION_UNKNOWN)
      #expect(!result.relative_distance.isNaN)
    }
  }

  // promise: distance-infinite
  @Test("is infinitely far away and unknown where a representation without length is divided by it")
  func noLength() throws {
    var file = SampleFile.weighted
    file.calibration?.unknown_threshold = .greatestFiniteMagnitude
    // tanh of a layer whose scales and biases are 0.
    let session = try OpenSession(
      edited(file) { bytes in
        let extent = bytes[extent: try #require(bytes.extentIndex(of: .preLogits))]
        for place in 0..<Int(extent.length) { bytes[Int(extent.offset) + place] = 0 }
        return .preLogits
      }, sessionOptions())
    let result = try session.run(session.model.image(seed: 1))
    #expect(result.representations[0] == 0 && result.distance == .infinity && result.unknown_score == .infinity)
    #expect(Int(result.decision) == E3_DECISION_UNKNOWN)
  }

  // promise: distance-infinite
  @Test("is infinitely far away and unknown where the length of a representation is too large for a float")
  func tooLong() throws {
    var file = SampleFile.weighted
    file.config.representation_size = 0
    file.calibration?.unknown_threshold = .greatestFiniteMagnitude
    let session = try OpenSession(
      edited(file) { bytes in
        let extent = bytes[extent: try #require(bytes.extentIndex(of: .encoderNorm))]
        for place in 0..<6 { bytes.write(Float(1e20), at: Int(extent.offset) + 4 * (16 + place)) }
        return .encoderNorm
      }, sessionOptions())
    let result = try session.run(session.model.image(seed: 1))
    #expect(result.representations[0] >= 1e19 && result.distance == .infinity && result.unknown_score == .infinity)
    #expect(Int(result.decision) == E3_DECISION_UNKNOWN)
  }

  /// The model of a calibrated file whose weights `edit` changes; it returns the kind of extent that it changed.
  private func edited(_ file: SampleFile, _ edit: (inout [UInt8]) throws -> ExtentKind) throws -> OpenModel {
    func bytes(_ file: SampleFile) throws -> [UInt8] {
      var bytes = try file.bytes
      let kind = try edit(&bytes)
      bytes.resealExtent(try #require(bytes.extentIndex(of: kind)))
      bytes.reseal()
      return bytes
    }
    var plain = file
    (plain.calibration, plain.hasStatistics) = (nil, false)
    let hash = try bytes(plain).withAligned { try ModelFile(validating: $0).modelHash }
    var calibrated = try bytes(file)
    try calibrated.write(hash, in: .calibration, at: 56)
    return try OpenModel(calibrated)
  }

  // promise: calibration
  @Test("tells the library's caller what was fitted; a file without a calibration says so")
  func calibration() throws {
    let model = try sample()
    var calibration = e3_calibration()
    #expect(e3_model_get_calibration(&model.handle, &calibration) == E3_ERROR_STRUCT_SIZE)
    calibration.struct_size = UInt32(MemoryLayout<e3_calibration>.size)
    try check(e3_model_get_calibration(&model.handle, &calibration))
    #expect(calibration.has_distance == 1 && calibration.temperature == 1.25 && calibration.unknown_threshold == 3)
    #expect(calibration.images == 100 && calibration.statistics_images == 200 && model.info.calibrated == 1)
    #expect(calibration.distance_mean == -1.5 && calibration.distance_deviation == 2.5)
    #expect(calibration.unit_length == 0 && calibration.background_weight == 1)
    #expect(calibration.uncertainty == 0 && calibration.uncertainty_weight == 0)
    let weighted = try OpenModel(SampleFile.weighted.bytes)
    try check(e3_model_get_calibration(&weighted.handle, &calibration))
    #expect(calibration.unit_length == 1 && calibration.background_weight == 0.5)
    #expect(calibration.uncertainty == 1 && calibration.uncertainty_weight == 1.75)
    // A caller of the first interface has no room for what came later.
    calibration.struct_size = UInt32(E3_CALIBRATION_FIRST_SIZE)
    calibration.distance_deviation = 77
    try check(e3_model_get_calibration(&model.handle, &calibration))
    #expect(calibration.distance_deviation == 77)
    let plain = try OpenModel(awkwardConfigs[0].config)
    #expect(e3_model_get_calibration(&plain.handle, &calibration) == E3_ERROR_NO_CALIBRATION)
    #expect(plain.info.calibrated == 0)
  }

  // promise: struct-size
  @Test("reaches a caller of the first interface without the members that it does not know")
  func olderCaller() throws {
    let session = try OpenSession(sample(), sessionOptions())
    let image = session.model.image(seed: 2)
    let full = try session.run(image)
    var result = e3_result()
    result.struct_size = UInt32(E3_RESULT_FIRST_SIZE)
    result.relative_distance = 77
    try check(e3_session_run_tensor(session.handle, image, image.count, &result))
    #expect(result.distance == full.distance && result.prediction_set == full.prediction_set)
    #expect(result.relative_distance == 77 && result.representations == nil)
    result.struct_size -= 1
    #expect(e3_session_run_tensor(session.handle, image, image.count, &result) == E3_ERROR_STRUCT_SIZE)
  }

  @Test("reaches a caller of the first interface with what a model is, without what came later")
  func olderInfo() throws {
    let model = try sample()
    var info = e3_model_info()
    info.struct_size = UInt32(E3_MODEL_INFO_FIRST_SIZE)
    info.value_high = 77
    try check(e3_model_get_info(&model.handle, &info))
    #expect(info.multiply_accumulates == model.info.multiply_accumulates && info.value_high == 77)
    info.struct_size -= 1
    #expect(e3_model_get_info(&model.handle, &info) == E3_ERROR_STRUCT_SIZE)
  }
}
