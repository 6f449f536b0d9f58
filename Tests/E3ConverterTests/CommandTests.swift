import Foundation
import Testing

@testable import E3Checkpoint

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

  private struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  /// The built command, beside the tests.
  private var tool: String {
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("e3-convert").path
  }

  private func run(_ arguments: String..., extra: [String] = []) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tool)
    process.arguments = arguments + extra
    // Files instead of pipes: a full pipe would block the command.
    let (output, errors) = (folder["stdout"], folder["stderr"])
    for path in [output, errors] { try Data().write(to: URL(fileURLWithPath: path)) }
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: String(decoding: try folder.bytes("stdout"), as: UTF8.self),
      errors: String(decoding: try folder.bytes("stderr"), as: UTF8.self))
  }

  @Test("pack, verify, inspect and compare work together, quietly")
  func path() throws {
    let model = folder["model.e3"]
    let packed = try run("pack", checkpoint, "--config", config, "-o", model)
    #expect(packed.status == 0 && packed.output.isEmpty && packed.errors.isEmpty, "\(packed.errors)")
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
      ["--value-range", "-2,2"], ["--value-norm", "-1,4"], ["--value-norm=-1,4", "--resize", "small-crop"],
    ] {
      let packed = try run("pack", checkpoint, "--config", config, "-o", folder["model.e3"], extra: extra)
      #expect(packed.status == 0, "\(packed.errors)")
    }
    let inspected = try run("inspect", folder["model.e3"])
    #expect(inspected.output.contains("value_mean           -1 -1 -1"))
    #expect(inspected.output.contains("resize_side          15"))
  }

  @Test("output that cannot be written is a failure")
  func fullOutput() throws {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "\"\(tool)\" --help >/dev/null && \"\(tool)\" inspect model.e3 >/dev/full 2>stderr"]
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    _ = try run("pack", checkpoint, "--config", config, "-o", folder["model.e3"])
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 1)
    let errors = String(decoding: try folder.bytes("stderr"), as: UTF8.self)
    #expect(errors == "e3-convert: standard output: No space left on device\n")
  }

  @Test("an interrupted command leaves no file", arguments: [SIGINT, SIGTERM])
  func interrupt(signal: Int32) throws {
    // Large enough that the signal comes in the middle of the work.
    let wide = SampleConfig.map.replacing("\"hidden_size\":12", with: "\"hidden_size\":1024")
      .replacing("\"mlp_dim\":16", with: "\"mlp_dim\":4096").replacing("\"num_layers\":2", with: "\"num_layers\":6")
    let config = try folder.write(wide, to: "wide.json")
    let output = folder["wide.safetensors"]
    let child = try spawn([tool, "random", "--config", config, "-o", output])
    usleep(300_000)
    kill(child, signal)
    var status: Int32 = 0
    waitpid(child, &status, 0)
    #expect(status & 0x7F == signal, "ended by the signal")
    #expect(!folder.names.contains { $0.contains("wide.safetensors") }, "\(folder.names)")
  }

  /// Starts a command that no signal is kept from: the thread that runs this test may block some, and whoever started
  /// the tests may have had some ignored, and programs inherit both.
  private func spawn(_ arguments: [String]) throws -> pid_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var strings = arguments.map { strdup($0) } + [nil]
    defer { for string in strings { free(string) } }
    var child: pid_t = 0
    try #require(posix_spawn(&child, tool, nil, &attributes, &strings, environ) == 0)
    return child
  }
}
