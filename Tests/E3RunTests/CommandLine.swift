import CE3
import E3TestSupport
import Foundation
import Testing

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

  /// The first line of standard output as a JSON object.
  var object: [String: Any] {
    get throws { try #require(objects.first, "\(errors)") }
  }
}

/// Where the command was built: beside the test bundle, or what `E3_RUN` names (the same tests for another build).
let commandURL: URL = {
  if let path = ProcessInfo.processInfo.environment["E3_RUN"] { return URL(fileURLWithPath: path) }
  return Bundle.main.bundleURL.appendingPathComponent("e3-run")
}()

/// The library's text of a status.
func statusText(_ status: Int) -> String { String(cString: e3_status_text(e3_status(status))) }

/// Runs `e3-run` with the arguments, standard input and additions to the environment.
func run(_ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]) throws -> Outcome {
  let (standardInput, output, errors) = (try Scratch(input), try Scratch(), try Scratch())
  let status = try spawn(
    arguments, environment: environment, descriptors: [standardInput.descriptor, output.descriptor, errors.descriptor])
  return Outcome(status: status, output: output.text, errors: errors.text)
}

/// Runs `e3-run` with the descriptors as its standard ones and returns its exit status, or minus the signal that ended it.
func spawn(_ arguments: [String], environment: [String: String] = [:], descriptors: [Int32]) throws -> Int32 {
  wait(for: try start(arguments, environment: environment, descriptors: descriptors))
}

/// Starts `e3-run` with the descriptors as its standard ones.
func start(_ arguments: [String], environment: [String: String] = [:], descriptors: [Int32]) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  for (number, descriptor) in descriptors.enumerated() {
    posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
  }
  let words = ([commandURL.path] + arguments).map { strdup($0) }
  let variables = ["LC_ALL": "C.UTF-8"].merging(environment) { $1 }.map { strdup("\($0)=\($1)") }
  defer { (words + variables).forEach { free($0) } }
  // Tests run on threads that block signals.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  sigemptyset(&none)
  posix_spawnattr_setsigmask(&attributes, &none)
  var asked = none
  sigaddset(&asked, SIGINT)
  sigaddset(&asked, SIGTERM)
  posix_spawnattr_setsigdefault(&attributes, &asked)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  var process = pid_t()
  let error = posix_spawn(&process, commandURL.path, &actions, &attributes, words + [nil], variables + [nil])
  if error != 0 { throw POSIXError(POSIXErrorCode(rawValue: error)!) }
  return process
}

/// The exit status of a process when it has ended, or minus the signal that ended it.
func wait(for process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
}

/// A file without a name, for one standard descriptor of a command.
final class Scratch {
  let descriptor: Int32

  init(_ contents: [UInt8] = []) throws {
    var template = Array("/tmp/e3-run-tests-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    if descriptor < 0 { throw POSIXError(.EIO) }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    try FileHandle(fileDescriptor: descriptor).write(contentsOf: Data(contents))
    lseek(descriptor, 0, SEEK_SET)
  }

  deinit { close(descriptor) }

  /// Everything in the file.
  var text: String {
    lseek(descriptor, 0, SEEK_SET)
    return String(decoding: FileHandle(fileDescriptor: descriptor).readDataToEndOfFile(), as: UTF8.self)
  }
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
