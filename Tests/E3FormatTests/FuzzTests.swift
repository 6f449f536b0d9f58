import E3Format
import E3TestSupport
import Testing

/// No bytes make the validator trap or read outside of them. Run with `--sanitize=address` to see overruns.
@Suite("Hostile bytes")
struct FuzzTests {
  /// The codes that opening or verifying a file may give.
  private static let fileErrors = 33...46
  private static let files = [SampleFile.full, .map, .calibrated, .ensemble, .twins, .int4]

  /// Opens the bytes; when they are valid, reads everything through every accessor.
  private func exercise(_ raw: UnsafeRawBufferPointer) -> E3Error? {
    do throws(E3Error) {
      let file = try ModelFile(validating: raw)
      try readEverything(file)
      try file.verifyChecksums()
      return nil
    } catch {
      return error
    }
  }

  private func readEverything(_ file: ModelFile) throws(E3Error) {
    var hash = XXH64()
    func read(_ view: LinearView) {
      hash.update(UnsafeRawBufferPointer(start: view.panels, count: view.panelCount * view.panelBytes))
    }
    func read(_ view: FloatPanelsView) {
      hash.update(UnsafeRawBufferPointer(start: view.panels, count: view.panelCount * view.inputs * 64))
      if let bias = view.bias { hash.update(UnsafeRawBufferPointer(start: bias, count: view.panelCount * 64)) }
    }
    try file.forEachNetwork { file in
      read(file.linear(.patchEmbedding))
      for block in 0..<file.shape.layerCount {
        read(file.linear(.queryKeyValue, block: block))
        read(file.linear(.attentionOutput, block: block))
        if file.shape.isMoE(block) {
          for member in 0..<file.shape.memberCount { read(file.router(block: block, member: member)) }
          for expert in 0..<file.shape.expertCount {
            read(file.expert(block: block, index: expert).expand)
            read(file.expert(block: block, index: expert).contract)
          }
        } else {
          read(file.mlp(block: block).expand)
          read(file.mlp(block: block).contract)
        }
      }
      read(file.head)
    }
    for index in 0..<file.labelCount { if let label = file.label(index) { hash.update(label) } }
    if let golden = file.golden {
      hash.update(UnsafeRawBufferPointer(start: golden.pixels, count: file.shape.imageValues))
      hash.update(
        UnsafeRawBufferPointer(start: golden.logits, count: 4 * file.memberCount * file.shape.classCount))
    }
    if file.hasStatistics {
      try file.forEachNetwork { file in
        for member in 0..<file.shape.memberCount {
          let layout = CalibrationLayout(file.shape)
          let floats = Int(layout.memberFloats)
          hash.update(UnsafeRawBufferPointer(start: file.statistics(member: member).centre, count: 4 * floats))
        }
      }
    }
    withExtendedLifetime(hash) {}
  }

  // promise: format-refused, format-safe
  @Test("every truncation is refused")
  func truncations() throws {
    let bytes = try SampleFile.full.bytes
    for length in 1..<bytes.count {
      #expect(Array(bytes[..<length]).openError == .fileTruncated, "\(length) bytes")
    }
  }

  @Test("every truncation whose header agrees with it is refused")
  func agreeingTruncations() throws {
    let bytes = try SampleFile.full.bytes
    for length in MemoryLayout<e3_file_header>.size..<bytes.count {
      var cut = Array(bytes[..<length])
      cut.header.file_size = UInt64(length)
      cut.reseal()
      let error = cut.openError
      #expect(error == .fileHeader || error == .fileExtent, "\(length) bytes")
    }
  }

  // promise: format-safe, open-enough
  @Test("random damage to header, configuration and table is refused or harmless", arguments: 0..<12)
  func tableDamage(seed: UInt64) throws {
    let original = try Self.files[Int(seed) % Self.files.count].bytes
    let tableEnd = Int(
      ExtentPlan.tableEnd(
        extentCount: Int(original.header.extent_count), networks: Int(original.header.network_count)))
    var random = SplitMix(state: seed)
    for _ in 0..<400 {
      var bytes = original
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let offset = Int.random(in: 8..<tableEnd, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[offset] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.write(UInt32.max, at: offset & ~3)
        default: bytes.write(UInt64(bytes.count) &- random.next() % 256, at: offset & ~7)
        }
      }
      bytes.reseal()
      if let error = bytes.withAligned(exercise) {
        #expect(Self.fileErrors.contains(Int(error.rawValue)), "\(error)")
      }
    }
  }

  // promise: format-safe, open-enough
  @Test("random damage anywhere else is found by a checksum or a rule", arguments: 0..<12)
  func contentDamage(seed: UInt64) throws {
    let original = try Self.files[Int(seed) % Self.files.count].bytes
    let tableEnd = Int(
      ExtentPlan.tableEnd(
        extentCount: Int(original.header.extent_count), networks: Int(original.header.network_count)))
    var random = SplitMix(state: seed + 100)
    for _ in 0..<25 {
      var bytes = original
      bytes[Int.random(in: tableEnd..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      let error = try #require(bytes.withAligned(exercise))
      #expect(Self.fileErrors.contains(Int(error.rawValue)), "\(error)")
    }
  }

  @Test("random bytes after the magic are refused")
  func noise() {
    var random = SplitMix(state: 3)
    for length in 8..<600 {
      var bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      bytes.write(UInt64(E3_FILE_MAGIC), at: 0)
      #expect(bytes.openError != nil)
    }
  }
}
