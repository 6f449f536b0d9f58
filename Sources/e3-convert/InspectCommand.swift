import ArgumentParser
import E3Converter
import E3Host
import E3Models

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what a model file holds: configuration, labels, provenance, every extent.")

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let mapped = try MappedModel(path: model)
    print(json ? inspectionJSON(of: mapped) : inspectionText(of: mapped))
  }
}
