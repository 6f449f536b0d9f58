import ArgumentParser
import E3Host
import E3Models

@main
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "e3-convert",
    abstract: "Pack checkpoints for the E3 runtime, and look into what was packed.",
    discussion: """
      A checkpoint is recognised by what it holds: V-MoE's files (their prefix or .index), safetensors and PyTorch files of \
      timm, Hugging Face and torchvision (in one file or in parts), .npz of vit_jax and big_vision, or a folder with one of \
      them and its config.json.
      """,
    version: libraryVersion,
    subcommands: [
      PackCommand.self, InspectCommand.self, VerifyCommand.self, SignCommand.self, ReferenceCommand.self,
      CompareCommand.self, CalibrateCommand.self, LearnCommand.self, ExportCommand.self, RandomCommand.self,
    ])

  /// Without a subcommand.
  func run() throws { throw ValidationError("give a subcommand") }

  /// `help NAME`, of which the parser would pass over a name that it does not know.
  private static func requireKnownHelp(_ arguments: [String]) throws {
    guard arguments.first == "help" else { return }
    let names = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    guard let other = arguments.dropFirst().first(where: { !$0.hasPrefix("-") && !names.contains($0) }) else { return }
    throw ValidationError("there is no subcommand '\(other)'")
  }

  static func main() {
    runCommand(
      "e3-convert", message: { exitCode(for: $0).isSuccess ? fullMessage(for: $0) : nil },
      usage: { fullMessage(for: $0) }
    ) {
      try requireKnownHelp(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot()
      try command.run()
    }
  }
}
