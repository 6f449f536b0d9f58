import ArgumentParser
import E3Converter
import E3Host

struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Pack a checkpoint as a model file.",
    discussion: "The file appears under its name only when it is complete; the same input always gives the same bytes.")

  @OptionGroup var model: ModelArguments

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Model file to write.", valueName: "model.e3"),
    completion: .file(extensions: ["e3"]))
  var output: String

  @Option(
    help: ArgumentHelp("Text file with one label per line, in the order of the classes.", valueName: "file"),
    completion: .file())
  var labels: String?

  @OptionGroup var preprocessing: PreprocessingArguments

  func run() throws {
    let options = PackOptions(
      model: model.options(capacity: .none), ignored: model.ignore, labels: labels,
      resize: preprocessing.resize?.resize,
      value: preprocessing.value)
    if let note = preprocessing.note { printNote(note) }
    let meter = ProgressMeter("packing \(output)")
    try pack(
      checkpoint: model.checkpoint, config: model.config, output: output, options: options, note: printNote,
      progress: meter.update)
  }
}

/// Prints what a command took for granted, on stderr.
func printNote(_ line: String) { writeToStandardError("e3-convert: note: \(line)\n") }
