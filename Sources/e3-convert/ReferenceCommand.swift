import ArgumentParser
import E3Checkpoint
import E3Converter
import E3Host
import E3Models
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

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File to write the answers to, instead of standard output.", valueName: "file"),
    completion: .file())
  var output: String?

  func run() throws {
    if let output { try requireOutput(output, besides: [checkpoint, config, tensor].compactMap { $0 }) }
    let source = try SourceModel(
      model.tensors.source(checkpoint, config: config), options: model.options(capacity: .reference))
    for line in source.notes { printNote(line) }
    let reference = ReferenceModel(source)
    let images = try ImageTensor(path: tensor, for: reference.config)
    for image in 0..<images.count {
      try requirePixels(
        images[image], within: source.valueBounds, of: checkpoint, name: "\(tensor): image \(image)")
    }
    let lines = try reference.answers(to: images).enumerated().map { (frame, answer) in
      json ? answer.json(frame: frame, source: tensor).description : answer.text(frame: frame)
    }
    guard let output else { return lines.forEach { print($0) } }
    let file = try AtomicFile(path: output)
    try file.write(lines.flatMap { Array($0.utf8) + [10] })
    try file.commit()
    print("\(inOneLine(output)): \(counted(lines.count, "image"))")
  }
}
