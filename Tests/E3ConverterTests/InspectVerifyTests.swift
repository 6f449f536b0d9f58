import E3TestSupport
import Foundation
import Testing
@testable import E3Converter
@testable import E3Format
@testable import E3Host
@testable import E3Models

@Suite("Inspect and verify")
struct InspectVerifyTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
    let labels = try folder.write("one\ntwo\n\"three\"\nfour\nfive\n", to: "labels.txt")
    try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: PackOptions(labels: labels))
  }

  @Test("the JSON object lists configuration, labels, provenance and every extent")
  func json() throws {
    let model = try MappedModel(path: folder["model.e3"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(inspectionJSON(of: model).utf8)) as? [String: Any])
    let config = try #require(object["config"] as? [String: Any])
    #expect(config["ensemble_size"] as? Int == 3 && config["moe_layers"] as? [Int] == [0, 2])
    #expect(object["labels"] as? [String] == ["one", "two", "\"three\"", "four", "five"])
    #expect(object["multiply_accumulates"] as? Int == Int(model.file.shape.multiplyAccumulates))
    let extents = try #require(object["extents"] as? [[String: Any]])
    #expect(extents.count == model.file.extentCount)
    #expect(extents.contains { $0["kind"] as? String == "golden" })
    let provenance = try #require(object["provenance"] as? [String: Any])
    #expect(provenance["naming"] as? String == "V-MoE")
    #expect(provenance["checkpoint"] == nil, "the same weights give the same bytes, whatever their file")
  }

  @Test("the table for people names sizes, labels and experts")
  func text() throws {
    let text = inspectionText(of: try MappedModel(path: folder["model.e3"]))
    for part in ["image_size           12 13", "moe_layers           0 2", "  4: five", "expert, block 2, index 5"] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test("bytes behind the model are counted")
  func bytesBehind() throws {
    let path = try folder.write(try folder.bytes("model.e3") + [0, 1, 2], to: "longer.e3")
    for (path, count) in [(folder["model.e3"], 0), (path, 3)] {
      let model = try MappedModel(path: path)
      #expect(inspectionJSON(of: model).contains("\"bytes_behind\":\(count),"))
      #expect(inspectionText(of: model).contains(", 3 bytes behind it that belong to nothing\n") == (count > 0))
    }
  }

  @Test("damage is reported with the name of the extent")
  func damage() throws {
    var bytes = try folder.bytes("model.e3")
    let expert = bytes[extent: try #require(bytes.extentIndex(of: .expert)) + 4]
    bytes[Int(expert.offset) + 7] ^= 1
    try folder.write(bytes, to: "damaged.e3")
    #expect(
      fault { try verify(model: folder["damaged.e3"]) }
        == "\(folder["damaged.e3"]): tensor expert, block 0, index 4: \(E3Error.fileChecksum.description)")
  }

  @Test("truncated, foreign, newer, lengthened and empty files are told apart")
  func foreign() throws {
    let bytes = try folder.bytes("model.e3")
    func message(_ bytes: [UInt8]) throws -> String? {
      try folder.write(bytes, to: "bad.e3")
      let message = fault { try verify(model: folder["bad.e3"]) }
      return message.map { String($0.dropFirst(folder["bad.e3: "].count)) }
    }
    #expect(
      try message(Array(bytes[..<5000])) == "\(E3Error.fileTruncated.description): 5000 bytes, expected \(bytes.count)")
    #expect(try message(Array("PK".utf8) + bytes) == E3Error.fileMagic.description)
    #expect(try message(bytes + [0]) == "1 byte after the end of the model")
    #expect(try message([]) == "the file is empty")
    var newer = bytes
    newer.header.version_major = 7
    #expect(try message(newer) == "\(E3Error.fileVersion.description): 7.0, expected 2.2")
    var odd = bytes
    odd.config.channels = 2
    odd.reseal()
    #expect(try message(odd) == "\(E3Error.fileConfig.description): channels is neither 1 nor 3")
  }
}
