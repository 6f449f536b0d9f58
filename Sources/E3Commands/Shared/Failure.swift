import CE3
import CE3Board

/// Something went wrong and was already reported on standard error, as one line `COMMAND: FILE: what is wrong`.
enum Failure: Error {
  /// A file, a frame or the system: exit status 1.
  case failed
  /// The command line: exit status 2.
  case usage

  var exitStatus: Int32 {
    switch self {
    case .failed: 1
    case .usage: 2
    }
  }
}

extension Failure {
  /// Reports `text` about `file` (null: about nothing in particular), with what `details` writes after it.
  static func report(
    _ file: UnsafePointer<CChar>?, _ text: StaticString, details: (TextStream) -> Void = { _ in }
  ) -> Failure {
    let errors = TextStream.errors
    e3c_begin_message()
    errors.write(cString: e3c_name())
    errors.write(": ")
    if let file {
      errors.write(cString: file)
      errors.write(": ")
    }
    errors.write(text)
    details(errors)
    e3c_end_message()
    return .failed
  }

  /// Reports a text that came from C.
  static func report(_ file: UnsafePointer<CChar>?, cString text: UnsafePointer<CChar>?) -> Failure {
    report(file, "") { $0.write(cString: text) }
  }

  /// Reports an errno.
  static func report(_ file: UnsafePointer<CChar>?, errno: Int32) -> Failure {
    report(file, cString: e3c_error_text(errno))
  }

  /// Reports that standard output could not be written.
  static func report(standardOutput errno: Int32) -> Failure {
    report(nil, "standard output: ") { $0.write(cString: e3c_error_text(errno)) }
  }

  /// Reports a status of the library.
  static func report(_ file: UnsafePointer<CChar>?, status: e3_status) -> Failure {
    report(file, cString: e3_status_text(status))
  }

  /// Reports a mistake on the command line.
  static func usage(_ text: StaticString, _ typed: UnsafePointer<CChar>? = nil) -> Failure {
    _ = report(nil, text) { errors in
      if let typed {
        errors.write(" '")
        errors.write(cString: typed)
        errors.write("'")
      }
      errors.write("; ")
      errors.write(cString: e3c_name())
      errors.write(" --help explains")
    }
    return .usage
  }
}
