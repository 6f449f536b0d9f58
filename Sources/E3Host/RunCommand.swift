import Glibc

/// Runs the command `name`: a fault in a file, or output that cannot be written, becomes one line on stderr and exit
/// status 1. For the commands of the host.
///
/// - Parameters:
///   - message: what to print for an error that is none: a request for help or the version.
///   - exit: ends the process for every other error, such as a mistake on the command line.
public func runCommand(
  _ name: String, message: (any Error) -> String?, otherwise exit: (any Error) -> Never, _ command: () throws -> Void
) {
  UnfinishedFile.removeOnSignals()
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
    Glibc.exit(1)
  } catch {
    exit(error)
  }
}

/// Writes `text` to stderr, unbuffered.
package func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in _ = write(2, bytes.baseAddress, bytes.count) }
}
