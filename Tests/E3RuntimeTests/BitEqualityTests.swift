import CE3
import CE3Kernels
import E3Format
import E3TestSupport
import Testing

@Suite("The answer is the same, bit for bit,")
struct BitEqualityTests {
  static let tiers = (E3_ISA_SCALAR...E3_ISA_I8MM).filter { e3_isa_available(e3_isa($0)) == E3_OK }

  // promise: equal-bits
  @Test("on every instruction set and for 1 to 4 threads", arguments: awkwardConfigs.indices, [false, true])
  func tiersAndThreads(index: Int, isCalibrated: Bool) throws {
    let model = try OpenModel(awkwardConfigs[index].config, isCalibrated: isCalibrated)
    let image = model.image(seed: isCalibrated ? 1 : 0)
    let definition = try OpenSession(model, sessionOptions(isa: E3_ISA_SCALAR)).answer(image)
    for isa in Self.tiers {
      for threads in 1...4 {
        let session = try OpenSession(model, sessionOptions(threads: threads, isa: isa))
        let answer = try session.answer(image)
        #expect(answer == definition, "\(awkwardConfigs[index].name), tier \(isa), \(threads) threads")
        #expect(session.isGuardIntact)
      }
    }
  }

  // promise: equal-bits
  @Test("with a weighted score of representations at unit length, too", arguments: awkwardConfigs.indices)
  func weighted(index: Int) throws {
    var file = SampleFile(config: awkwardConfigs[index].config)
    (file.calibration, file.hasStatistics) = (SampleFile.weighted.calibration, true)
    let model = try OpenModel(file.bytes)
    let image = model.image(seed: 3)
    let definition = try OpenSession(model, sessionOptions(isa: E3_ISA_SCALAR)).answer(image)
    for isa in Self.tiers {
      for threads in 1...4 {
        let answer = try OpenSession(model, sessionOptions(threads: threads, isa: isa)).answer(image)
        #expect(answer == definition, "\(awkwardConfigs[index].name), tier \(isa), \(threads) threads")
      }
    }
  }

  // promise: int4-bits
  @Test(
    "as with the int8 weights that 4-bit ones stand for, on every instruction set and for 1 to 4 threads",
    arguments: awkwardConfigs.indices)
  func int4(index: Int) throws {
    var file = SampleFile(config: awkwardConfigs[index].config)
    file.weights = .expanded
    let expanded = try OpenModel(file.bytes)
    let definition = try OpenSession(expanded, sessionOptions(isa: E3_ISA_SCALAR)).answer(expanded.image(seed: 1))
    file.weights = .int4
    let model = try OpenModel(file.bytes)
    for isa in Self.tiers {
      for threads in 1...4 {
        let session = try OpenSession(model, sessionOptions(threads: threads, isa: isa))
        let answer = try session.answer(model.image(seed: 1))
        #expect(answer == definition, "\(awkwardConfigs[index].name), tier \(isa), \(threads) threads")
        #expect(session.isGuardIntact)
      }
    }
  }

  @Test("whatever the session ran before", arguments: awkwardConfigs.indices)
  func noMemoryOfEarlierImages(index: Int) throws {
    let model = try OpenModel(awkwardConfigs[index].config, isCalibrated: true)
    let session = try OpenSession(model, sessionOptions(threads: 2))
    let first = try session.answer(model.image(seed: 1))
    _ = try session.run(model.image(seed: 2))
    #expect(try session.answer(model.image(seed: 1)) == first)
  }

  // promise: equal-bits
  @Test("whatever bytes the arena held before the session", arguments: awkwardConfigs.indices)
  func noMemoryOfTheArena(index: Int) throws {
    var config = awkwardConfigs[index].config
    // 7 * 7 * 1 inputs of a patch: a row that ends in padding.
    (config.patch_height, config.patch_width, config.channels) = (7, 7, 1)
    (config.image_height, config.image_width) = (28, 28)
    config.resize = 0
    (config.resize_height, config.resize_width) = (0, 0)
    for config in [config, awkwardConfigs[index].config] {
      for calibration in [SampleFile.calibrated.calibration, SampleFile.weighted.calibration] {
        var file = SampleFile(config: config)
        (file.calibration, file.hasStatistics) = (calibration, true)
        let model = try OpenModel(file.bytes)
        // As floats: zeros, 800 and NaN.
        let answers = try [0x00, 0x44, 0xFF].map { fill in
          try OpenSession(model, sessionOptions(), arenaFill: fill).answer(model.image(seed: 1))
        }
        #expect(answers.allSatisfy { $0 == answers[0] })
      }
    }
  }

  // promise: equal-bits
  @Test(
    "for files of random kinds, whatever the arena held, on every instruction set, with experts in memory or read",
    arguments: 1...24 as ClosedRange<UInt64>)
  func randomKinds(seed: UInt64) throws {
    let bytes = try SampleFile.random(seed: seed, largest: 40).bytes
    let (model, file) = (try OpenModel(bytes), try Scratch(bytes))
    let image = model.image(seed: seed)
    var options = sessionOptions(isa: E3_ISA_SCALAR)
    let definition = try OpenSession(model, options, arenaFill: 0).answer(image)
    var random = SplitMix(state: seed)
    for isa in Self.tiers {
      for fill: UInt8 in [0x44, 0xFF] {
        for residentBytes in [0, model.info.resident_minimum, UInt64.max] {
          options = sessionOptions(threads: 1 + random.below(4), isa: isa)
          (options.resident_bytes, options.descriptor) = (residentBytes, file.descriptor)
          options.learned_classes = UInt32(random.below(2))
          options.record_routing = UInt32(random.below(2))
          let session = try OpenSession(model, options, arenaFill: fill)
          let what = "tier \(isa), \(options.threads) threads, \(fill), \(residentBytes) bytes"
          #expect(try session.answer(image) == definition, "\(what)")
          #expect(session.isGuardIntact, "\(what)")
        }
      }
    }
  }

  @Test("whether the last block computes every token or only the one that the classifier reads")
  func lastBlockSaving() throws {
    var config = awkwardConfigs[1].config
    config.query_key_norm = 1
    let (saving, plain) = try withAndWithoutSaving(config)
    #expect(saving == plain)
  }

  @Test("but for roundings, where the query of that token meets the tokens instead of their keys and values")
  func foldedKeysAndValues() throws {
    for (name, config) in awkwardConfigs where ["wide", "odd", "341 tokens"].contains(name) {
      let (saving, plain) = try withAndWithoutSaving(config)
      let differences = zip(saving.probabilities, plain.probabilities)
        .map { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) }
      let totalVariation = differences.reduce(0, +) / 2
      #expect(totalVariation > 0 && totalVariation < 0.02, "\(name): \(totalVariation)")
    }
  }

  /// The answers of a model, and of one with a capacity that never drops anything, which is the same function and
  /// computes every token.
  private func withAndWithoutSaving(_ config: e3_file_config) throws -> (Answer, Answer) {
    var plain = config
    plain.capacity_mode = UInt32(E3_FILE_CAPACITY_VANILLA.rawValue)
    plain.capacity = 1000
    let image = try OpenModel(config).image(seed: 5)
    return try (
      OpenSession(OpenModel(config), sessionOptions()).answer(image),
      OpenSession(OpenModel(plain), sessionOptions()).answer(image)
    )
  }

  /// The second awkward configuration with a resize method.
  private static func resizing(_ method: e3_file_resize) -> e3_file_config {
    var config = awkwardConfigs[1].config
    config.resize = UInt32(method.rawValue)
    (config.resize_height, config.resize_width) = (0, 0)
    if method == E3_FILE_RESIZE_SMALL_CROP { (config.resize_height, config.resize_width) = (60, 60) }
    if method == E3_FILE_RESIZE_PILLOW {
      (config.resize_height, config.resize_width) = (48, 56)
      (config.resize_fit, config.resize_filter) = (2, 3)
      (config.resize_order, config.resize_crop) = (1, 1)
    }
    return config
  }

  static let methods = [
    E3_FILE_RESIZE_STRETCH, E3_FILE_RESIZE_SMALL_CROP, E3_FILE_RESIZE_STRETCH_FLOAT, E3_FILE_RESIZE_PILLOW,
  ]

  // promise: preprocess, equal-bits
  @Test("for a frame and for the tensor that its preprocessing gives, whatever frame came before", arguments: methods)
  func frameAndTensor(method: e3_file_resize) throws {
    let model = try OpenModel(Self.resizing(method))
    let session = try OpenSession(model, sessionOptions(threads: 3))
    let info = model.info
    for (width, height) in [(33, 21), (21, 33), (90, 200), (33, 21)] as [(UInt32, UInt32)] {
      try withRGB24(noise(Int(width * height) * 3, seed: 3), width: width, height: height) { frame in
        let fromFrame = try session.answer(frame)
        var values = [Float](repeating: 0, count: Int(info.image_height * info.image_width * info.channels))
        try check(e3_session_preprocess(session.handle, frame, &values, values.count))
        #expect(try session.answer(values) == fromFrame)
        let fresh = try OpenSession(model, sessionOptions(isa: E3_ISA_SCALAR))
        #expect(try fresh.answer(frame) == fromFrame)
      }
    }
    #expect(session.isGuardIntact)
  }
}
