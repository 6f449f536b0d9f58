import E3TestSupport
import Foundation
import Testing
@testable import E3Converter
@testable import E3Evaluation
@testable import E3Host
@testable import E3Models

/// The built `e3-convert`, as a person meets it.
@Suite("Commands")
struct CommandTests {
  private let folder: TemporaryFolder
  private let checkpoint: String
  private let config: String

  init() throws {
    folder = try TemporaryFolder()
    (checkpoint, config) = try folder.randomModel(SampleConfig.ensemble)
  }

  private let tool = BuiltCommand("e3-convert")

  private func run(_ arguments: String..., extra: [String] = []) throws -> Outcome { try tool.run(arguments + extra) }

  @Test("pack, verify, inspect and compare work together, and say what they wrote")
  func path() throws {
    let model = folder["model.e3"]
    let packed = try run("pack", checkpoint, "--config", config, "-o", model)
    let size = try folder.bytes("model.e3").count
    #expect(packed.status == 0 && packed.errors.isEmpty, "\(packed.errors)")
    #expect(packed.output == "\(model): packed: 1 network, 3 members, 5 classes, \(size) bytes\n")
    let verified = try run("verify", model)
    #expect(verified.status == 0 && verified.output.hasPrefix("\(model): ") && verified.output.hasSuffix("all good\n"))
    let inspected = try run("inspect", model, "--json")
    #expect(inspected.status == 0 && inspected.output.hasPrefix("{\"file\":\"model.e3\""))
    #expect(try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) is [String: Any])
    let tensor = folder["images.npy"]
    try NumpyArray.write([Float](repeating: 0.25, count: 2 * 12 * 13 * 3), shape: [2, 12, 13, 3], path: tensor)
    let compared = try run("compare", checkpoint, model, "--config", config, "--tensor", tensor, "--json")
    #expect(compared.status == 0 && compared.errors.isEmpty, "\(compared.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(compared.output.utf8)) as? [String: Any]
    #expect(object?["images"] as? Int == 2)
    for option in ["--json", "--capacity=none"] {
      let reference = ["reference", checkpoint, "--config", config, "--tensor", tensor, option]
      let shown = try tool.run(reference)
      let written = try tool.run(reference + ["-o", folder["answers"]])
      #expect(written.status == 0 && written.output == "\(folder["answers"]): 2 images\n", "\(written.errors)")
      #expect(try folder.bytes("answers") == Array(shown.output.utf8) && shown.lines.count >= 2)
    }
    let replaced = try tool.run(["reference", checkpoint, "--config", config, "--tensor", tensor, "-o", tensor])
    #expect(replaced.status == 1 && replaced.errors.contains("is also an input"))
  }

  @Test("floats that are no pixels of the model's range are refused, by reference and compare as by e3-run")
  func otherRange() throws {
    let (model, tensor) = (folder["model.e3"], folder["bytes.npy"])
    #expect(try run("pack", checkpoint, "--config", config, "-o", model).status == 0)
    var values = [Float](repeating: 1, count: 2 * 12 * 13 * 3)
    values[500] = 212
    try NumpyArray.write(values, shape: [2, 12, 13, 3], path: tensor)
    for (command, taker) in [
      (["reference", checkpoint, "--config", config], checkpoint), (["compare", checkpoint, model], model),
    ] {
      let refused = try tool.run(command + ["--tensor", tensor])
      #expect(refused.status == 1 && refused.output.isEmpty)
      let line = "\(tensor): image 1: the value 212.0 is no prepared pixel: \(taker) takes -1.0 to 1.0\n"
      #expect(refused.errors.hasSuffix("e3-convert: \(line)"), "\(refused.errors)")
    }
  }

  @Test("without a subcommand, or with help for none that there is, it is a mistake on the command line")
  func noSubcommand() throws {
    for arguments in [[], ["--"], ["help", "nosuch"], ["help", "pack", "nosuch"]] {
      let refused = try tool.run(arguments)
      #expect(refused.status == 2 && refused.output.isEmpty, "\(arguments)")
      #expect(refused.errors.contains("Usage: e3-convert <subcommand>"), "\(refused.errors)")
    }
    for arguments in [["help"], ["help", "pack"], ["help", "help"], ["--help"], ["help", "--help"]] {
      let help = try tool.run(arguments)
      #expect(help.status == 0 && help.errors.isEmpty && help.output.contains("USAGE:"), "\(arguments)")
    }
  }

  @Test("what a mistake on the command line quotes breaks no line and commands no terminal")
  func controls() throws {
    for (name, arguments) in [
      ("e3-convert", ["pa\u{1B}[31mck\n"]), ("e3-convert", ["help", "pa\u{1B}[31mck\n"]),
      ("e3-convert", ["verify", "m", "--\u{1B}\n=1"]), ("e3-convert", ["pack", "--capacity=\u{1B}\u{202E}\n"]),
      ("e3-eval", ["m", "d", "--limit", "\u{1B}[2J\n"]), ("e3-eval", ["m", "d", "--\u{1B}[2J\n"]),
      ("e3-bench", ["--\u{1B}[2J\n"]), ("e3-bench", ["m", "--isa", "\u{1B}\n"]), ("e3-bench", ["m", "\u{1B}\n"]),
    ] {
      let refused = try BuiltCommand(name).run(arguments)
      #expect(refused.status == 2 && refused.errors.contains("?"), "\(name) \(arguments): \(refused.errors)")
      #expect(!refused.errors.unicodeScalars.contains { $0 != "\n" && !$0.isPrintable }, "\(name) \(arguments)")
      #expect(refused.errors.split(separator: "\n").allSatisfy { !$0.hasPrefix("'") }, "\(refused.errors)")
    }
  }

  @Test("an empty argument, as of a variable that is not set, is a mistake that is named")
  func empty() throws {
    for (arguments, after) in [
      (["pack", checkpoint, "-o", ""], " after '-o'"), (["pack", checkpoint, "--output="], " after '--output='"),
      (["inspect", ""], " after 'inspect'"), ([""], ""),
    ] {
      let refused = try tool.run(arguments)
      #expect(refused.status == 2 && refused.output.isEmpty)
      #expect(refused.errors == "e3-convert: an argument is empty\(after); e3-convert --help explains\n")
    }
    #expect(try BuiltCommand("e3-eval").run(["m.e3", "--report", ""]).status == 2)
  }

  @Test("4-bit weights are asked for by name, and what cannot have them is refused")
  func weights() throws {
    let (plain, model) = (folder["plain.e3"], folder["model.e3"])
    #expect(try run("pack", checkpoint, "--config", config, "-o", plain).status == 0)
    let same = try run(
      "pack", checkpoint, "--config", config, "-o", model, "--weights", "attention=8,mlp=8,experts=8")
    #expect(try same.status == 0 && folder.bytes("model.e3") == folder.bytes("plain.e3"))
    for bits in ["experts=4", "mlp=4,experts=4", "attention=8,mlp=4"] {
      let packed = try run("pack", checkpoint, "--config", config, "-o", model, "--weights", bits)
      #expect(packed.status == 0 && packed.errors.isEmpty, "\(packed.errors)")
      #expect(try run("verify", model).status == 0)
      #expect(try folder.bytes("model.e3") != folder.bytes("plain.e3"))
    }
    for bits in ["attention=4", "experts=5", "experts", "experts=4,experts=4", "experts=04", "=4", "", "router=4", "4"]
    {
      let refused = try run("pack", checkpoint, "--config", config, "-o", folder["no.e3"], "--weights", bits)
      #expect(refused.status == 2 && refused.errors.contains("--weights"), "\(bits): \(refused.errors)")
    }
    #expect(!folder.names.contains("no.e3"))
  }

  @Test("means and deviations are taken in both units, and pack says which; implausible ones are refused")
  func units() throws {
    let (one, two) = (folder["one.e3"], folder["two.e3"])
    let shares = try run(
      "pack", checkpoint, "--config", config, "-o", one, "--value-norm", "0.5,0.25,0.75,0.25,0.5,0.125")
    #expect(shares.status == 0)
    #expect(shares.errors == "e3-convert: note: --value-norm is taken as of pixels in 0...1\n")
    let bytes = try run(
      "pack", checkpoint, "--config", config, "-o", two, "--value-norm", "127.5,63.75,191.25,63.75,127.5,31.875")
    #expect(bytes.errors == "e3-convert: note: --value-norm is taken as of pixels in 0...255\n")
    #expect(try folder.bytes("one.e3") == folder.bytes("two.e3"))
    for (option, value, expected) in [
      ("--value-norm", "0.5,2", "these are some of one and some of the other"),
      ("--value-norm", "0.485,58.4", "these are some of one"),
      ("--value-norm", "0.5,120,120,60,60,60", "these are some of one"),
      ("--value-norm", "0,0.001", "these are neither"), ("--value-norm", "127.5,0.5", "these are neither"),
      ("--value-range", "0,255", "no model is trained on values of 255.0"), ("--value-range", "1,0", "invalid"),
    ] {
      let refused = try run("pack", checkpoint, "--config", config, "-o", folder["no.e3"], option, value)
      #expect(refused.status != 0 && refused.errors.contains(expected), "\(refused.errors)")
    }
    #expect(!folder.names.contains("no.e3"))
  }

  @Test("every command has a help text, and the tool a version")
  func help() throws {
    for command in ["pack", "inspect", "verify", "reference", "compare", "calibrate", "random"] {
      let help = try run(command, "--help")
      #expect(help.status == 0 && help.output.contains("USAGE: e3-convert \(command)"), "\(command)")
    }
    let version = try run("--version")
    #expect(version.status == 0 && version.output.first?.isNumber == true)
  }

  @Test("a fault is one line on stderr with the file's name, and a non-zero exit status")
  func faults() throws {
    let missing = try run("pack", folder["none.npz"], "--config", config, "-o", folder["model.e3"])
    #expect(missing.status == 1 && missing.output.isEmpty)
    #expect(missing.errors == "e3-convert: \(folder["none.npz"]): No such file or directory\n")
    let foreign = try run("verify", config)
    #expect(foreign.status == 1 && foreign.errors.hasPrefix("e3-convert: \(config): "))
    #expect(foreign.errors.filter { $0 == "\n" }.count == 1)
    #expect(!folder.names.contains("model.e3"))
  }

  @Test(
    "arguments that make no sense are refused before any work",
    arguments: [
      ["--image-size", "12x"], ["--image-size", "0"], ["--resize", "shrink"], ["--value-range", "1,1"],
      ["--value-range", "1"], ["--value-norm", "1,0"], ["--capacity", "some"],
      ["--value-range", "0,1", "--value-norm", "1,2"],
    ])
  func arguments(extra: [String]) throws {
    let process = try run("pack", checkpoint, "--config", config, "-o", folder["model.e3"], extra: extra)
    #expect(process.status != 0 && process.errors.contains("Error:"))
    #expect(!folder.names.contains("model.e3"))
  }

  @Test("value ranges may begin with a minus sign")
  func negativeValues() throws {
    for extra in [
      ["--value-range", "-2,2"], ["--value-norm", "-0.1,0.25"],
      ["--value-norm=-12.75,63.75", "--resize", "small-crop"],
    ] {
      let packed = try run("pack", checkpoint, "--config", config, "-o", folder["model.e3"], extra: extra)
      #expect(packed.status == 0, "\(packed.errors)")
    }
    let inspected = try run("inspect", folder["model.e3"])
    #expect(inspected.output.contains("value_mean           -12.75 -12.75 -12.75"))
    #expect(inspected.output.contains("resize_side          15"))
  }

  @Test("output that cannot be written is a failure")
  func fullOutput() throws {
    _ = try run("pack", checkpoint, "--config", config, "-o", folder["model.e3"])
    let input = open("/dev/null", O_RDONLY | O_CLOEXEC)
    let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { [input, full].forEach { close($0) } }
    for arguments in [["inspect", folder["model.e3"]], ["--help"], ["help", "pack"], ["--version"]] {
      let errors = try Scratch()
      #expect(try tool.spawn(arguments, descriptors: [input, full, errors.descriptor]) == 1)
      #expect(errors.text == "e3-convert: standard output: No space left on device\n")
    }
    #expect(try run("--help").status == 0)
  }

  @Test("an interrupted command leaves no file", arguments: [SIGINT, SIGTERM])
  func interrupt(signal: Int32) throws {
    // Large enough that the signal comes in the middle of the work.
    let wide = SampleConfig.map.replacing("\"hidden_size\":12", with: "\"hidden_size\":1024")
      .replacing("\"mlp_dim\":16", with: "\"mlp_dim\":4096").replacing("\"num_layers\":2", with: "\"num_layers\":6")
    let config = try folder.write(wide, to: "wide.json")
    let output = folder["wide.safetensors"]
    let child = try tool.start(["random", "--config", config, "-o", output])
    usleep(300_000)
    kill(child, signal)
    #expect(wait(for: child) == -signal, "ended by the signal")
    #expect(!folder.names.contains { $0.contains("wide.safetensors") }, "\(folder.names)")
  }
}
