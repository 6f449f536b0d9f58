import E3Goldens
import E3TestSupport
import Foundation
import Testing
@testable import E3Checkpoint
@testable import E3Converter
@testable import E3Evaluation
@testable import E3Host
@testable import E3Models
@testable import E3Reference

/// Weights that are rounded against images.
@Suite("Quantizing with images")
struct QuantizeTests {
  /// A dense ViT of a few blocks, wide enough that rounding of weights shows.
  private static let dense = """
    {"name":"VisionTransformer","image_size":[16,16],"num_classes":8,"patch_size":[4,4],"hidden_size":48,
     "classifier":"token","encoder":{"num_layers":3,"num_heads":3,"mlp_dim":96}}
    """

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Writes `count` smooth prepared images of `shape`, others for each `seed`.
  private func images(_ name: String, _ count: Int, _ sides: [Int], seed: UInt64) throws -> String {
    var random = SplitMix64(state: seed)
    func uniform() -> Double { Double(random.next() >> 11) / Double(1 << 53) }
    var values: [Float] = []
    for _ in 0..<count {
      let waves = (0..<sides[2]).map { _ in (uniform() * 0.9, uniform() * 0.9, uniform() * 6) }
      for y in 0..<sides[0] {
        for x in 0..<sides[1] {
          for (a, b, phase) in waves { values.append(Float(sin(a * Double(x) + b * Double(y) + phase))) }
        }
      }
    }
    try NumpyArray.write(values, shape: [count] + sides, path: folder[name])
    return folder[name]
  }

  /// Decibels of the logits above the difference to the float path.
  private func decibels(_ model: (checkpoint: String, config: String), _ packed: String, on tensor: String) throws
    -> Double
  {
    let comparison = try compare(
      checkpoint: model.checkpoint, config: model.config, model: packed, tensor: tensor)
    return comparison.logitDecibels
  }

  @Test("answers to other images come nearer to the float path's", arguments: [WeightBits.Width.eight, .four])
  func nearer(bits: WeightBits.Width) throws {
    let weights = WeightBits(experts: bits, mlp: bits)
    let model = try folder.randomModel(Self.dense)
    let mine = try images("mine.npy", 48, [16, 16, 3], seed: 1)
    let others = try images("others.npy", 48, [16, 16, 3], seed: 2)
    try pack(
      checkpoint: model.checkpoint, config: model.config, output: folder["plain.e3"],
      options: PackOptions(weights: weights))
    try pack(
      checkpoint: model.checkpoint, config: model.config, output: folder["rounded.e3"],
      options: PackOptions(weights: weights, rounding: .images(path: mine, count: 64)))
    let plain = try decibels(model, folder["plain.e3"], on: others)
    let rounded = try decibels(model, folder["rounded.e3"], on: others)
    #expect(rounded > plain + 0.5, "\(plain) and \(rounded) dB")
  }

  @Test("what norms and values add to all rows, and their readers take back, costs nothing")
  func offsets() throws {
    let model = try folder.randomModel(Self.dense)
    let source = try SourceModel(checkpoint: model.checkpoint, config: model.config)
    // Ten times as much as rows vary, in every second channel.
    let added: [Float] = (0..<48).map { $0.isMultiple(of: 2) ? 30 : 0 }
    var edits: [String: [Float]] = [:]
    func add(_ sign: Float, of kernel: String, to bias: String) throws {
      let weights = try source.values(of: kernel)
      let outputs = weights.count / added.count
      var values = try edits[bias] ?? source.values(of: bias)
      for index in weights.indices { values[index % outputs] += sign * added[index / outputs] * weights[index] }
      edits[bias] = values
    }
    for index in 0..<3 {
      let block = ParameterNames.block(index)
      for bias in [block.norm0.bias, block.norm1.bias, block.attention.value.bias] {
        edits[bias] = try zip(source.values(of: bias), added).map { $0 + $1 }
      }
      for reader in [block.attention.query, block.attention.key, block.attention.value, block.mlp.dense0] {
        try add(-1, of: reader.kernel, to: reader.bias)
      }
      try add(-1, of: block.attention.out.kernel, to: block.attention.out.bias)
    }
    let edited = try folder.editedCheckpoint(model.checkpoint) { name, _, values in
      if let name, let edit = edits[name] { values = edit }
    }
    let mine = try images("mine.npy", 48, [16, 16, 3], seed: 1)
    let others = try images("others.npy", 48, [16, 16, 3], seed: 2)
    var found: [Double] = []
    for checkpoint in [model.checkpoint, edited] {
      try pack(
        checkpoint: checkpoint, config: model.config, output: folder["model.e3"],
        options: PackOptions(rounding: .images(path: mine, count: 64)))
      found.append(try decibels((checkpoint, model.config), folder["model.e3"], on: others))
    }
    #expect(abs(found[0] - found[1]) < 1, "\(found) dB")
  }

  @Test("with pictures that are drawn, too", arguments: [WeightBits.Width.eight, .four])
  func drawn(bits: WeightBits.Width) throws {
    let weights = WeightBits(experts: bits, mlp: bits)
    let model = try folder.randomModel(Self.dense)
    let others = try images("others.npy", 48, [16, 16, 3], seed: 2)
    for (name, rounding) in [("plain.e3", Rounding.nearest), ("drawn.e3", .drawn), ("default.e3", .automatic)] {
      try pack(
        checkpoint: model.checkpoint, config: model.config, output: folder[name],
        options: PackOptions(weights: weights, rounding: rounding))
    }
    let plain = try decibels(model, folder["plain.e3"], on: others)
    let drawn = try decibels(model, folder["drawn.e3"], on: others)
    #expect(drawn > plain + 0.3, "\(plain) and \(drawn) dB")
    #expect(try folder.bytes("default.e3") == folder.bytes("drawn.e3"))
  }

  @Test("drawn pictures differ, are of any size, and are the same each time")
  func pictures() {
    for (height, width, channels) in [(16, 16, 3), (28, 28, 1), (1, 1, 3), (7, 40, 3)] {
      var (first, second) = (
        DrawnPictures(height: height, width: width, channels: channels),
        DrawnPictures(height: height, width: width, channels: channels)
      )
      let pictures = (0..<4).map { _ in first.next() }
      #expect(pictures == (0..<4).map { _ in second.next() })
      #expect(Set(pictures.map(\.pixels)).count == 4)
    }
    var colored = DrawnPictures(height: 28, width: 28, channels: 3)
    let pixels = (0..<32).flatMap { _ in colored.next().pixels }
    // All of the range is used, and no more than a tenth of it is cut off.
    #expect(Set(pixels).count == 256)
    #expect(pixels.count { $0 == 0 || $0 == 255 } < pixels.count / 10)
  }

  @Test(
    "every architecture packs, the same images give the same bytes, and others give others",
    arguments: [SampleConfig.ensemble, SampleConfig.map])
  func deterministic(_ config: String) throws {
    let model = try folder.randomModel(config)
    let sides = try ModelConfig(path: model.config)
    let shape = [sides.imageHeight, sides.imageWidth, sides.channels]
    // Of the ensemble's experts some see few of these tokens.
    let mine = try images("mine.npy", 3, shape, seed: 1)
    var contents: [[UInt8]] = []
    for name in ["a.e3", "b.e3"] {
      try pack(
        checkpoint: model.checkpoint, config: model.config, output: folder[name],
        options: PackOptions(rounding: .images(path: mine, count: 64)))
      _ = try verify(model: folder[name])
      contents.append(try folder.bytes(name))
    }
    #expect(contents[0] == contents[1])
    try pack(
      checkpoint: model.checkpoint, config: model.config, output: folder["c.e3"],
      options: PackOptions(rounding: .images(path: mine, count: 1)))
    try pack(checkpoint: model.checkpoint, config: model.config, output: folder["d.e3"])
    #expect(try folder.bytes("c.e3") != contents[0] && folder.bytes("d.e3") != contents[0])
    #expect(folder.names.allSatisfy { !$0.hasSuffix(".tmp") })
  }

  @Test("pictures of a folder and bytes go through the model's recipe")
  func recipe() throws {
    let model = try folder.randomModel(Self.dense)
    try FileManager.default.createDirectory(atPath: folder["pictures"], withIntermediateDirectories: false)
    for number in 0..<4 {
      let pixels = (0..<20 * 24 * 3).map { UInt8(($0 * (number + 3)) % 251) }
      try folder.write(Array("P6 24 20 255\n".utf8) + pixels, to: "pictures/\(number).ppm")
    }
    try pack(
      checkpoint: model.checkpoint, config: model.config, output: folder["model.e3"],
      options: PackOptions(rounding: .images(path: folder["pictures"], count: 64)))
    _ = try verify(model: folder["model.e3"])
  }

  @Test("images that are none of the model's are refused in one line, and nothing is left")
  func refused() throws {
    let model = try folder.randomModel(Self.dense)
    let tool = BuiltCommand("e3-convert")
    try folder.write("no pictures", to: "text.txt")
    let wide = try images("wide.npy", 2, [16, 17, 3], seed: 1)
    let bytes = folder["range.npy"]
    try NumpyArray.write([Float](repeating: 255, count: 768), shape: [1, 16, 16, 3], path: bytes)
    let cases = [
      (folder["none"], "none: No such file or directory"), (folder["text.txt"], "text.txt: neither an IDX file"),
      (wide, "wide.npy: image 0: 816 values, but"), (bytes, "range.npy: image 0: the value 255.0 is no prepared pixel"),
    ]
    for (path, words) in cases {
      let run = try tool.run(
        ["pack", model.checkpoint, "--config", model.config, "-o", folder["model.e3"], "--quantize-with", path])
      #expect(run.status == 1 && run.errors.contains(words), "\(run.errors)")
      #expect(run.errors.filter { $0 == "\n" }.count == 1)
      #expect(!folder.names.contains { $0.contains("model.e3") }, "\(folder.names)")
    }
    let count = try tool.run(
      ["pack", model.checkpoint, "-o", folder["model.e3"], "--quantize-with", wide, "--quantize-count", "0"])
    #expect(count.status == 2 && count.errors.contains("--quantize-count is 0, expected 1 or more"))
    try FileManager.default.createDirectory(atPath: folder["drawn"], withIntermediateDirectories: false)
    let there = BuiltCommand(path: "/bin/sh")
    let script = "cd \"$1\" && exec \"$0\" pack \"$2\" -o model.e3 --quantize-with drawn"
    let word = try there.run(["-c", script, tool.path, folder["."], model.checkpoint])
    #expect(word.status == 2 && word.errors.contains("drawn is a word and a file here: write ./drawn"))
  }

  @Test(
    "a pack that is ended while it looks at images leaves nothing unfinished", arguments: [SIGINT, SIGTERM, SIGKILL])
  func interrupted(signal: Int32) throws {
    let model = try folder.randomModel(Self.dense)
    let many = try images("many.npy", 200, [16, 16, 3], seed: 1)
    let null = try Scratch()
    let process = try BuiltCommand("e3-convert").start(
      [
        "pack", model.checkpoint, "--config", model.config, "-o", folder["model.e3"], "--quantize-with", many,
        "--quantize-count", "200",
      ],
      descriptors: [null.descriptor, null.descriptor, null.descriptor])
    usleep(300_000)
    kill(process, signal)
    let status = wait(for: process)
    // It may have been done by then.
    #expect(status == -signal || status == 0)
    #expect(Set(folder.names).isSubset(of: ["config.json", "random.safetensors", "many.npy", "model.e3"]))
    // It is whole if it is there: the signal may come between its name and the end.
    if folder.names.contains("model.e3") {
      #expect(try BuiltCommand("e3-convert").run(["verify", folder["model.e3"]]).status == 0)
    }
  }
}
