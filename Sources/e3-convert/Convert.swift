import ArgumentParser

@main
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "e3-convert", abstract: "Packs checkpoints for the E3 runtime.", subcommands: [ReferenceCommand.self])
}
