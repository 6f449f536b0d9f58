import E3TestSupport
import Foundation
import Testing

/// The help texts as they are kept in `Help/`, one file for each command. After a wanted change:
///
///     E3_UPDATE_HELP=1 swift test --filter HelpTests
@Suite("Help texts")
struct HelpTests {
  private static let commands =
    [["e3-run"], ["e3-bench"], ["e3-eval"], ["e3-convert"]]
    + ["pack", "inspect", "verify", "sign", "reference", "compare", "calibrate", "learn", "export", "random"]
    .map { ["e3-convert", $0] }
  private let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Help")

  @Test("--help prints the text that is kept", arguments: commands)
  func help(words: [String]) throws {
    let outcome = try BuiltCommand(words[0]).run(Array(words.dropFirst()) + ["--help"], environment: ["COLUMNS": "80"])
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let file = folder.appending(path: words.joined(separator: "-") + ".txt")
    if ProcessInfo.processInfo.environment["E3_UPDATE_HELP"] != nil {
      try outcome.output.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try outcome.output == String(contentsOf: file, encoding: .utf8), "see the top of this file")
  }

  @Test("every text that is kept belongs to a command")
  func files() throws {
    let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(kept == Self.commands.map { $0.joined(separator: "-") + ".txt" }.sorted())
  }

  @Test("the version of every command is the text of the file VERSION", arguments: commands.prefix(4).map { $0[0] })
  func version(command: String) throws {
    let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let version = try String(contentsOf: root.appending(path: "VERSION"), encoding: .utf8)
    #expect(!version.contains("\n"), "VERSION ends without a line feed: the library holds its bytes")
    let printed = try BuiltCommand(command).run(["--version"]).output
    #expect(printed == "\(version)\n" || printed == "\(command) \(version)\n")
  }
}
