import ArgumentParser
import E3Checkpoint
import E3Converter
import Glibc

@main
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "e3-convert",
    abstract: "Pack checkpoints for the E3 runtime, and look into what was packed.",
    discussion: """
      CHECKPOINT is a V-MoE prefix (or its .index), a .safetensors file or a vit_jax .npz file. CONFIG.json has the field \
      names of V-MoE.
      """,
    version: converterVersion,
    subcommands: [
      PackCommand.self, InspectCommand.self, VerifyCommand.self, ReferenceCommand.self, CompareCommand.self,
      CalibrateCommand.self, RandomCommand.self,
    ])

  /// Runs the command; a fault in a file becomes one line on stderr and exit status 1.
  static func main() {
    UnfinishedFile.removeOnSignals()
    do {
      var command = try parseAsRoot()
      try command.run()
      // A full disk or a closed pipe behind stdout shows only here.
      guard fflush(nil) == 0 else {
        throw CheckpointError(file: "standard output", problem: String(cString: strerror(errno)))
      }
    } catch let fault as CheckpointError {
      writeToStandardError("e3-convert: \(fault)\n")
      Glibc.exit(1)
    } catch {
      exit(withError: error)
    }
  }
}
