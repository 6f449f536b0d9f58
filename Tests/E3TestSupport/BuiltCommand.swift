import Foundation

/// What a run of a command left behind.
package struct Outcome {
  /// The exit status, or minus the signal that ended it.
  package let status: Int32
  package let output: String
  package let errors: String

  package init(status: Int32, output: String, errors: String) {
    (self.status, self.output, self.errors) = (status, output, errors)
  }

  /// The lines of standard output.
  package var lines: [Substring] { output.split(separator: "\n") }

  /// Every line of standard output as a JSON object.
  package var objects: [[String: Any]] {
    get throws {
      try lines.map { line in
        guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        else { throw Unexpected(what: "no JSON object: \(line)") }
        return object
      }
    }
  }

  /// The first line of standard output as a JSON object.
  package var object: [String: Any] {
    get throws {
      guard let first = try objects.first else { throw Unexpected(what: "no output; \(errors)") }
      return first
    }
  }

  /// What a test cannot go on from.
  private struct Unexpected: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
  }
}

/// A command that was built beside the tests.
package struct BuiltCommand: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  package init(_ name: String) { path = Bundle.main.bundleURL.appendingPathComponent(name).path }

  /// Runs the command with the arguments, standard input and additions to the environment, in a UTF-8 locale.
  package func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Outcome {
    // Files instead of pipes: a full pipe would block the command.
    let (standardInput, output, errors) = (try Scratch(input), try Scratch(), try Scratch())
    let status = try spawn(
      arguments, environment: environment,
      descriptors: [standardInput.descriptor, output.descriptor, errors.descriptor])
    return Outcome(status: status, output: output.text, errors: errors.text)
  }

  /// Runs the command with the descriptors as its standard ones; its exit status, or minus the signal that ended it.
  package func spawn(
    _ arguments: [String], environment: [String: String] = [:], descriptors: [Int32]
  ) throws -> Int32 {
    wait(for: try start(arguments, environment: environment, descriptors: descriptors))
  }

  /// Starts the command with the descriptors as its standard ones, and with no signal kept from it: the thread that
  /// runs a test may block some, whoever started the tests may have had some ignored, and programs inherit both.
  package func start(
    _ arguments: [String], environment: [String: String] = [:], descriptors: [Int32] = []
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let words = ([path] + arguments).map { strdup($0) }
    let variables = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C.UTF-8"]) { $1 }
      .merging(environment) { $1 }.map { strdup("\($0)=\($1)") }
    defer { (words + variables).forEach { free($0) } }
    var process = pid_t()
    let error = posix_spawn(&process, path, &actions, &attributes, words + [nil], variables + [nil])
    if error != 0 { throw POSIXError(POSIXErrorCode(rawValue: error)!) }
    return process
  }
}

/// The exit status of a process when it has ended, or minus the signal that ended it.
package func wait(for process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
}
