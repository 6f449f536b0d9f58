import E3Format
import E3TestSupport
import Testing

/// Several networks in one file.
@Suite("Networks of one file")
struct NetworkTests {
  private func edited(
    _ file: SampleFile = .ensemble, _ edit: (inout [UInt8]) throws -> Void
  ) throws -> [UInt8] {
    var bytes = try file.bytes
    try edit(&bytes)
    bytes.reseal()
    return bytes
  }

  /// The views of all networks.
  private func networks(_ bytes: UnsafeRawBufferPointer) throws -> [ModelFile] {
    var views: [ModelFile] = []
    try ModelFile(validating: bytes).forEachNetwork { views.append($0) }
    return views
  }

  // promise: format-networks
  @Test("each has the extents that it has in a file of its own", arguments: [false, true])
  func extents(shares: Bool) throws {
    let file = shares ? SampleFile.twins : .ensemble
    try file.bytes.withAligned { bytes in
      let views = try networks(bytes)
      #expect(views.count == 3 && views[0].networkCount == 3)
      #expect(views.map(\.firstMember) == [0, 2, shares ? 4 : 3])
      #expect(views[0].memberCount == (shares ? 6 : 4))
      for (view, network) in zip(views, file.networks) {
        try SampleFile(config: network.config, seed: network.seed).bytes.withAligned { alone in
          let other = try ModelFile(validating: alone)
          let plan = ExtentPlan(other.shape)
          #expect(view.shape.hiddenSize == other.shape.hiddenSize)
          for index in 0..<plan.count {
            let (mine, theirs) = (view.tableIndex(ofPlanned: index), other.tableIndex(ofPlanned: index))
            #expect(view.bytes(at: mine).elementsEqual(other.bytes(at: theirs)))
            #expect(view.plannedIndex(ofTable: mine) == index)
            #expect(try views[0].network(ofTable: mine)?.network == view.network)
          }
        }
      }
      #expect(try views[0].sections.allSatisfy { try views[0].network(ofTable: $0) == nil })
    }
    #expect(try file.bytes.verifyError == nil)
  }

  // promise: format-networks
  @Test("see one image, prepare it alike and know the same classes")
  func differences() throws {
    for index in 1...2 {
      #expect(try edited { $0[config: index].image_width += 1 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].channels = 1 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].class_count += 1 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].resize = 2 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].value_high = 2 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].hidden_size = 0 }.openError == .fileConfig)
      #expect(try edited { $0[config: index].reserved.3 = 1 }.openError == .fileConfig)
    }
    let newer = try edited { ($0.header.version_minor, $0[config: 2].reserved.0) = (9, 1) }
    #expect(newer.openError == .fileVersion)
    let others = try [1, 2].map { index in try edited { $0[config: index].mlp_size += 16 }.openError }
    #expect(others == [.fileTable, .fileTable])
  }

  @Test("have at most 2^24 logits together, each of them fewer")
  func logits() throws {
    func large(newer: Bool) throws -> E3Error? {
      try edited { bytes in
        bytes.header.version_minor = UInt32(E3_FILE_VERSION_MINOR) + (newer ? 1 : 0)
        for index in 0..<3 {
          bytes[config: index].class_count = 1 << 20
          guard bytes[config: index].expert_count > 0 else { continue }
          (bytes[config: index].member_count, bytes[config: index].expert_count) = (8, 8)
          bytes[config: index].selected_experts = 1
        }
      }.openError
    }
    #expect(try large(newer: false) == .fileConfig && large(newer: true) == .fileVersion)
  }

  @Test("are as many as the header says, 1 to 64")
  func counts() throws {
    // The file has 3: with another number, the table begins elsewhere and configurations are read as entries.
    for count in [0, 1, 2, 4, 64, 65, 1000, UInt32.max] as [UInt32] {
      let error = try edited { $0.header.network_count = count }.openError
      #expect(error != nil, "\(count)")
      if count == 0 || count > 64 { #expect(error == .fileHeader, "\(count)") }
    }
    #expect(try edited { ($0.header.network_count, $0.header.version_minor) = (65, 9) }.openError == .fileVersion)
    var many = SampleFile.full
    many.others = (1..<64).map { SampleFile.Network(SampleFile.config, seed: UInt64($0) + 20) }
    #expect(try many.bytes.verifyError == nil)
    many.others.append(SampleFile.Network(SampleFile.config, seed: 1))
    #expect(try many.bytes.openError == .fileHeader)
  }

  @Test("a logit, a row of statistics and a checksum belong to each of them")
  func sections() throws {
    var file = SampleFile.ensemble
    file.calibration = SampleFile.thresholds(hasStatistics: true)
    file.hasStatistics = true
    #expect(try file.bytes.verifyError == nil)
    let shorter = try edited(file) { $0[extent: try #require($0.extentIndex(of: .golden))].length -= 12 }
    #expect(shorter.openError == .fileTable)
    let other = try edited(file) { $0[extent: Int($0.header.extent_count) - 1].checksum ^= 1 }
    #expect(other.openError == .fileCalibration)
    let config = try edited(file) { $0[config: 1].norm_epsilon = 1e-5 }
    #expect(config.openError == .fileCalibration)
    var views = 0
    try file.bytes.withAligned { bytes in
      for (view, network) in zip(try networks(bytes), file.networks) {
        var alone = SampleFile(config: network.config, seed: network.seed)
        (alone.calibration, alone.hasStatistics) = (file.calibration, true)
        try alone.bytes.withAligned { alone in
          let other = try ModelFile(validating: alone)
          for member in 0..<view.shape.memberCount {
            let floats = Int(CalibrationLayout(view.shape).memberFloats)
            let (mine, theirs) = (view.statistics(member: member), other.statistics(member: member))
            #expect((0..<floats).allSatisfy { mine.centre[$0].bitPattern == theirs.centre[$0].bitPattern })
            views += 1
          }
        }
      }
    }
    #expect(views == 4)
  }

  // MARK: Sharing

  // promise: format-shared
  @Test("what is equal in several is stored once")
  func sharing() throws {
    var apart = SampleFile.twins
    apart.shares = false
    let (once, twice) = (try SampleFile.twins.bytes, try apart.bytes)
    #expect(once.count < twice.count * 7 / 10)
    #expect(once.verifyError == nil && twice.verifyError == nil)
    try once.withAligned { bytes in
      let views = try networks(bytes)
      let shared = try (0..<views[0].extentCount).map { try views[0].isShared($0) }
      let (first, second) = (ExtentPlan(views[0].shape).count, ExtentPlan(views[1].shape).count)
      #expect(shared.count { $0 } > second && shared.count { !$0 } > first)
      for view in views {
        for planned in 0..<ExtentPlan(view.shape).count {
          let isShared = try views[0].isShared(view.tableIndex(ofPlanned: planned))
          if view.network == 0 { #expect(!isShared) }
          if view.network == 1 { #expect(isShared) }
        }
      }
    }
  }

  // promise: format-shared
  @Test("an extent is shared with none but its counterpart in an earlier network")
  func hostileSharing() throws {
    let bytes = try SampleFile.twins.bytes
    let plan = ExtentPlan(try ModelShape(validating: SampleFile.config))
    let norm = (0..<plan.count).first { plan.entry(at: $0).kind == .norm0 } ?? 0
    let (first, second) = (norm, plan.floatCount + norm)
    #expect(bytes[extent: first].offset == bytes[extent: second].offset)
    // Another kind of the same length; the same kind of another block; the middle of it; something later; nothing.
    let otherKind = try #require(
      (0..<plan.floatCount).first { plan.entry(at: $0).kind == .norm1 })
    let otherBlock = try #require(
      (0..<plan.floatCount).first { plan.entry(at: $0).kind == .norm0 && plan.entry(at: $0).block == 1 })
    for offset in [
      bytes[extent: otherKind].offset, bytes[extent: otherBlock].offset, bytes[extent: first].offset + 64,
      bytes[extent: first].offset + 1, bytes[extent: Int(bytes.header.extent_count) - 1].offset, 0, 64, .max, .max - 63,
    ] {
      let moved = try edited(.twins) { $0[extent: second].offset = offset }
      #expect(moved.openError == .fileExtent, "\(offset)")
    }
    let otherSum = try edited(.twins) { $0[extent: second].checksum ^= 1 }
    #expect(otherSum.openError == .fileExtent)
    let inFirst = try edited(.twins) { $0[extent: otherBlock].offset = $0[extent: first].offset }
    #expect(inFirst.openError == .fileExtent, "no network shares with itself")
    let section = try #require(bytes.extentIndex(of: .provenance))
    let sharedSection = try edited(.twins) { $0[extent: section].offset = $0[extent: first].offset }
    #expect(sharedSection.openError == .fileExtent)
  }

  // MARK: Damage

  // promise: format-refused
  @Test("every truncation is refused", arguments: [false, true])
  func truncations(shares: Bool) throws {
    let bytes = try (shares ? SampleFile.twins : .ensemble).bytes
    for length in stride(from: 1, to: bytes.count, by: 7) {
      #expect(Array(bytes[..<length]).openError == .fileTruncated, "\(length) bytes")
      guard length >= MemoryLayout<e3_file_header>.size else { continue }
      var cut = Array(bytes[..<length])
      cut.header.file_size = UInt64(length)
      cut.reseal()
      let error = cut.openError
      #expect(error == .fileHeader || error == .fileExtent, "\(length) bytes")
    }
  }

  @Test(
    "every flipped bit of the header, and one of each byte of configurations and table, is found",
    arguments: [false, true])
  func everyBit(shares: Bool) throws {
    let bytes = try (shares ? SampleFile.twins : .ensemble).bytes
    let end = Int(ExtentPlan.tableEnd(extentCount: Int(bytes.header.extent_count), networks: 3))
    var found = 0
    let bits = Array(0..<8 * 64) + (64..<end).map { 8 * $0 + $0 % 8 }
    for bit in bits {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      if damaged.openError != nil { found += 1 }
    }
    #expect(found == bits.count)
  }

  @Test("a flipped bit of any of them is found by a verification and by a scrub", arguments: [false, true])
  func contents(shares: Bool) throws {
    let bytes = try (shares ? SampleFile.twins : .ensemble).bytes
    let end = Int(ExtentPlan.tableEnd(extentCount: Int(bytes.header.extent_count), networks: 3))
    for place in stride(from: end, to: bytes.count, by: 97) {
      var damaged = bytes
      damaged[place] ^= 1
      #expect(damaged.verifyError != nil, "byte \(place)")
      let error = damaged.withAligned { raw -> E3Error? in
        do throws(E3Error) {
          let file = try ModelFile(validating: raw)
          var position = ScrubPosition()
          while try !file.scrub(&position, bytes: 1000) {}
          return nil
        } catch {
          return error
        }
      }
      #expect(error != nil, "byte \(place)")
    }
  }

  @Test("a scrub reads what is stored once, once")
  func scrub() throws {
    let bytes = try SampleFile.twins.bytes
    try bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      var position = ScrubPosition()
      var calls = 1
      while try !file.scrub(&position, bytes: 64) { calls += 1 }
      #expect(calls <= bytes.count / 64 + file.extentCount)
    }
  }
}
