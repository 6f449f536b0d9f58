/// Which build of the commands this is.
enum Build {
  /// False for the small one (`tools/cross/build --no-pictures`), whose compiler then leaves out what is asked for by the
  /// options that it refuses.
  static var isComplete: Bool {
    #if E3_COMPLETE
      true
    #else
      false
    #endif
  }

  /// Reports an option that the small build does not have.
  static func lacks(_ option: StaticString) -> Failure {
    .usage(option) { $0.write(" is not in this small build (--no-pictures)") }
  }
}
