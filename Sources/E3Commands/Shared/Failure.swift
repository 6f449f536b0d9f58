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
      errors.write(path: file)
      errors.write(": ")
    }
    errors.write(text)
    details(errors)
    e3c_end_message()
    return .failed
  }

  /// Counts and reports what is wrong with a frame of many. After twenty lines at once only one a second is written, which
  /// says how many were left out.
  static func fault(
    _ kind: e3c_counter, _ file: UnsafePointer<CChar>?, _ text: StaticString, details: (TextStream) -> Void = { _ in }
  ) -> Failure {
    e3c_count(kind, 1)
    return limited(file, text, details: details)
  }

  /// The same, of what is counted elsewhere.
  static func limited(
    _ file: UnsafePointer<CChar>?, _ text: StaticString, details: (TextStream) -> Void = { _ in }
  ) -> Failure {
    var leftOut: UInt64 = 0
    guard e3c_may_report(&leftOut) != 0 else { return .failed }
    return report(file, text) { errors in
      details(errors)
      if leftOut > 0 { writeLeftOut(leftOut, errors) }
    }
  }

  /// Says how many lines about frames were left out since the last one.
  static func reportUnreported() {
    let count = e3c_unreported()
    if count > 0 { _ = report(nil, "there were more lines about frames") { writeLeftOut(count, $0) } }
  }

  private static func writeLeftOut(_ count: UInt64, _ errors: TextStream) {
    errors.write(" (")
    errors.write(count)
    errors.write(count == 1 ? " line like it was left out)" : " lines like it were left out)")
  }

  /// Says that a file was replaced, and its owner could not be kept.
  static func noteLostOwner(_ path: UnsafePointer<CChar>) {
    _ = report(path, "note: the owner that it had is not kept: this user may not give files to another")
  }

  /// Reports a text that came from C.
  static func report(_ file: UnsafePointer<CChar>?, cString text: UnsafePointer<CChar>?) -> Failure {
    report(file, "") { $0.write(cString: text) }
  }

  /// Reports an errno.
  static func report(_ file: UnsafePointer<CChar>?, errno: Int32) -> Failure {
    report(file, cString: e3c_error_text(errno))
  }

  /// Whether writing ended because a stop was asked for while nobody read.
  static func isStopped(_ errno: Int32) -> Bool {
    let interrupted: Int32 = 4  // EINTR, which an embedded build does not have
    return errno == interrupted && e3c_stop_asked() != 0
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
    usage(text) { errors in
      if let typed { errors.write(quoted: typed) }
    }
  }

  /// The same, with what `details` writes after the text.
  static func usage(_ text: StaticString, details: (TextStream) -> Void) -> Failure {
    _ = report(nil, text) { errors in
      details(errors)
      errors.write("; ")
      errors.write(cString: e3c_name())
      errors.write(" --help explains")
    }
    return .usage
  }
}
