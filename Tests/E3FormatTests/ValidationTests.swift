import E3Format
import E3TestSupport
import Testing

/// One test for each rule that a file must keep, with the code that a breach gives.
@Suite("Validation")
struct ValidationTests {
  private func edited(_ edit: (inout [UInt8]) throws -> Void) throws -> [UInt8] {
    var bytes = try SampleFile.full.bytes
    try edit(&bytes)
    bytes.reseal()
    return bytes
  }

  // MARK: Header

  @Test("no bytes at all") func null() {
    #expect(throws: E3Error.nullArgument) {
      try ModelFile(validating: UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  @Test("a mapping that is not 64-byte aligned") func alignment() throws {
    let bytes = try SampleFile.full.bytes + [0]
    bytes.withAligned { raw in
      _ = #expect(throws: E3Error.fileAlignment) {
        try ModelFile(validating: UnsafeRawBufferPointer(rebasing: raw.dropFirst()))
      }
    }
  }

  @Test("another kind of file") func magic() throws {
    #expect(Array("PK\u{3}\u{4} a zip archive".utf8).openError == .fileMagic)
    #expect(try edited { $0[7] = 0x0D }.openError == .fileMagic)
  }

  // promise: format-major
  @Test("a later major version") func majorVersion() throws {
    #expect(try edited { $0.header.version_major = 3 }.openError == .fileVersion)
    #expect(try edited { $0.header.version_major = 1 }.openError == .fileVersion, "no reader of 2 reads 1")
    #expect(try edited { $0.header.version_major = 0 }.openError == .fileVersion)
  }

  // promise: format-numerics
  @Test("another generation of arithmetic, older or newer") func numerics() throws {
    #expect(try edited { $0.header.numerics = 1 }.openError == .fileNumerics)
    #expect(try edited { $0.header.numerics = 3 }.openError == .fileNumerics)
  }

  // promise: format-minor
  @Test("a later minor version that uses nothing new is read") func minorVersion() throws {
    #expect(try edited { $0.header.version_minor = 9 }.openError == nil)
  }

  // promise: format-minor
  @Test("a later minor version that uses something new is a version error") func newerContents() throws {
    let newerConfig = try edited {
      $0.header.version_minor = 9
      $0.config.reserved.0 = 1
    }
    #expect(newerConfig.openError == .fileVersion)
    let newerSection = try edited {
      $0.header.version_minor = 9
      $0[extent: try #require($0.extentIndex(of: .golden))].kind = 100
    }
    #expect(newerSection.openError == .fileVersion)
  }

  @Test("a file size beyond the bytes") func fileSize() throws {
    #expect(try edited { $0.header.file_size += 1 }.openError == .fileTruncated)
    #expect(try edited { $0.header.file_size = .max }.openError == .fileTruncated)
  }

  @Test("reserved header fields") func reserved() throws {
    #expect(try edited { $0.header.reserved = 1 }.openError == .fileHeader)
    #expect(try edited { $0.header.reserved_tail.1 = 1 }.openError == .fileHeader)
  }

  // promise: format-order
  @Test("a table beyond the file") func tableSize() throws {
    #expect(try edited { $0.header.extent_count = 1 << 20 }.openError == .fileHeader)
    #expect(try edited { $0.header.extent_count = .max }.openError == .fileHeader)
    #expect(try edited { $0.header.file_size = 100 }.openError == .fileHeader)
  }

  @Test("a damaged header, configuration or table", arguments: [40, 64, 335, 340, 375])
  func headerChecksum(offset: Int) throws {
    var bytes = try SampleFile.full.bytes
    bytes[offset] ^= 0x10
    #expect(bytes.openError == .fileHeader)
  }

  // MARK: Table

  @Test("a missing required extent") func missing() throws {
    #expect(try edited { $0.header.extent_count = 5 }.openError == .fileTable)
    #expect(try edited { $0.header.extent_count = 0 }.openError == .fileTable)
  }

  @Test("an entry that says something else than the configuration") func otherEntry() throws {
    #expect(try edited { $0[extent: 3].kind = 18 }.openError == .fileTable)
    #expect(try edited { $0[extent: 3].block = 2 }.openError == .fileTable)
    #expect(try edited { $0[extent: 3].index = 1 }.openError == .fileTable)
    #expect(try edited { $0[extent: 3].length -= 64 }.openError == .fileTable)
    #expect(try edited { $0[extent: 3].length = .max }.openError == .fileTable)
    #expect(try edited { $0[extent: 3].encoding = 1 }.openError == .fileTable)
  }

  @Test("an unknown encoding") func encoding() throws {
    #expect(try edited { $0[extent: 3].encoding = 5 }.openError == .fileEncoding)
    #expect(try edited { $0[extent: 3].encoding = 0 }.openError == .fileEncoding)
    #expect(
      try edited { $0[extent: try #require($0.extentIndex(of: .labels))].encoding = 77 }.openError == .fileEncoding)
  }

  // promise: format-int4
  @Test("4 bits in a layer that has 8, and a length of 8 bits") func int4Encoding() throws {
    for kind in [ExtentKind.queryKeyValue, .attentionOutput, .patchEmbedding, .preLogits, .router] {
      #expect(try edited { $0[extent: try #require($0.extentIndex(of: kind))].encoding = 4 }.openError == .fileTable)
    }
    var wide = SampleFile.config
    (wide.mlp_size, wide.expert_mlp_size) = (100, 100)
    for kind in [ExtentKind.mlp, .expert] {
      var bytes = try SampleFile(config: wide).bytes
      bytes[extent: try #require(bytes.extentIndex(of: kind))].encoding = 4
      bytes.reseal()
      #expect(bytes.openError == .fileTable)
    }
  }

  // promise: format-unknown
  @Test("an unknown section that bears on the answers") func unknownSection() throws {
    #expect(try edited { $0[extent: try #require($0.extentIndex(of: .golden))].kind = 100 }.openError == .fileTable)
  }

  // promise: format-ancillary
  @Test("an unknown ancillary section is skipped") func ancillarySection() throws {
    let bytes = try edited {
      let last = try #require($0.extentIndex(of: .golden))
      $0[extent: last].kind = 200
      $0[extent: last].encoding = 99
    }
    #expect(bytes.verifyError == nil)
    try bytes.withAligned { raw in
      let golden = try ModelFile(validating: raw).golden
      #expect(golden == nil)
    }
  }

  // promise: format-expert-uses
  @Test("uses of another number of experts are refused; those of every expert are found") func expertUses() throws {
    var file = SampleFile.ensemble
    // Four experts in one block of the first and of the third network.
    file.expertUses = [10, 11, 12, 13, 20, 21, 22, 23]
    try file.bytes.withAligned { raw in
      let model = try ModelFile(validating: raw)
      var found: [UInt32] = []
      try model.forEachNetwork { (view) throws(E3Error) in
        for block in 0..<view.shape.layerCount where view.shape.isMoE(block) {
          found += (0..<view.shape.expertCount).map { view.uses(ofExpert: $0, block: block) }
        }
      }
      #expect(found == file.expertUses)
    }
    for count in [7, 9] {
      file.expertUses = [UInt32](repeating: 1, count: count)
      #expect(try file.bytes.openError == .fileTable)
    }
    file.expertUses = nil
    let uses = try file.bytes.withAligned { try ModelFile(validating: $0).uses(ofExpert: 3, block: 1) }
    #expect(uses == 0)
  }

  @Test("sections twice or out of order") func sectionOrder() throws {
    let golden = try #require(try SampleFile.full.bytes.extentIndex(of: .golden))
    #expect(try edited { $0[extent: golden].kind = 65 }.openError == .fileTable)
    #expect(try edited { $0[extent: golden].kind = 63 }.openError == .fileTable)
  }

  @Test("a section with block, index or encoding of its own") func sectionFields() throws {
    let labels = try #require(try SampleFile.full.bytes.extentIndex(of: .labels))
    #expect(try edited { $0[extent: labels].block = 1 }.openError == .fileTable)
    #expect(try edited { $0[extent: labels].index = 1 }.openError == .fileTable)
    #expect(try edited { $0[extent: labels].encoding = 2 }.openError == .fileTable)
  }

  // MARK: Extents

  @Test("an extent that is misaligned, moved, overlapping or outside") func extents() throws {
    #expect(try edited { $0[extent: 2].offset += 4 }.openError == .fileExtent)
    #expect(try edited { $0[extent: 2].offset += 64 }.openError == .fileExtent)
    #expect(try edited { $0[extent: 2].offset = $0[extent: 1].offset }.openError == .fileExtent)
    #expect(try edited { $0[extent: 2].offset = .max - 63 }.openError == .fileExtent)
    let expert = try #require(try SampleFile.full.bytes.extentIndex(of: .expert))
    #expect(try edited { $0[extent: expert].offset += 64 }.openError == .fileExtent)
  }

  @Test("a section that leaves the file, and bytes that no extent claims") func fileEnd() throws {
    let provenance = try #require(try SampleFile.full.bytes.extentIndex(of: .provenance))
    #expect(try edited { $0[extent: provenance].length = .max }.openError == .fileExtent)
    let longer = try edited {
      $0.append(0)
      $0.header.file_size += 1
    }
    #expect(longer.openError == .fileExtent)
  }

  // MARK: Values

  // promise: format-floats
  @Test("a float that is not finite", arguments: [ExtentKind.positionEmbedding, .norm0, .router, .head])
  func notFinite(kind: ExtentKind) throws {
    for value in [Float.nan, .infinity, -.infinity] {
      let bytes = try edited { try $0.write(value, in: kind, at: 0) }
      #expect(bytes.openError == nil && bytes.verifyError == .fileValues)
    }
  }

  @Test("the largest finite float is allowed") func largest() throws {
    let bytes = try edited { try $0.write(Float.greatestFiniteMagnitude, in: .norm0, at: 0) }
    #expect(bytes.verifyError == nil)
  }

  @Test(
    "padding of a float tensor that is not zero",
    arguments: [(ExtentKind.positionEmbedding, 24), (.norm1, 127), (.router, 8), (.head, 12), (.head, 4 * 64 + 12)])
  func padding(kind: ExtentKind, offset: Int) throws {
    #expect(try edited { try $0.write(UInt8(1), in: kind, at: offset) }.verifyError == .fileValues)
  }

  @Test("padding of a head in query and key norms and the map query") func headPadding() throws {
    for kind in [ExtentKind.queryKeyNorm, .mapQuery, .mapKeyNorm] {
      var bytes = try SampleFile.map.bytes
      try bytes.write(Float(1), in: kind, at: 12)
      #expect(bytes.verifyError == .fileValues)
    }
  }

  @Test("a file whose sizes leave no padding is verified") func withoutPadding() throws {
    var config = SampleFile.config
    (config.hidden_size, config.head_count, config.class_count) = (32, 2, 16)
    (config.member_count, config.expert_count, config.query_key_norm) = (1, 16, 1)
    #expect(try SampleFile(config: config).bytes.verifyError == nil)
  }

  // MARK: Sections

  // promise: format-labels
  @Test("labels that go backwards, overrun, fall short or are not one-line UTF-8") func labels() throws {
    #expect(try edited { try $0.write(UInt32(2), in: .labels, at: 4) }.openError == .fileLabels)
    #expect(try edited { try $0.write(UInt32.max, in: .labels, at: 8) }.openError == .fileLabels)
    #expect(try edited { try $0.write(UInt32(11), in: .labels, at: 8) }.openError == .fileLabels)
    #expect(try edited { try $0.write(UInt8(0xFF), in: .labels, at: 12) }.openError == .fileLabels)
    #expect(try edited { try $0.write(UInt8(0x0A), in: .labels, at: 12) }.openError == .fileLabels)
    #expect(try edited { try $0.write(UInt32(4), in: .labels, at: 0) }.openError == .fileLabels, "cuts a character")
  }

  @Test(
    "ill-formed UTF-8",
    arguments: [
      [0xC0, 0x80, 0x41], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80], [0x80, 0x41, 0x41],
      [0xE2, 0x82, 0x41],
    ] as [[UInt8]])
  func illFormed(bytes: [UInt8]) throws {
    let file = try edited { file in
      for (i, byte) in bytes.enumerated() { try file.write(byte, in: .labels, at: 12 + i) }
    }
    #expect(file.openError == .fileLabels)
  }

  @Test("provenance that is not UTF-8") func provenance() throws {
    #expect(try edited { try $0.write(UInt8(0xFF), in: .provenance, at: 2) }.openError == .fileValues)
    // The least and the largest character of four bytes, and what lies before and after them.
    for (bytes, error) in [
      ([0xF0, 0x90, 0x80, 0x80], nil), ([0xF0, 0x8F, 0x80, 0x80], .fileValues), ([0xF4, 0x8F, 0xBF, 0xBF], nil),
      ([0xF4, 0x90, 0x80, 0x80], .fileValues),
    ] as [([UInt8], E3Error?)] {
      let file = try edited { file in
        for (place, byte) in bytes.enumerated() { try file.write(byte, in: .provenance, at: 2 + place) }
      }
      #expect(file.openError == error, "\(bytes)")
    }
  }

  @Test("a golden section of another size, with padding or with a logit that is not finite") func golden() throws {
    #expect(try edited { try $0.write(UInt8(1), in: .golden, at: 189) }.openError == .fileValues)
    #expect(try edited { try $0.write(Float.nan, in: .golden, at: 192) }.openError == .fileValues)
    let shorter = try edited {
      $0[extent: try #require($0.extentIndex(of: .golden))].length -= 4
    }
    #expect(shorter.openError == .fileTable)
  }
}
