import ArgumentParser
import E3Evaluation
import E3Host

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare a packed model with the checkpoint's float32 forward pass.",
    discussion: "Image size, members and capacity are those of the model file.")

  @Argument(help: "Checkpoint, or its folder, that the model was packed from.", completion: .file())
  var checkpoint: String

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  @Option(help: "Its configuration, as for pack.", completion: .file(extensions: ["json"]))
  var config: String?

  @Option(help: ArgumentHelp("Tensors to leave out, as for pack.", valueName: "pattern"))
  var ignore: [String] = []

  @Option(help: "Prepared images: float32 .npy, [N,H,W,channels] in the model's value range.")
  var tensor: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let meter = ProgressMeter("comparing \(model)")
    let comparison = try compare(
      checkpoint: checkpoint, config: config, ignoring: ignore, model: model, tensor: tensor, progress: meter.update)
    print(json ? comparison.json.description : comparison.text)
  }
}
