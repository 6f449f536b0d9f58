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

  /// Places of one float in each extent that computation reads: of float extents a value, of panels a scale and a bias.
  private func places(in bytes: [UInt8], _ random: inout SplitMix) throws -> [(name: String, extent: Int, offset: Int)]
  {
    let shape = try ModelShape(validating: bytes.config)
    var places: [(name: String, extent: Int, offset: Int)] = []
    for index in 0..<Int(bytes.header.extent_count) {
      let extent = bytes[extent: index]
      let name = "kind \(extent.kind) of block \(extent.block)"
      guard extent.kind < UInt32(ExtentKind.labels.rawValue) else { continue }
      if extent.encoding == UInt32(ExtentEncoding.float.rawValue) {
        // The first value is never padding.
        places.append((name, index, 0))
      } else {
        // The first panel's first channel: the tail of a panel is behind its weights.
        let kind = ExtentKind(rawValue: .init(extent.kind))
        let inputs =
          switch kind {
          case .patchEmbedding: shape.patchInputs
          case .attentionOutput, .mapOutput: shape.attentionWidth
          case .preLogits: shape.pooledWidth
          default: shape.hidden
          }
        let tail = roundUp(inputs, 8) * 16
        places.append((name + ", scale", index, tail))
        places.append((name + ", bias", index, tail + 64))
      }
    }
    return places
  }

  private func roundUp(_ value: Int, _ multiple: Int) -> Int { (value + multiple - 1) / multiple * multiple }

  /// Every third place of each configuration, starting with another: all kinds of places are met.
  @Test("in weights gives one status or one answer on every tier", arguments: awkwardConfigs.indices)
  func weights(index: Int) throws {
    let bytes = try SampleFile(config: awkwardConfigs[index].config, seed: 7).bytes
    var random = SplitMix(state: UInt64(index))
    let image = try OpenModel(bytes).image(seed: 1)
    let extremes: [Float] = [
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e30, .leastNonzeroMagnitude, Float(bitPattern: 0x8000_ffff),
    ]
    for (number, place) in try places(in: bytes, &random).enumerated() where number % 3 == index % 3 {
      var edited = bytes
      let value = extremes[Int(random.next() % UInt64(extremes.count))]
      edited.write(value, at: Int(edited[extent: place.extent].offset) + place.offset)
      edited.resealExtent(place.extent)
      edited.reseal()
      let what = "\(awkwardConfigs[index].name): \(place.name) = \(value)"
      let outcome = try outcomeEverywhere(OpenModel(edited), image, what)
      if case .status(let status) = outcome { #expect(status == e3_status(E3_ERROR_RESULT_NOT_FINITE), "\(what)") }
    }
  }

  @Test("in scales and biases that every frame reads is reported", arguments: awkwardConfigs.indices)
  func reported(index: Int) throws {
    let bytes = try SampleFile(config: awkwardConfigs[index].config, seed: 7).bytes
    var random = SplitMix(state: UInt64(index))
    let image = try OpenModel(bytes).image(seed: 1)
    let read: [ExtentKind] = [
      .patchEmbedding, .queryKeyValue, .attentionOutput, .mlp, .mapKeyValue, .mapOutput, .mapMLP, .preLogits,
    ]
    let values: [Float] = [.nan, -.nan, .infinity, -.infinity, .signalingNaN]
    for place in try places(in: bytes, &random) {
      let extent = bytes[extent: place.extent]
      guard read.contains(where: { UInt32($0.rawValue) == extent.kind }) else { continue }
      var edited = bytes
      let value = values[Int(random.next() % UInt64(values.count))]
      edited.write(value, at: Int(extent.offset) + place.offset)
      let what = "\(awkwardConfigs[index].name): \(place.name) = \(value)"
      #expect(
        try outcomeEverywhere(OpenModel(edited), image, what) == .status(e3_status(E3_ERROR_RESULT_NOT_FINITE)),
        "\(what)")
    }
  }

  @Test("made by a scale before tanh is reported, though tanh of it is finite", arguments: [Float.nan, 3.4e38])
  func beforeTanh(value: Float) throws {
    var bytes = try SampleFile(config: awkwardConfigs[1].config, seed: 7).bytes
    try #require(bytes.config.representation_size > 0)
    let index = try #require(bytes.extentIndex(of: .preLogits))
    let panel = roundUp(Int(bytes.config.hidden_size), 8) * 16
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
