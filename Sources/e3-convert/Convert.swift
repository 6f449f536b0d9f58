import ArgumentParser
import E3Host
import E3Models

@main
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "e3-convert",
    abstract: "Pack checkpoints for the E3 runtime, and look into what was packed.",
    discussion: """
      CHECKPOINT is a V-MoE prefix (or its .index), a .safetensors file or a vit_jax .npz file. CONFIG.json has the field \
      names of V-MoE.
      """,
    version: libraryVersion,
    subcommands: [
      PackCommand.self, InspectCommand.self, VerifyCommand.self, ReferenceCommand.self, CompareCommand.self,
      CalibrateCommand.self, RandomCommand.self,
    ])

  static func main() {
    runCommand(
      "e3-convert", message: { exitCode(for: $0).isSuccess ? fullMessage(for: $0) : nil },
      usage: { fullMessage(for: $0) }
    ) {
      var command = try parseAsRoot()
      try command.run()
    }
  }
}
