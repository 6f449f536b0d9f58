import E3Goldens
import E3TestSupport
import Foundation
import Testing
@testable import E3Converter
@testable import E3Host

/// Outputs and sources of `e3-convert` when something goes wrong around them.
@Suite("Outputs")
struct OutputTests {
  private let folder: TemporaryFolder
  private let checkpoint: String
  private let config: String
  private let tool = BuiltCommand("e3-convert")

  init() throws {
    folder = try TemporaryFolder()
    (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
  }

  // promise: file-size-limit
  @Test("a limit on the length of files is one line and status 1, and leaves what was there")
  func sizeLimit() throws {
    try folder.write([7], to: "model.e3")
    let (output, errors) = (try Scratch(), try Scratch())
    let status = try BuiltCommand(path: "/bin/bash").spawn(
      [
        "-c", "ulimit -f 8; exec \"$0\" pack \"$1\" --config \"$2\" -o \"$3\"", tool.path, checkpoint, config,
        folder["model.e3"],
      ],
      descriptors: [output.descriptor, output.descriptor, errors.descriptor])
    #expect(status == 1 && errors.text == "e3-convert: \(folder["model.e3"]): File too large\n")
    #expect(try folder.bytes("model.e3") == [7])
    #expect(!folder.names.contains { $0.hasSuffix(".tmp") })
  }

  // promise: output-link, output-mode
  @Test("pack through a symbolic link replaces what it points at, which keeps its permissions")
  func link() throws {
    try folder.write([7], to: "v1.e3")
    #expect(chmod(folder["v1.e3"], 0o600) == 0 && symlink("v1.e3", folder["current.e3"]) == 0)
    #expect(try tool.run(["pack", checkpoint, "--config", config, "-o", folder["current.e3"]]).status == 0)
    var status = stat()
    #expect(lstat(folder["current.e3"], &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(lstat(folder["v1.e3"], &status) == 0 && status.st_mode == S_IFREG | 0o600)
    #expect(try tool.run(["verify", folder["v1.e3"]]).status == 0)
  }

  // promise: source-changed
  @Test("a checkpoint that is written to while it is packed gives no model", arguments: [0.1, 0.5, 1])
  func sourceChanges(share: Double) throws {
    var isChanged = false
    #expect(throws: FileError(file: checkpoint, problem: "the file was changed while it was read")) {
      try pack(
        checkpoint: checkpoint, config: config, output: folder["model.e3"],
        progress: { done in
          guard done >= share, !isChanged else { return }
          isChanged = true
          let descriptor = open(checkpoint, O_RDWR)
          let size = lseek(descriptor, 0, SEEK_END)
          #expect(pwrite(descriptor, [0, 0, 0, 0], 4, size - 4) == 4)
          close(descriptor)
        })
    }
    #expect(!folder.names.contains("model.e3"))
  }

  // promise: source-changed
  @Test("a checkpoint that is cut while it is packed is one line, and no model but that of the whole one")
  func sourceCut() throws {
    let output = folder["model.e3"]
    let start = ContinuousClock.now
    #expect(try tool.run(["pack", checkpoint, "--config", config, "-o", output]).status == 0)
    let duration = ContinuousClock.now - start
    let whole = try folder.bytes("model.e3")
    let original = try contents(of: checkpoint)
    // From before the file is opened to after the model is written.
    for round in 0..<8 {
      unlink(output)
      let cut = try folder.write(original, to: "cut.safetensors")
      let (null, errors) = (try Scratch(), try Scratch())
      let process = try tool.start(
        ["pack", cut, "--config", config, "-o", output],
        descriptors: [null.descriptor, null.descriptor, errors.descriptor])
      let delay = duration * round / 5
      usleep(useconds_t(delay / .microseconds(1)))
      #expect(truncate(cut, 5000) == 0)
      let status = wait(for: process)
      if status == 0 {
        #expect(try folder.bytes("model.e3") == whole)
      } else {
        #expect(status == 1 && errors.text.hasPrefix("e3-convert: \(cut): "), "\(errors.text)")
        #expect(errors.text.filter { $0 == "\n" }.count == 1 && !folder.names.contains("model.e3"))
      }
    }
  }

  @Test("what the command found beside its inputs, or in a folder, is not replaced")
  func found() throws {
    let source = "\(Goldens.libraryDirectory)/hf_ViTForImageClassification"
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try folder.write(contents(of: "\(source)/\(name)"), to: "hf/\(name)")
    }
    let picture = Array("P6 8 8 255 ".utf8) + [UInt8](repeating: 7, count: 192)
    for name in ["a.ppm", "b.ppm"] { try folder.write(picture, to: "pictures/\(name)") }
    let before = try folder.bytes("hf/preprocessor_config.json")
    for (output, options) in [
      ("hf/preprocessor_config.json", []), ("pictures/a.ppm", ["--quantize-with", folder["pictures"]]),
    ] {
      let outcome = try tool.run(["pack", folder["hf"], "-o", folder[output]] + options)
      let said = "e3-convert: \(folder[output]): is also an input, expected another name for the output\n"
      #expect(outcome.status == 1 && outcome.errors.hasSuffix(said), "\(outcome.errors)")
      // What lies beside is known before anything is said of it.
      if options.isEmpty { #expect(outcome.errors == said) }
    }
    #expect(try folder.bytes("hf/preprocessor_config.json") == before && folder.bytes("pictures/a.ppm") == picture)
  }

  @Test("a checkpoint with the labels of the model in another order is not its reference")
  func labelOrder() throws {
    let source = "\(Goldens.libraryDirectory)/hf_ViTForImageClassification"
    for (copy, first, second) in [("one", "cat", "dog"), ("two", "dog", "cat")] {
      for name in try FileManager.default.contentsOfDirectory(atPath: source) {
        try folder.write(contents(of: "\(source)/\(name)"), to: "\(copy)/\(name)")
      }
      var fields = try #require(
        JSONSerialization.jsonObject(with: Data(folder.bytes("\(copy)/config.json"))) as? [String: Any])
      let count = (fields["id2label"] as? [String: Any])?.count ?? fields["num_labels"] as? Int ?? 0
      var labels = Dictionary(uniqueKeysWithValues: (0..<count).map { ("\($0)", "class \($0)") })
      (labels["0"], labels["1"]) = (first, second)
      (fields["id2label"], fields["label2id"]) = (labels, nil)
      try folder.write(JSONSerialization.data(withJSONObject: fields), to: "\(copy)/config.json")
    }
    #expect(try tool.run(["pack", folder["one"], "-o", folder["one.e3"]]).status == 0)
    let outcome = try tool.run(["compare", folder["two"], folder["one.e3"], "--tensor", folder["images.npy"]])
    #expect(outcome.status == 1 && outcome.errors.contains("has the labels of \(folder["two"])"), "\(outcome.errors)")
    #expect(outcome.errors.hasSuffix(" in another order\n"))
  }

  @Test("the signal of Ctrl-\\ ends a command")
  func quit() throws {
    let (null, errors) = (try Scratch(), try Scratch())
    let wide = SampleConfig.map.replacing("\"hidden_size\":12", with: "\"hidden_size\":1024")
      .replacing("\"mlp_dim\":16", with: "\"mlp_dim\":4096").replacing("\"num_layers\":2", with: "\"num_layers\":6")
    let process = try tool.start(
      ["random", "--config", folder.write(wide, to: "wide.json"), "-o", folder["wide.safetensors"]],
      descriptors: [null.descriptor, null.descriptor, errors.descriptor])
    usleep(300_000)
    kill(process, SIGQUIT)
    #expect(wait(for: process) == -SIGQUIT && !errors.text.contains("Backtrac"))
  }
}
