import CE3
import E3TestSupport
import Foundation
import Testing

/// The command that was built beside the tests, or what `E3_RUN` names (the same tests for another build).
let command = ProcessInfo.processInfo.environment["E3_RUN"].map { BuiltCommand(path: $0) } ?? BuiltCommand("e3-run")

/// Runs `e3-run` with the arguments, standard input and additions to the environment.
func run(_ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]) throws -> Outcome {
  try command.run(arguments, input: input, environment: environment)
}

/// The library's text of a status.
func statusText(_ status: Int) -> String { String(cString: e3_status_text(e3_status(status))) }

extension TemporaryFolder {
  /// A small valid model: 9x7 colour pixels, two members, three classes of which the last has an empty label.
  func model(_ edit: (inout SampleFile) -> Void = { _ in }) throws -> String {
    var sample = SampleFile.full
    edit(&sample)
    return try write(sample.bytes, to: "model.e3")
  }
}
