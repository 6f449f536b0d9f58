import ArgumentParser
import E3Checkpoint
import E3Host
import E3Reference

/// Runs a checkpoint in float32: what the packed model is compared with.
struct ReferenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reference", abstract: "Run a checkpoint's forward pass in float32.",
    discussion: """
      Experts have the capacity of the configuration's dispatcher, with one image per group. With --capacity config the \
      images of the tensor are one batch, which group_size must divide; with --capacity none nothing is dropped, as in a \
      model that was packed without --capacity.
      """)

  @Argument(help: "Checkpoint of V-MoE, timm, Hugging Face, torchvision, vit_jax or big_vision, or its folder.")
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      """
      Model configuration: V-MoE's, Hugging Face's or timm's; without it the one beside the checkpoint, or what the shapes \
      tell.
      """, valueName: "config.json"))
  var config: String?

  @OptionGroup var model: ModelReading

  @Option(help: ArgumentHelp("Float array [N,H,W,channels] in the model's value range.", valueName: "in.npy"))
  var tensor: String

  @Flag(help: "Print one JSON object per image.")
  var json = false

  func run() throws {
    let source = try SourceModel(
      checkpoint: checkpoint, config: config, options: model.options(capacity: .reference),
      ignoring: model.ignore)
    for line in source.notes { printNote(line) }
    let reference = ReferenceModel(source)
    let images = try ImageTensor(path: tensor, for: reference.config)
    for (frame, prediction) in try reference.predict(images).enumerated() {
      print(json ? prediction.json(frame: frame, source: tensor).description : prediction.text(frame: frame))
    }
  }
}
