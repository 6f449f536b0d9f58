import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Converter

/// Bad input gives one line that names the file, the tensor and the expectation, and never a partial output.
@Suite("Packing bad input")
struct PackErrorTests {
  private let folder: TemporaryFolder
  private let checkpoint: String
  private let config: String

  init() throws {
    folder = try TemporaryFolder()
    (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
  }

  /// Packs and expects a one-line message with all of `parts`; the output must not exist.
  private func expectFault(
    _ checkpoint: String, options: PackOptions = PackOptions(), _ parts: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let message = fault {
      try pack(checkpoint: checkpoint, config: config, output: folder["model.e3"], options: options)
    }
    #expect(message != nil, sourceLocation: sourceLocation)
    for part in parts { #expect(message?.contains(part) == true, "\(message ?? "")", sourceLocation: sourceLocation) }
    #expect(message?.contains("\n") == false, sourceLocation: sourceLocation)
    #expect(!folder.names.contains { $0.contains("model.e3") }, "\(folder.names)", sourceLocation: sourceLocation)
  }

  @Test("a weight that is not finite", arguments: [Float.nan, .infinity])
  func notFinite(value: Float) throws {
    let name = "Encoder/encoderblock_2/Moe/Mlp/Dense_1/kernel"
    let edited = try folder.editedCheckpoint(checkpoint) { tensor, _, values in
      if tensor == name { values[values.count - 1] = value }
    }
    expectFault(edited, edited, name, "finite")
  }

  @Test("a missing tensor")
  func missing() throws {
    let name = "Encoder/encoderblock_1/LayerNorm_1/bias"
    let edited = try folder.editedCheckpoint(checkpoint) { tensor, _, _ in if tensor == name { tensor = nil } }
    expectFault(edited, edited, name, "missing", "[15]")
  }

  @Test("a tensor of another shape")
  func shape() throws {
    let name = "Encoder/encoderblock_1/Mlp/Dense_0/kernel"
    let edited = try folder.editedCheckpoint(checkpoint) { tensor, shape, values in
      if tensor == name { (shape, values) = ([15, 20], Array(values[..<300])) }
    }
    expectFault(edited, edited, name, "[15, 20]", "[15, 21]")
  }

  @Test("a tensor that the model does not have")
  func unknown() throws {
    let edited = try folder.editedCheckpoint(checkpoint, adding: [("Encoder/surprise/kernel", [2, 3])]) { _, _, _ in }
    expectFault(edited, edited, "Encoder/surprise/kernel", "no such tensor")
  }

  @Test("a truncated, a foreign and a missing checkpoint")
  func damaged() throws {
    let bytes = try folder.bytes("random.safetensors")
    try folder.write(Array(bytes[..<(bytes.count / 2)]), to: "cut.safetensors")
    expectFault(folder["cut.safetensors"], folder["cut.safetensors"])
    let foreign = try folder.write("not a checkpoint at all", to: "foreign.safetensors")
    expectFault(foreign, foreign)
    expectFault(folder["none.safetensors"], folder["none.safetensors"], "No such file")
  }

  @Test("a configuration that contradicts the weights")
  func contradiction() throws {
    _ = try folder.write(
      SampleConfig.ensemble.replacing("\"mlp_dim\":21", with: "\"mlp_dim\":22"), to: "config.json")
    expectFault(checkpoint, "mlp_dim", "22")
  }

  @Test("labels: too few, not UTF-8, with control characters, not there")
  func labels() throws {
    let few = try folder.write("a\nb\nc\nd\n", to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: few), "\(few): 4 labels, expected one for each of 5 classes")
    for (text, line) in [("a\nb\nc\nd\ne\n\n", 6), ("a\n\nb\nc\nd\ne\n", 2)] {
      _ = try folder.write(text, to: "labels.txt")
      let counts = "\(few): 6 labels (line \(line) is empty), expected one for each of 5 classes"
      expectFault(checkpoint, options: PackOptions(labels: few), counts)
    }
    try folder.write([0x61, 0x0A, 0xFF, 0x0A], to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: few), "\(few): not UTF-8 text")
    _ = try folder.write("a\nb\tc\nd\ne\nf\n", to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: few), "\(few): label 1 holds a control character")
    expectFault(checkpoint, options: PackOptions(labels: folder["none.txt"]), "none.txt: No such file")
    _ = try folder.write("crane\nb\n\ncrane\n\n", to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: few), "\(few): label 3 is that of class 0 too")
    // Alike in other bytes is another label.
    _ = try folder.write("\u{E9}\ne\u{301}\n\n\u{E9}\n\n", to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: few), "\(few): label 3 is that of class 0 too")
  }

  @Test(
    "labels that break the line or turn its direction are refused",
    arguments: ["\u{2028}", "\u{2029}", "\u{85}", "\u{9B}", "\u{202E}", "\u{2066}", "\u{200F}", "\u{61C}", "\u{7F}"])
  func labelsThatBreakLines(_ character: String) throws {
    let path = try folder.write("a\nb\nc\nd\(character)d\ne\n", to: "labels.txt")
    expectFault(checkpoint, options: PackOptions(labels: path), "\(path): label 3 holds a control character")
  }

  @Test("routing groups of several images cannot be packed")
  func groups() throws {
    _ = try folder.write(
      SampleConfig.ensemble.replacing("\"group_size\":21", with: "\"group_size\":42"), to: "config.json")
    expectFault(checkpoint, options: PackOptions(model: ModelOptions(capacity: .config)), config, "42", "one image")
  }

  @Test("weights so large that the network overflows")
  func overflow() throws {
    let edited = try folder.editedCheckpoint(checkpoint) { tensor, _, values in
      // Nine ones times 3e38.
      if tensor == "pre_logits/bias" { values = values.map { _ in 100 } }
      if tensor == "head/kernel" { values = values.map { _ in 3e38 } }
    }
    expectFault(edited, edited, "NaN or an infinity")
  }

  @Test("a class token whose position overflows")
  func classToken() throws {
    let edited = try folder.editedCheckpoint(checkpoint) { tensor, _, values in
      if tensor == "cls" || tensor == "Encoder/posembed_input/pos_embedding" { values = values.map { _ in 3e38 } }
    }
    expectFault(edited, edited, "tensor cls", "overflows")
  }

  @Test("an output that cannot be written, and one that exists and stays")
  func output() throws {
    let message = fault { try pack(checkpoint: checkpoint, config: config, output: folder["none/model.e3"]) }
    #expect(message == "\(folder["none/model.e3"]): No such file or directory")
    let before = try folder.bytes("random.safetensors")
    let same = fault { try pack(checkpoint: checkpoint, config: config, output: folder["./random.safetensors"]) }
    #expect(same?.hasSuffix("is also an input, expected another name for the output") == true)
    #expect(try folder.bytes("random.safetensors") == before)
    try folder.write([1, 2, 3], to: "kept.e3")
    _ = fault { try pack(checkpoint: folder["none.safetensors"], config: config, output: folder["kept.e3"]) }
    #expect(try folder.bytes("kept.e3") == [1, 2, 3])
  }
}
