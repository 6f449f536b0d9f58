import ArgumentParser
import E3Converter
import E3Host
import E3Models

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what a model file holds: configuration, labels, provenance, every extent.",
    discussion: "Of a file of learned classes (.e3c) it shows the classes.")

  @Argument(help: "Model file.", completion: .file(extensions: ["e3", "e3c"]))
  var model: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    if let classes = try classesInspection(path: model, asJSON: json) { return print(classes) }
    let mapped = try MappedModel(path: model)
    print(json ? inspectionJSON(of: mapped) : inspectionText(of: mapped))
  }
}
