import ArgumentParser
import E3Checkpoint
import E3Converter
import E3Host

/// Writes a checkpoint in the one form that training reads.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a checkpoint as safetensors with V-MoE's names and its whole configuration.",
    discussion: """
      Whatever form, names and configuration the checkpoint has, the result has one: NAME.safetensors and NAME.json, in \
      float32. A backbone without a classification head is taken too; its num_classes is 0. e3-train starts from it.
      """)

  @Argument(
    help: "Checkpoint of V-MoE, timm, Hugging Face, torchvision, vit_jax or big_vision, or its folder.",
    completion: .file())
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      """
      Model configuration: V-MoE's, Hugging Face's or timm's; without it the one beside the checkpoint, or what the shapes \
      tell.
      """, valueName: "config.json"))
  var config: String?

  @OptionGroup var model: ModelReading

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Checkpoint to write.", valueName: "model.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @Flag(help: "Print one JSON object: labels and recipe of the images, where the checkpoint's metadata say them.")
  var json = false

  func validate() throws {
    guard output.hasSuffix(".safetensors") else { throw ValidationError("the output's name must end in .safetensors") }
  }

  func run() throws {
    var options = model.options(capacity: .none)
    options.needsHead = false
    let source = try SourceModel(model.tensors.source(checkpoint, config: config), options: options)
    for line in source.notes { printNote(line) }
    if let fault = source.unusable { printNote(fault.description) }
    let meter = ProgressMeter("writing \(output)")
    try export(source, output: output, progress: meter.update)
    if json {
      let recipe = source.preprocessing?.options
      let fields: [(String, JSONText)] = [
        ("labels", source.labels.map { .array($0.map { .text($0) }) } ?? .null),
        ("resize", recipe.map { .text($0.resize) } ?? .null),
        ("value_norm", recipe.map { .text($0.valueNorm) } ?? .null),
      ]
      print(JSONText.object(fields).description)
    } else {
      print("\(inOneLine(output)): \(counted(source.config.parameters.count, "tensor"))")
      if let note = source.droppedNote { printNote(note) }
    }
  }
}

extension SourceModel {
  /// Why the means and deviations of the images' recipe are none that `pack` takes; nil where they are.
  fileprivate var unusable: FileError? {
    guard let preprocessing else { return nil }
    do throws(FileError) { try requireUsable(preprocessing) } catch { return error }
    return nil
  }

  /// What V-MoE's configuration has no field for, and how a pack of the export is told it; nil where there is nothing.
  fileprivate var droppedNote: String? {
    var (kinds, options): ([String], [String]) = ([], [])
    if labels != nil {
      kinds.append("labels")
      options.append("--labels FILE (export --json prints them)")
    }
    if let preprocessing {
      let recipe = preprocessing.options
      kinds.append("recipe of the images")
      let norm = unusable == nil ? recipe.valueNorm : "MEAN,STD"
      // No mean and deviation make pixels of which the error says that they are not served.
      let isServed = unusable == nil || preprocessing.normalises
      options.append("--resize \(recipe.resize)" + (isServed ? " --value-norm \(norm)" : ""))
    }
    guard !kinds.isEmpty else { return nil }
    return "the export leaves out \(kinds.joined(separator: " and ")): pack it with \(options.joined(separator: " "))"
  }
}
