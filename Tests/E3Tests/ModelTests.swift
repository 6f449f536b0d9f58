import CE3
import E3
import E3TestSupport
import Testing

@Suite("a model")
struct ModelTests {
  @Test("a model says what the file's configuration says")
  func configuration() throws {
    let file = SampleFile.calibrated
    let (model, config) = (try openModel(file), file.config)
    #expect([model.imageHeight, model.imageWidth, model.channels, model.imageValues] == [7, 9, 3, 7 * 9 * 3])
    #expect([model.classCount, model.memberCount, model.expertCount, model.selectedExperts] == [3, 2, 4, 1])
    #expect(model.layerCount == Int(config.layer_count) && model.headCount == Int(config.head_count))
    #expect(model.hiddenSize == Int(config.hidden_size) && model.mlpSize == Int(config.mlp_size))
    #expect(model.representationSize == Int(config.representation_size))
    #expect(model.lowestValue == -1 && model.highestValue == 1)
    #expect(model.tokenCount > 0 && model.multiplyAccumulates > 0)
    #expect(model.labels == ["cat", "Čeština", ""] && model.label(1) == "Čeština")
    #expect(model.label(3) == nil && model.label(-1) == nil)
    try model.verify()
  }

  @Test("a deep ensemble has networks, each of which says what it is")
  func networks() throws {
    let file = SampleFile.ensemble
    let model = try openModel(file)
    #expect(model.networkCount == 3 && model.memberCount == 4)
    var costs: UInt64 = 0
    for (index, network) in file.networks.enumerated() {
      let (found, config) = (try model.network(index), network.config)
      #expect(found.memberCount == Int(config.member_count) && found.expertCount == Int(config.expert_count))
      #expect(found.hiddenSize == Int(config.hidden_size) && found.layerCount == Int(config.layer_count))
      #expect(found.selectedExperts == Int(config.selected_experts) && found.mlpSize == Int(config.mlp_size))
      #expect(found.headCount == Int(config.head_count) && found.tokenCount > 0)
      #expect(found.representationSize <= model.representationSize)
      costs += found.multiplyAccumulates
    }
    #expect(costs == model.multiplyAccumulates)
    #expect(throws: E3Error.indexRange) { try model.network(3) }
    #expect(throws: E3Error.indexRange) { try model.network(-1) }
  }

  @Test("a calibration is what the file holds, and absent from a file without one")
  func calibration() throws {
    let stored = SampleFile.thresholds(hasStatistics: true)
    let calibration = try #require(try openModel(.calibrated).calibration)
    #expect(calibration.hasDistance && calibration.temperature == stored.temperature)
    #expect(calibration.acceptThreshold == stored.accept_threshold && calibration.setThreshold == stored.set_threshold)
    #expect(calibration.acceptCoverage == stored.accept_coverage && calibration.setCoverage == stored.set_coverage)
    #expect(calibration.unknownThreshold == stored.unknown_threshold)
    #expect(calibration.knownCoverage == stored.known_coverage)
    #expect(calibration.imageCount == 100 && calibration.statisticsImageCount == 200)
    #expect(!calibration.hasAdaptiveSets && !calibration.hasClassConditionalSets)
    #expect(calibration.setPenalty == 0 && calibration.freeSetRanks == 0)
    let adaptive = try #require(try openModel(.adaptive).calibration)
    #expect(adaptive.hasAdaptiveSets && adaptive.hasClassConditionalSets)
    #expect(adaptive.setPenalty == 102 / 1024 && adaptive.freeSetRanks == 1)
    #expect(try openModel(.full).calibration == nil)
  }

  @Test("a model tells how it prepares a frame and where it comes from, as the file states it")
  func preprocessing() throws {
    var file = SampleFile.full
    let plain = try openModel(file).preprocessing
    #expect(plain.resize == .stretch && plain.fit == nil && plain.pillowFilter == nil)
    #expect(plain.roundsCropToEven == nil && plain.ordersPassesAsPillow13 == nil)
    #expect(!plain.isNormalized && plain.low == -1 && plain.high == 1)
    #expect(try openModel(file).provenance == file.provenance)
    (file.config.resize, file.config.resize_filter) = (UInt32(E3_FILE_RESIZE_PILLOW.rawValue), 3)
    file.config.resize_fit = UInt32(E3_FILE_FIT_COVER.rawValue)
    (file.config.resize_height, file.config.resize_width) = (8, 10)
    file.config.resize_order = UInt32(E3_FILE_ORDER_PILLOW_13.rawValue)
    (file.config.value, file.config.value_low, file.config.value_high) = (UInt32(E3_FILE_VALUE_NORM.rawValue), 0, 0)
    (file.config.value_mean, file.config.value_deviation) = ((120, 110, 100), (50, 60, 70))
    file.provenance = nil
    let model = try openModel(file)
    let other = model.preprocessing
    #expect(other.resize == .pillow && other.fit == .cover && other.pillowFilter == 3)
    #expect(other.roundsCropToEven == false && other.ordersPassesAsPillow13 == true)
    #expect(other.resizeHeight == 8 && other.resizeWidth == 10 && other.isNormalized)
    #expect(other.mean == (120, 110, 100) && other.deviation == (50, 60, 70))
    #expect(model.provenance.isEmpty)
  }

  @Test("a file that cannot be used is named, with what is wrong, in one line")
  func fileErrors() throws {
    let folder = try TemporaryFolder()
    let path = folder["m.e3"]
    #expect(throws: ModelFileError.self) { try Model(contentsOf: path) }
    #expect(error(of: path) == "\(path): No such file or directory")
    #expect(error(of: "/dev/null") == "/dev/null: not a regular file")
    _ = try folder.write("", to: "m.e3")
    #expect(error(of: path) == "\(path): \(E3Error.fileTruncated)")
    _ = try folder.write(String(repeating: "This is no model, but text. ", count: 40), to: "m.e3")
    #expect(error(of: path) == "\(path): not an E3 model file: e3-convert pack makes one of a checkpoint")
    _ = try folder.write("GGUF\u{3}" + String(repeating: "x", count: 100), to: "m.e3")
    #expect(error(of: path)?.hasPrefix("\(path): a GGUF file, not an E3 model file: e3-convert pack makes one") == true)
    _ = try folder.write(SampleFile.full.bytes, to: "m.e3")
    #expect(try Model(contentsOf: path).labels == ["cat", "Čeština", ""])
  }

  private func error(of path: String) -> String? {
    do throws(ModelFileError) {
      _ = try Model(contentsOf: path)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("an error equals the status of the C interface and has its text")
  func errors() throws {
    #expect(E3Error.fileMagic.rawValue == E3_ERROR_FILE_MAGIC)
    for status in [E3_ERROR_NULL_ARGUMENT, E3_ERROR_FILE_CALIBRATION, E3_ERROR_THREAD_AFFINITY] {
      let error = E3Error(rawValue: e3_status(status))
      #expect(error.description == String(cString: e3_status_text(error.rawValue)))
    }
    #expect(throws: E3Error.fileTruncated) { try Model(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }
    var damaged = try SampleFile.full.bytes
    damaged[damaged.count - 1] ^= 1
    let model = try Model(copying: damaged.span.bytes)
    #expect(throws: E3Error.fileChecksum) { try model.verify() }
  }

  @Test("a scrub reads the file piece by piece, and names the damaged extent")
  func scrub() throws {
    let bytes = try SampleFile.full.bytes
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    let model = try Model(bytes: UnsafeRawBufferPointer(memory))
    var scrub = Scrub()
    var calls = 0
    while scrub.passes == 0 {
      try model.check(&scrub, byteCount: 256)
      calls += 1
    }
    #expect(calls > 20, "gaps between extents cost nothing")
    memory[bytes.count - 1] ^= 1
    #expect(throws: E3Error.fileChecksum) { while scrub.passes == 1 { try model.check(&scrub, byteCount: 1024) } }
    #expect(scrub.extent > 0)
  }

  @Test("the bytes of a model live as long as a session of it")
  func ownership() throws {
    final class Owner {
      let bytes: UnsafeMutableRawBufferPointer
      init(_ file: [UInt8]) {
        bytes = .allocate(byteCount: file.count, alignment: 64)
        bytes.copyBytes(from: file)
      }
      deinit { bytes.deallocate() }
    }
    weak var watched: Owner?
    func makeSession() throws -> Session {
      let owner = Owner(try SampleFile.full.bytes)
      watched = owner
      return try Session(Model(bytes: UnsafeRawBufferPointer(owner.bytes), owner: owner))
    }
    var session: Session? = try makeSession()
    #expect(watched != nil && session != nil)
    session = nil
    #expect(watched == nil)
  }

  @Test("every instruction-set tier of the C interface has a name here, and the library its version")
  func library() {
    for tier in InstructionSet.allCases {
      #expect(tier.description == String(cString: e3_isa_name(tier.rawValue)))
      #expect(tier.isAvailable == (e3_isa_available(tier.rawValue) == E3_OK))
    }
    #expect(e3_isa_name(UInt32(InstructionSet.allCases.count)) == nil)
    #expect(Library.version == String(cString: e3_version_text()) && Library.interfaceVersion == e3_abi_version())
    #expect(!Library.canPin(to: .max))
  }
}
