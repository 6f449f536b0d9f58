import ArgumentParser
import E3Checkpoint
import E3Host

struct RandomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random",
    abstract: "Write a checkpoint of realistic random weights for a configuration, to measure with.",
    discussion: "The same seed gives the same file on every machine.")

  @Option(help: "Configuration with V-MoE field names and image_size.", completion: .file(extensions: ["json"]))
  var config: String

  @Option(name: .shortAndLong, help: "Checkpoint to write.", completion: .file(extensions: ["safetensors"]))
  var output: String

  @Option(help: "Seed of the random numbers.")
  var seed: UInt64 = 0

  func validate() throws {
    guard output.hasSuffix(".safetensors") else { throw ValidationError("the output's name must end in .safetensors") }
  }

  func run() throws {
    let meter = ProgressMeter("writing \(output)")
    try writeRandomWeights(config: config, output: output, seed: seed, progress: meter.update)
    print("\(inOneLine(output)): random weights")
  }
}
