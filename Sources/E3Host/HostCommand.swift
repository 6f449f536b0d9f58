import CE3Files
import Glibc

/// Runs the command `name`: a fault in a file, or output that cannot be written, becomes one line on stderr and exit
/// status 1, a mistake on the command line, of which an empty argument is one, status 2. For the commands of the host.
///
/// - Parameters:
///   - message: what to print for an error that is none: a request for help or the version.
///   - usage: what to say about every other error, which is a mistake on the command line.
public func runCommand(
  _ name: String, message: (any Error) -> String?, usage: (any Error) -> String, _ command: () throws -> Void
) {
  // Never given back: a signal handler reads it.
  ce3_start_command(strdup(name)) { UnfinishedFile.removeAll() }
  UnfinishedFile.removeOnSignals()
  InputFiles.begin()
  if let place = emptyArgument(CommandLine.arguments) {
    let before = CommandLine.arguments[place].isEmpty ? place - 1 : place
    let after = before == 0 ? "" : " after '\(inOneLine(CommandLine.arguments[before]))'"
    writeToStandardError("\(name): an argument is empty\(after); \(name) --help explains\n")
    exit(2)
  }
  do {
    do {
      try command()
    } catch {
      guard let text = message(error) else { throw error }
      print(text)
    }
    // A full disk or a closed pipe behind stdout shows only here.
    guard fflush(nil) == 0 else { throw FileError(file: "standard output", problem: systemErrorText()) }
  } catch let fault as FileError {
    writeToStandardError("\(name): \(fault)\n")
    exit(fault.isMisuse ? 2 : 1)
  } catch {
    writeToStandardError(inLines(usage(error), quoting: CommandLine.arguments) + "\n")
    exit(2)
  }
}

/// What the parser says of a mistake, in as many lines as it has: a question mark for what of the arguments, which it
/// quotes, would break a line or command a terminal.
func inLines(_ text: String, quoting arguments: [String]) -> String {
  var text = text
  // Whole, then the value of an option.
  for argument in arguments + arguments.flatMap({ $0.split(separator: "=", maxSplits: 1).map(String.init) }) {
    let line = inOneLine(argument)
    if !areSame(line, argument) { text = text.replacing("'\(argument)'", with: "'\(line)'") }
  }
  return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isPrintable || $0 == "\n" ? $0 : "?" }))
}

/// Place of an argument, or of the value of an option, that is empty: a variable of the shell that is not set. Nothing takes
/// one. Nil when there is none, and where a shell asks for completions.
func emptyArgument(_ arguments: [String]) -> Int? {
  guard !arguments.contains(where: { $0.hasPrefix("---") }) else { return nil }
  return arguments.indices.dropFirst().first { place in
    let argument = arguments[place]
    return argument.isEmpty || (argument.hasPrefix("--") && argument.firstIndex(of: "=") == argument.indices.last)
  }
}

/// Writes `text` to stderr, unbuffered.
package func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in _ = write(2, bytes.baseAddress, bytes.count) }
}
