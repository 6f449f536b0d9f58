import E3Format
import E3TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Model file")
struct ModelFileTests {
  // promise: verify, info
  @Test("a valid file opens, verifies and shows its contents", arguments: [0, 1])
  func opens(which: Int) throws {
    let bytes = try (which == 0 ? SampleFile.full : SampleFile.map).bytes
    #expect(bytes.verifyError == nil)
    try bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      #expect(file.size == bytes.count)
      for index in 0..<file.extentCount { #expect(file.bytes(at: index).count == Int(file.extent(at: index).length)) }
    }
  }

  @Test("views point at the extents that the table names")
  func views() throws {
    let bytes = try SampleFile.full.bytes
    try bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      func offset(_ pointer: UnsafeRawPointer) -> UInt64 { UInt64(pointer - raw.baseAddress!) }
      let embedding = file.linear(.patchEmbedding)
      #expect(offset(embedding.panels) == bytes[extent: try #require(bytes.extentIndex(of: .patchEmbedding))].offset)
      #expect(embedding.inputs == 40 && embedding.outputs == 6 && embedding.panelCount == 1)
      #expect(embedding.panelBytes == 40 * 16 + 192)
      #expect(file.linear(.queryKeyValue, block: 1).panelCount == 6)
      let expert = file.expert(block: 1, index: 3)
      #expect(offset(expert.expand.panels) % 4096 == 0)
      #expect(expert.contract.panels == expert.expand.panels + expert.expand.panelCount * expert.expand.panelBytes)
      #expect(expert.contract.inputs == 8 && expert.contract.outputs == 6)
      #expect(expert.bytes.count == Int(bytes[extent: try #require(bytes.extentIndex(of: .expert))].length))
      let routers = (0..<2).map { file.router(block: 1, member: $0) }
      #expect(routers[1].panels == routers[0].panels + 6 * 16 && routers[0].panelCount == 1)
      #expect(file.head.inputs == 4 && file.head.panelCount == 1)
      #expect(file.head.bias == file.head.panels + 4 * 16)
      #expect(file.floats(.norm0, block: 1)[6] == 0, "padding after six hidden values")
      #expect(file.mlp(block: 0).expand.inputs == 8)
    }
  }

  // promise: label
  @Test("labels, provenance and golden are found; without them there are none")
  func sections() throws {
    try SampleFile.full.bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      #expect(file.labelCount == 3)
      #expect((0..<3).map { String(decoding: file.label($0)!, as: UTF8.self) } == ["cat", "Čeština", ""])
      #expect(file.label(3) == nil && file.label(-1) == nil)
      #expect(file.provenance.map { String(decoding: $0, as: UTF8.self) } == "{\"tool\":\"test\"}")
      let golden = try #require(file.golden)
      #expect(golden.pixels[188] == 188 && golden.logits[5] == 3.5)
    }
    try SampleFile.map.bytes.withAligned { raw in
      let file = try ModelFile(validating: raw)
      #expect(file.labelCount == 0 && file.label(0) == nil && file.provenance == nil && file.golden == nil)
    }
  }

  // promise: open-cost
  @Test("opening does not touch the weights of MLPs and experts")
  func untouchedWeights() throws {
    var sample = SampleFile.full
    (sample.config.hidden_size, sample.config.mlp_size) = (64, 128)
    let bytes = try sample.bytes
    let pages = (bytes.count + 4095) / 4096 * 4096
    let map = try #require(mmap(nil, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    defer { munmap(map, pages) }
    bytes.withUnsafeBytes { map.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    var hidden = 0
    for index in 0..<Int(bytes.header.extent_count) {
      let extent = bytes[extent: index]
      guard extent.kind == UInt32(E3_FILE_MLP.rawValue) || extent.kind == UInt32(E3_FILE_EXPERT.rawValue) else {
        continue
      }
      mprotect(map + Int(extent.offset), Int(extent.length) / 4096 * 4096, PROT_NONE)
      hidden += 1
    }
    #expect(hidden == 5)
    let file = try ModelFile(validating: UnsafeRawBufferPointer(start: map, count: bytes.count))
    #expect(file.shape.expertCount == 4)
  }

  // promise: format-partition
  @Test("a longer mapping is fine: a model may lie in a larger partition")
  func longerMapping() throws {
    let bytes = try SampleFile.full.bytes + [UInt8](repeating: 0xA5, count: 100)
    #expect(bytes.verifyError == nil)
  }
}
