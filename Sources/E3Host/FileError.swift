/// What is wrong with a checkpoint, a configuration or an array file, in one line.
///
/// The description reads `FILE: tensor NAME: problem`, so that a command can print it as it is.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// File that holds the fault.
  public let file: String
  /// Tensor that holds the fault; nil when the file as a whole is concerned.
  public let tensor: String?
  /// The fault: what was found and what was expected.
  public let problem: String
  /// Whether the command line asks for what the file is not made for: nothing is wrong with the file.
  public let isMisuse: Bool

  public init(file: String, tensor: String? = nil, problem: String, isMisuse: Bool = false) {
    self.file = file
    self.tensor = tensor
    self.problem = problem
    self.isMisuse = isMisuse
  }

  /// One line: control characters and those of direction, which a hostile file may put into a name, are replaced and
  /// long names are cut.
  public var description: String {
    guard let tensor else { return "\(Self.line(file, limit: 4096)): \(Self.line(problem, limit: 500))" }
    return "\(Self.line(file, limit: 4096)): tensor \(Self.line(tensor, limit: 200)): \(Self.line(problem, limit: 500))"
  }

  private static func line(_ text: String, limit: Int) -> String {
    var line = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard line.count < limit else {
        line.append("…")
        break
      }
      line.append(scalar.isPrintable ? scalar : "?")
    }
    return String(line)
  }
}
