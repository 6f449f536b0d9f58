import CE3
import E3Format
import E3TestSupport
import Testing

/// A session that leaves out the later networks of a deep ensemble where the file says that the first ones suffice.
@Suite("Stopping early")
struct EarlyStopTests {
  private static let names = ["wide", "dense", "sparse, one member"]

  private static func config(_ name: String) -> e3_file_config {
    awkwardConfigs.first { $0.name == name }?.config ?? SampleFile.config
  }

  private static func stop(_ probability: Float, _ score: Float = .greatestFiniteMagnitude) -> e3_file_early_stop {
    e3_file_early_stop(probability: probability, unknown_score: score, stopped: 0, differing: 0)
  }

  /// Networks that accept whatever is put before them, as far as `accept` and `unknown` say.
  private static func file(
    _ stops: [e3_file_early_stop]?, count: Int = 3, accept: Float = 0, unknown: Float = 1e30, hasStatistics: Bool = true
  ) -> SampleFile {
    var file = SampleFile(config: config(names[0]), golden: true, seed: 1)
    file.others = (1..<max(count, 1)).map { SampleFile.Network(config(names[$0]), seed: UInt64($0) + 1) }
    if count == 1 { file.others = [] }
    file.calibration = SampleFile.thresholds(hasStatistics: hasStatistics)
    file.calibration?.accept_threshold = accept
    if hasStatistics { file.calibration?.unknown_threshold = unknown }
    file.hasStatistics = hasStatistics
    file.earlyStops = stops
    return file
  }

  private static func options(_ options: e3_session_options = sessionOptions()) -> e3_session_options {
    var options = options
    options.early = 1
    return options
  }

  /// What the first `count` networks of the file answer when they have it for themselves.
  private static func answer(ofFirst count: Int, _ seed: UInt64, accept: Float = 0, hasStatistics: Bool = true) throws
    -> Answer
  {
    let model = try OpenModel(file(nil, count: count, accept: accept, hasStatistics: hasStatistics).bytes)
    return try OpenSession(model, sessionOptions()).answer(model.image(seed: seed))
  }

  // promise: early-stops
  @Test(
    "gives the bits of a file of the networks that answered, and says how many", arguments: [1, 2, 3], [true, false])
  func bits(count: Int, hasStatistics: Bool) throws {
    let stops = [Self.stop(count == 1 ? 0 : 2), Self.stop(count == 2 ? 0 : 2)]
    let model = try OpenModel(Self.file(stops, hasStatistics: hasStatistics).bytes)
    #expect(model.info.early == 1)
    for isa in BitEqualityTests.tiers {
      for threads in [1, 3] {
        let session = try OpenSession(model, Self.options(sessionOptions(threads: threads, isa: isa)))
        for seed in [3, 4] as [UInt64] {
          let result = try session.run(model.image(seed: seed))
          #expect(result.networks == UInt32(count))
          #expect(try Answer(result) == Self.answer(ofFirst: count, seed, hasStatistics: hasStatistics))
        }
        #expect(session.isGuardIntact)
      }
    }
  }

  // promise: early-stops
  @Test("is asked for: without it all networks answer, with the bits of a file that does not know of it")
  func notAsked() throws {
    let model = try OpenModel(Self.file([Self.stop(0), Self.stop(0)]).bytes)
    let session = try OpenSession(model, sessionOptions())
    let result = try session.run(model.image(seed: 5))
    #expect(result.networks == 3 && result.members == model.info.members)
    #expect(try Answer(result) == Self.answer(ofFirst: 3, 5))
    let plain = try OpenModel(Self.file(nil).bytes)
    #expect(plain.info.early == 0)
    var one = e3_model_info()
    one.struct_size = UInt32(MemoryLayout<e3_model_info>.size)
    #expect(e3_model_get_network_info(&model.handle, 0, &one) == E3_OK && one.early == 0)
  }

  // promise: early-stops
  @Test("happens from the probability and up to the score that the file says, and only where the answer is accepted")
  func limits() throws {
    func networks(_ stop: e3_file_early_stop, accept: Float = 0, unknown: Float = 1e30) throws -> UInt32 {
      let model = try OpenModel(Self.file([stop, Self.stop(2)], accept: accept, unknown: unknown).bytes)
      return try OpenSession(model, Self.options()).run(model.image(seed: 6)).networks
    }
    let model = try OpenModel(Self.file([Self.stop(0), Self.stop(0)]).bytes)
    let first = try OpenSession(model, Self.options()).run(model.image(seed: 6))
    let (probability, score) = (first.top_probability, first.unknown_score)
    #expect(first.networks == 1 && score.isFinite)
    #expect(try networks(Self.stop(probability)) == 1)
    #expect(try networks(Self.stop(probability.nextUp)) == 3)
    #expect(try networks(Self.stop(0, score)) == 1)
    #expect(try networks(Self.stop(0, score.nextDown)) == 3)
    #expect(try networks(Self.stop(0), accept: probability) == 1)
    #expect(try networks(Self.stop(0), accept: probability.nextUp) == 3, "unsure")
    #expect(try networks(Self.stop(0), unknown: score.nextDown) == 3, "unknown")
  }

  @Test("looks at each network in turn, and remembers nothing of a frame that stopped elsewhere")
  func frames() throws {
    let model = try OpenModel(Self.file([Self.stop(0), Self.stop(2)]).bytes)
    var random = SplitMix(state: 9)
    let images = (0..<12).map { _ in model.image(seed: random.next()) }
    let ones = try images.map { try OpenSession(model, Self.options()).run($0).top_probability }
    let middle = ones.sorted()[6]
    let mixed = try OpenModel(Self.file([Self.stop(middle), Self.stop(0)]).bytes)
    let session = try OpenSession(mixed, Self.options())
    var counts: Set<UInt32> = []
    for (image, one) in zip(images, ones) {
      let result = try session.run(image)
      counts.insert(result.networks)
      #expect(result.networks == (one >= middle ? 1 : 2))
      #expect(try Answer(result) == OpenSession(mixed, Self.options()).answer(image))
    }
    #expect(counts == [1, 2])
  }

  // promise: routing
  @Test("records no routing of the networks that it left out, also when they ran before")
  func routing() throws {
    let probe = try OpenModel(Self.file([Self.stop(0), Self.stop(2)]).bytes)
    let images = (0..<8).map { probe.image(seed: $0) }
    let ones = try images.map { try OpenSession(probe, Self.options()).run($0).top_probability }
    let (low, high) = (try #require(ones.min()), try #require(ones.max()))
    #expect(low < high)
    let model = try OpenModel(Self.file([Self.stop(high), Self.stop(2)]).bytes)
    var options = Self.options()
    options.record_routing = 1
    let session = try OpenSession(model, options)
    /// The networks of which a gate or an expert was recorded that is not 0.
    func recorded() throws -> Set<UInt32> {
      var networks: Set<UInt32> = []
      for layer in 0..<4 as Range<UInt32> {
        var routing = e3_routing()
        routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
        try check(e3_session_get_routing(session.handle, layer, &routing))
        let rows = Int(routing.members * routing.tokens)
        let hasGates = (0..<rows * Int(routing.member_experts)).contains { routing.gates[$0] != 0 }
        let hasExperts = (0..<rows * Int(routing.selected_experts)).contains { routing.experts[$0] != 0 }
        if hasGates || hasExperts { networks.insert(routing.network) }
      }
      return networks
    }
    for _ in 0..<2 {
      #expect(try session.run(images[ones.firstIndex(of: low)!]).networks == 3)
      #expect(try recorded() == [0, 2])
      #expect(try session.run(images[ones.firstIndex(of: high)!]).networks == 1)
      #expect(try recorded() == [0])
    }
    #expect(session.isGuardIntact)
  }

  @Test("leaves the self-test what it is, and a caller of an older version all networks")
  func wholeRuns() throws {
    let model = try OpenModel(Self.file([Self.stop(0), Self.stop(0)]).bytes)
    let session = try OpenSession(model, Self.options())
    // The sample's golden logits are made up: that all of them were compared shows in the members that answered before.
    #expect(e3_session_self_test(session.handle) == E3_ERROR_GOLDEN_MISMATCH)
    #expect(try session.run(model.image(seed: 1)).networks == 1)
    var old = Self.options()
    old.struct_size = UInt32(E3_SESSION_OPTIONS_CLASSES_SIZE)
    #expect(try OpenSession(model, old).run(model.image(seed: 1)).networks == 3)
  }

  @Test("is refused where the file does not say when") func refused() throws {
    for file in [Self.file(nil), Self.file(nil, count: 1)] {
      let model = try OpenModel(file.bytes)
      #expect(throws: Failure(status: e3_status(E3_ERROR_NO_EARLY_STOPS))) { try OpenSession(model, Self.options()) }
    }
  }
}
