import E3TestSupport
import Foundation

/// What a run of the command left behind.
struct Outcome {
  var status: Int32
  var output: String
  var errors: String

  /// The lines of standard output.
  var lines: [Substring] { output.split(separator: "\n") }

  /// Every line of standard output as a JSON object.
  var objects: [[String: Any]] {
    get throws { try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any] } }
  }
}

/// Where the command was built: beside the test bundle, or what `E3_RUN` names (the same tests for another build).
let commandURL: URL = {
  if let path = ProcessInfo.processInfo.environment["E3_RUN"] { return URL(fileURLWithPath: path) }
  return Bundle.main.bundleURL.appendingPathComponent("e3-run")
}()

/// Runs `e3-run` with the arguments, standard input and additions to the environment.
func run(_ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]) throws -> Outcome {
  let process = Process()
  process.executableURL = commandURL
  process.arguments = arguments
  process.environment = ["LC_ALL": "C.UTF-8"].merging(environment) { $1 }
  let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
  process.standardInput = standardInput
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  let writer = Thread {
    // The command may stop reading early.
    try? standardInput.fileHandleForWriting.write(contentsOf: Data(input))
    try? standardInput.fileHandleForWriting.close()
  }
  writer.start()
  let outputData = output.fileHandleForReading.readDataToEndOfFile()
  let errorData = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return Outcome(
    status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
    errors: String(decoding: errorData, as: UTF8.self))
}

/// A folder that is removed with the last reference to it.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("e3-run-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Writes a file and returns its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let url = url.appendingPathComponent(name)
    try Data(bytes).write(to: url)
    return url.path
  }

  /// A small valid model: 9x7 colour pixels, two members, three classes of which the last has an empty label.
  func model(_ edit: (inout SampleFile) -> Void = { _ in }) throws -> String {
    var sample = SampleFile.full
    edit(&sample)
    return try file("model.e3", sample.bytes)
  }
}
