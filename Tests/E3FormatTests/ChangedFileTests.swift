import E3Format
import E3TestSupport
import Testing

/// Bytes that change after they were validated, as those of a mapped file may.
@Suite("A file that changes after it was opened")
struct ChangedFileTests {
  /// Opens `sample`, lets `change` edit its bytes, and calls `body` with the view that was opened before.
  private func changed(
    _ sample: SampleFile, _ change: (inout [UInt8]) throws -> Void, _ body: (ModelFile) throws -> Void
  ) throws {
    let bytes = try sample.bytes
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    let file = try ModelFile(validating: UnsafeRawBufferPointer(memory))
    var later = bytes
    try change(&later)
    memory.copyBytes(from: later)
    try body(file)
  }

  private func error(_ body: () throws(E3Error) -> Void) -> E3Error? {
    do throws(E3Error) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  // promise: format-safe
  @Test("has no label, no calibration and no golden where the table leads elsewhere, and reads nothing outside")
  func sections() throws {
    for length in [0, 8, .max] as [UInt64] {
      for offset in [64, 1 << 20, .max] as [UInt64] {
        try changed(
          .calibrated,
          { bytes in
            for kind in [ExtentKind.labels, .calibration, .statistics] {
              let index = try #require(bytes.extentIndex(of: kind))
              (bytes[extent: index].length, bytes[extent: index].offset) = (length, offset)
            }
          },
          { file in
            for index in 0..<3 {
              if let label = file.label(index) { #expect(label.count <= file.size) }
            }
            if length < 128 || offset > 1 << 10 { #expect(file.calibration == nil) }
            #expect(error { () throws(E3Error) in try file.verifyChecksums() } == .fileChanged)
            for index in 0..<file.extentCount { #expect(file.bytes(at: index).count <= file.size) }
          })
      }
    }
  }

  @Test("has no label where the ends of the labels no longer ascend")
  func labels() throws {
    try changed(.full, { try $0.write(UInt32.max, in: .labels, at: 4) }) { file in
      #expect(file.label(1) == nil && file.label(2) == nil && file.label(0) != nil)
    }
    try changed(.full, { try $0.write(2 as UInt32, in: .labels, at: 4) }) { #expect($0.label(1) == nil) }
  }

  // promise: format-safe
  @Test("has no next network where its configuration is none, is another or needs more than was validated")
  func networks() throws {
    let edits: [@Sendable (inout e3_file_config) -> Void] = [
      { $0.hidden_size = 0 }, { $0.image_width += 1 }, { $0.layer_count = 200 },
      { ($0.member_count, $0.expert_count, $0.selected_experts) = (4, 4, 1) },
    ]
    for edit in edits {
      try changed(.ensemble, { bytes in edit(&bytes[config: 2]) }) { file in
        #expect(error { () throws(E3Error) in try file.forEachNetwork { _ in } } == .fileChanged)
        #expect(error { () throws(E3Error) in _ = try file.network(ofTable: file.extentCount - 1) } == .fileChanged)
        #expect(error { () throws(E3Error) in try file.verifyChecksums() } == .fileChanged)
      }
    }
    // Fewer extents than before: the last belong to nobody.
    try changed(.ensemble, { $0[config: 2].layer_count = 1 }) { file in
      #expect(error { () throws(E3Error) in _ = try file.network(ofTable: file.extentCount - 1) } == .fileChanged)
    }
  }

  @Test("is verified as changed where an extent or the statistics have another length")
  func lengths() throws {
    for kind in [ExtentKind.norm0, .patchEmbedding, .mlp, .statistics] {
      try changed(
        .calibrated,
        { bytes in
          let index = try #require(bytes.extentIndex(of: kind))
          bytes[extent: index].length -= 4
          bytes.resealExtent(index)
        },
        { file in
          let index = try #require((0..<file.extentCount).first { file.extent(at: $0).kind == UInt32(kind.rawValue) })
          #expect(error { () throws(E3Error) in try file.verify(at: index) } == .fileChanged, "\(kind)")
        })
    }
  }

  @Test("has no thresholds of its classes where their section is shorter than before")
  func thresholds() throws {
    for length in [0, 8, 12] as [UInt64] {
      try changed(
        .adaptive,
        { bytes in
          let index = try #require(bytes.extentIndex(of: .setThresholds))
          bytes[extent: index].length = length
        },
        { #expect(($0.setThresholds != nil) == (length == 12)) })
    }
  }

  @Test("gives no copy of a table that is not the one that was validated")
  func copies() throws {
    for isChanged in [false, true] {
      try changed(.ensemble, { bytes in if isChanged { bytes[extent: 3].checksum ^= 1 } }) { file in
        let table = UnsafeMutablePointer<e3_file_extent>.allocate(capacity: file.extentCount)
        let configs = UnsafeMutablePointer<e3_file_config>.allocate(capacity: file.networkCount)
        defer {
          table.deallocate()
          configs.deallocate()
        }
        #expect(
          error { () throws(E3Error) in _ = try file.copyingTable(to: table, configs: configs) }
            == (isChanged ? .fileChanged : nil))
      }
    }
  }
}
