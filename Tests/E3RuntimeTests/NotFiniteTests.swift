import CE3
import E3Format
import E3TestSupport
import Testing

/// What a run gave: an answer, or why there is none.
private enum Outcome: Equatable {
  case answer(Answer)
  case status(e3_status)
}

@Suite("A number that is not finite, anywhere in the network,")
struct NotFiniteTests {
  private static let tiers = (E3_ISA_SCALAR...E3_ISA_I8MM).filter { e3_isa_available(e3_isa($0)) == E3_OK }

  private func outcome(_ model: OpenModel, _ image: [Float], isa: Int, threads: Int = 1) throws -> Outcome {
    let session = try OpenSession(model, sessionOptions(threads: threads, isa: isa))
    do {
      return .answer(try session.answer(image))
    } catch let failure as Failure {
      return .status(failure.status)
    }
  }

  /// The outcome on the scalar tier; that on every other tier, and with two threads, is the same.
  private func outcomeEverywhere(_ model: OpenModel, _ image: [Float], _ what: String) throws -> Outcome {
    let definition = try outcome(model, image, isa: Self.tiers[0])
    for isa in Self.tiers.dropFirst() {
      #expect(try outcome(model, image, isa: isa, threads: 1 + isa % 2) == definition, "\(what), tier \(isa)")
    }
    return definition
  }

  /// Files of every form: each configuration, 4-bit weights, several networks that share extents and that do not.
  static let files: [(name: String, file: SampleFile)] =
    awkwardConfigs.map { ($0.name, SampleFile(config: $0.config, seed: 7)) }
    + [1, 8, 10].map { index in
      var file = SampleFile(config: awkwardConfigs[index].config, seed: 7)
      file.weights = .int4
      return ("\(awkwardConfigs[index].name), 4 bits", file)
    } + [("ensemble", .ensemble), ("twins", .twins)]

  /// A float of an extent.
  private struct Place {
    let name: String
    let kind: ExtentKind
    let extent: Int
    let offset: Int
    /// Offsets of all scales of the linear layer, where the place is its first one.
    var scales: [Int] = []
  }

  /// Places of floats in each extent that computation reads: of float extents the first value, which is never padding; of
  /// linear layers a scale and a bias, the first panel's first channel's.
  private func places(in bytes: [UInt8]) throws -> [Place] {
    try bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      var places: [Place] = []
      for index in 0..<file.extentCount {
        guard let owner = try file.network(ofTable: index), let planned = owner.plannedIndex(ofTable: index),
          try !file.isShared(index)
        else { continue }
        let encoding = ExtentEncoding(rawValue: .init(file.extent(at: index).encoding))
        let entry = ExtentPlan(owner.shape).entry(at: planned, encoding: encoding)
        let name = "network \(owner.network), kind \(entry.kind.rawValue) of block \(entry.block)"
        func add(_ part: String, _ offset: Int, scales: [Int] = []) {
          places.append(Place(name: name + part, kind: entry.kind, extent: index, offset: offset, scales: scales))
        }
        guard encoding != .float else {
          add("", 0)
          continue
        }
        let isMLP = [.mlp, .expert, .mapMLP].contains(entry.kind)
        var start = 0
        for contract in isMLP ? [false, true] : [false] {
          let layer = LinearLayout(owner.shape, entry.kind, contract: contract, encoding: encoding)
          let tail = start + layer.panelBytes - LinearLayout.tailBytes
          let tails = (0..<layer.panelCount).map { tail + $0 * layer.panelBytes }
          add(", scale \(contract)", tail, scales: tails.flatMap { tail in (0..<16).map { tail + 4 * $0 } })
          add(", bias \(contract)", tail + 64)
          start += Int(layer.length)
        }
      }
      return places
    }
  }

  /// Every third place of each file, starting with another: all kinds of places are met.
  @Test("in weights gives one status or one answer on every tier", arguments: files.indices)
  func weights(index: Int) throws {
    let bytes = try Self.files[index].file.bytes
    var random = SplitMix(state: UInt64(index))
    let image = try OpenModel(bytes).image(seed: 1)
    let extremes: [Float] = [
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e30, .leastNonzeroMagnitude,
      -Float.leastNormalMagnitude / 8,
    ]
    for (number, place) in try places(in: bytes).enumerated() where number % 3 == index % 3 {
      var edited = bytes
      let value = extremes[Int(random.next() % UInt64(extremes.count))]
      edited.write(value, at: Int(edited[extent: place.extent].offset) + place.offset)
      let what = "\(Self.files[index].name): \(place.name) = \(value)"
      let outcome = try outcomeEverywhere(OpenModel(edited), image, what)
      if case .status(let status) = outcome { #expect(status == e3_status(E3_ERROR_RESULT_NOT_FINITE), "\(what)") }
    }
  }

  @Test("in scales and biases that every frame reads is reported", arguments: files.indices)
  func reported(index: Int) throws {
    let bytes = try Self.files[index].file.bytes
    var random = SplitMix(state: UInt64(index))
    let image = try OpenModel(bytes).image(seed: 1)
    let read: [ExtentKind] = [
      .patchEmbedding, .queryKeyValue, .attentionOutput, .mlp, .mapKeyValue, .mapOutput, .mapMLP, .preLogits,
    ]
    let values: [Float] = [.nan, -.nan, .infinity, -.infinity, .signalingNaN]
    for place in try places(in: bytes) where read.contains(place.kind) {
      var edited = bytes
      let value = values[Int(random.next() % UInt64(values.count))]
      edited.write(value, at: Int(bytes[extent: place.extent].offset) + place.offset)
      let what = "\(Self.files[index].name): \(place.name) = \(value)"
      #expect(
        try outcomeEverywhere(OpenModel(edited), image, what) == .status(e3_status(E3_ERROR_RESULT_NOT_FINITE)),
        "\(what)")
    }
  }

  @Test("in what a layer with the largest of all scales gives is reported", arguments: files.indices)
  func overflow(index: Int) throws {
    let bytes = try Self.files[index].file.bytes
    let image = try OpenModel(bytes).image(seed: 1)
    let read: [ExtentKind] = [
      .patchEmbedding, .queryKeyValue, .attentionOutput, .mlp, .mapKeyValue, .mapOutput, .mapMLP, .preLogits,
    ]
    for place in try places(in: bytes) where read.contains(place.kind) && !place.scales.isEmpty {
      var edited = bytes
      let start = Int(bytes[extent: place.extent].offset)
      // Those of padding are 0 and stay.
      for scale in place.scales where bytes[start + scale..<start + scale + 4].contains(where: { $0 != 0 }) {
        edited.write(Float.greatestFiniteMagnitude, at: start + scale)
      }
      let what = "\(Self.files[index].name): \(place.name) and all beside it are the largest float"
      #expect(
        try outcomeEverywhere(OpenModel(edited), image, what) == .status(e3_status(E3_ERROR_RESULT_NOT_FINITE)),
        "\(what)")
    }
  }

  @Test("in the statistics of a calibration gives one answer on every tier: it is unknown, and the classes stay")
  func statistics() throws {
    var file = SampleFile.calibrated
    file.config.representation_size = 21
    let bytes = try file.bytes
    let plain = try #require(try plainAnswer(bytes))
    let index = try #require(bytes.extentIndex(of: .statistics))
    let extent = bytes[extent: index]
    let layout = 32 + 2 * (256 + 512) + 3 * 32
    #expect(Int(extent.length) == 4 * layout * 2)
    // Centre, the diagonals of both whitenings, a class's mean: of the first member, then of the second.
    for offset in [0, 32, 32 + 768, 32 + 2 * 768, layout + 1] {
      for value: Float in [
        .nan, -.nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
        .leastNonzeroMagnitude,
      ] {
        var edited = bytes
        edited.write(value, at: Int(extent.offset) + 4 * offset)
        let what = "float \(offset) = \(value)"
        let outcome = try outcomeEverywhere(OpenModel(edited), OpenModel(bytes).image(seed: 1), what)
        guard case .answer(let answer) = outcome else {
          Issue.record("\(what): \(outcome)")
          continue
        }
        #expect(answer.logits == plain.logits && answer.probabilities == plain.probabilities, "\(what)")
        let relative = Float(bitPattern: answer.uncertainty[6])
        #expect(!relative.isNaN && !Float(bitPattern: answer.uncertainty[5]).isNaN, "\(what)")
        if !relative.isFinite { #expect(Int(answer.decision) == E3_DECISION_UNKNOWN, "\(what)") }
      }
    }
  }

  private func plainAnswer(_ bytes: [UInt8]) throws -> Answer? {
    let model = try OpenModel(bytes)
    guard case .answer(let answer) = try outcome(model, model.image(seed: 1), isa: Self.tiers[0]) else { return nil }
    return answer
  }

  @Test("made by a scale before tanh is reported, though tanh of it is finite", arguments: [Float.nan, 3.4e38])
  func beforeTanh(value: Float) throws {
    var bytes = try SampleFile(config: awkwardConfigs[1].config, seed: 7).bytes
    try #require(bytes.config.representation_size > 0)
    let index = try #require(bytes.extentIndex(of: .preLogits))
    let panel = LinearLayout(try ModelShape(validating: bytes.config), .preLogits).paddedInputs * 16
    for channel in 0..<16 { bytes.write(value, at: Int(bytes[extent: index].offset) + panel + 4 * channel) }
    let model = try OpenModel(bytes)
    #expect(
      try outcomeEverywhere(model, model.image(seed: 1), "scale \(value)")
        == .status(e3_status(E3_ERROR_RESULT_NOT_FINITE)))
  }

  @Test("or an extreme one in the input gives one status or one answer on every tier")
  func input() throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let image = model.image(seed: 1)
    for value: Float in [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e20, .leastNonzeroMagnitude, -0.0] {
      for count in [1, 50, image.count] {
        let edited = image.indices.map { $0 < count ? value : image[$0] }
        let outcome = try outcomeEverywhere(model, edited, "\(count) values \(value)")
        if case .status(let status) = outcome { #expect(status == e3_status(E3_ERROR_RESULT_NOT_FINITE)) }
      }
    }
    for value: Float in [.nan, .infinity, -.infinity] {
      let edited = image.indices.map { $0 == image.count / 2 ? value : image[$0] }
      #expect(try outcomeEverywhere(model, edited, "\(value)") == .status(e3_status(E3_ERROR_TENSOR_NOT_FINITE)))
    }
  }

  @Test("does not stay with the session: the next frame is answered as if nothing had been")
  func next() throws {
    let model = try OpenModel(awkwardConfigs[1].config)
    let image = model.image(seed: 1)
    let first = try OpenSession(model, sessionOptions(threads: 2)).answer(image)
    let session = try OpenSession(model, sessionOptions(threads: 2))
    #expect(throws: Failure(status: e3_status(E3_ERROR_RESULT_NOT_FINITE))) {
      try session.answer(image.map { $0 < 0 ? -Float.greatestFiniteMagnitude : .greatestFiniteMagnitude })
    }
    #expect(try session.answer(image) == first)
  }
}
