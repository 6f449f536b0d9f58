import ArgumentParser
import E3Checkpoint
import E3Evaluation
import E3Host

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare a packed model with the checkpoint's float32 forward pass.",
    usage: "e3-convert compare CHECKPOINT … MODEL.e3 --tensor <tensor> [options]",
    discussion: """
      Image size, members and capacity are those of the model file. For the first block to the last it prints what each \
      kind of rounding does to the block's output, and warns of what is below 20 dB.
      """)

  @Argument(
    help: ArgumentHelp(
      "Checkpoint, or its folder, that the model was packed from, one for each network; then the model file.",
      valueName: "CHECKPOINT … MODEL.e3"), completion: .file())
  var paths: [String]

  @Option(help: "Their configuration, as for pack.", completion: .file(extensions: ["json"]))
  var config: [String] = []

  @OptionGroup var tensors: TensorReading

  @Option(help: "Prepared images: float32 .npy, [N,H,W,channels] in the model's value range.")
  var tensor: String

  @Flag(help: "Print one JSON object.")
  var json = false

  private var sources: [CheckpointSource] {
    get throws { try checkpointSources(Array(paths.dropLast()), configs: config, tensors) }
  }

  func validate() throws {
    guard paths.count >= 2 else {
      throw ValidationError("give a checkpoint and the model file that was packed from it")
    }
    _ = try sources
  }

  func run() throws {
    let model = paths[paths.count - 1]
    let meter = ProgressMeter("comparing \(model)")
    let comparison = try compare(
      try sources, model: model, tensor: tensor, progress: meter.update)
    print(json ? comparison.json.description : comparison.text)
    for warning in comparison.warnings { writeToStandardError("e3-convert: warning: \(warning)\n") }
  }
}
