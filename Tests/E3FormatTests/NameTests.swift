import E3Format
import E3TestSupport
import Foundation
import Testing

@Suite("Names and small rules")
struct NameTests {
  private static let format: [String] = {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let text = try? String(contentsOfFile: "\(root)/Sources/E3Format/FORMAT.md", encoding: .utf8)
    return (text ?? "").split(separator: "\n").map(String.init)
  }()

  @Test("every kind of extent has the number and the name of FORMAT.md, and nothing else has a name")
  func kinds() {
    var named = 0
    for number in 0...300 as ClosedRange<UInt32> {
      let name = "\(ExtentKind(rawValue: .init(number)).name)"
      let isListed = Self.format.contains { $0.hasPrefix("| \(number) | \(name) | ") }
      #expect(isListed == (name != "unknown"), "\(number) \(name)")
      named += name == "unknown" ? 0 : 1
    }
    #expect(named == 27)
  }

  @Test("every encoding has the number and the name of FORMAT.md")
  func encodings() {
    let names = (0...5 as ClosedRange<UInt32>).map { "\(ExtentEncoding(rawValue: .init($0)).name)" }
    #expect(names == ["unknown", "int8", "float", "bytes", "int4", "unknown"])
    #expect(Self.format.contains { $0.hasPrefix("| 12 | u32 | encoding | 1 int8, 2 float, 3 bytes, 4 int4 ") })
  }

  @Test("the values that a recipe makes of bytes, of one channel and of three")
  func bounds() throws {
    var config = SampleFile.config
    #expect(try ModelShape(validating: config).valueBounds == (-1, 1))
    (config.value, config.value_low, config.value_high) = (1, 0, 0)
    (config.value_mean, config.value_deviation) = ((55, 0, 100), (100, 51, 10))
    #expect(try ModelShape(validating: config).valueBounds == (-10, 15.5))
    (config.channels, config.value_mean, config.value_deviation) = (1, (55, 0, 0), (100, 0, 0))
    #expect(try ModelShape(validating: config).valueBounds == (-0.55, 2))
  }

  @Test("a value far outside of the range is found, one a little outside or not finite is passed over")
  func outside() {
    func first(_ values: [Float]) -> Float? {
      values.withUnsafeBufferPointer { PixelRange.firstOutside($0, low: -1, high: 1) }
    }
    #expect(first([0, 4, -4, .infinity, -.infinity, .nan]) == nil)
    #expect(first([0, 4.1, -5]) == 4.1 && first([0, -4.1]) == -4.1)
  }

  @Test("a text is a word whatever its case and what cannot be seen around it, but not within it")
  func called() {
    func isUnlike(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { $0.isCalled("unlike") } }
    for text in ["unlike", "UnLike", " unlike", "unlike\u{3164}\u{A0}"] {
      #expect(isUnlike(Array(text.utf8)), "\(text)")
    }
    for text in ["", " ", "unlik", "unlikes", "un like", "un\u{200B}like", "unlikf"] {
      #expect(!isUnlike(Array(text.utf8)), "\(text)")
    }
    #expect(!isUnlike([0xFF]) && !isUnlike(Array("unlike".utf8) + [0xC0]))
  }

  @Test("a character that turns the line or breaks it is not printable")
  func printable() {
    for scalar in ["a", "é", "\u{1F600}"] as [Unicode.Scalar] { #expect(UTF8Text.isPrintable(scalar)) }
    for scalar in ["\u{1B}", "\u{9B}", "\u{202E}", "\u{2028}", "\u{7F}"] as [Unicode.Scalar] {
      #expect(!UTF8Text.isPrintable(scalar))
    }
  }

  @Test("no block before the first or after the last has experts")
  func blocks() throws {
    let shape = try ModelShape(validating: SampleFile.config)
    #expect(!shape.isMoE(-1) && !shape.isMoE(256) && shape.isMoE(1))
  }

  @Test("learned classes of more values than an i32 can sum are refused")
  func largeClasses() throws {
    var config = SampleFile.config
    (config.hidden_size, config.head_count) = (65_536, 1)
    (config.image_height, config.image_width, config.patch_height, config.patch_width) = (8, 8, 2, 2)
    let shape = try ModelShape(validating: config)
    #expect(throws: E3Error.modelTooLarge) { try ClassesLayout(shape, capacity: 1, grid: 4) }
    #expect(try ClassesLayout(shape, capacity: 1, grid: 1).features == 65_536)
  }

  /// Networks that pool by attention share it; one that does not has none of it to share.
  // promise: format-shared
  @Test("networks with attention pooling and query norms share what they have in common, in any order")
  func counterparts() throws {
    var token = SampleFile.config
    token.query_key_norm = 1
    var dense = SampleFile.config
    (dense.member_count, dense.expert_count, dense.selected_experts) = (1, 0, 0)
    (dense.moe_layers.0, dense.expert_mlp_size, dense.representation_size) = (0, 0, 0)
    var map = SampleFile.map.config
    (map.capacity_mode, map.capacity) = (0, 0)
    var plainMap = map
    plainMap.query_key_norm = 0
    let configs = [map, token, plainMap, dense, map]
    for first in configs.indices {
      let order = configs[first...] + configs[..<first]
      var file = SampleFile(config: order[first], seed: 7)
      file.others = order.dropFirst().map { SampleFile.Network($0, seed: 7) }
      file.shares = true
      let bytes = try file.bytes
      #expect(bytes.verifyError == nil)
      try bytes.withAligned { raw in
        let view = try ModelFile(validating: raw)
        #expect(try (0..<view.extentCount).contains { try view.isShared($0) })
      }
    }
  }
}
