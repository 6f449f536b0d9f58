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

  /// - Throws: in the small build.
  static func requireComplete(_ option: StaticString) throws(Failure) {
    if !isComplete { throw .usage(option) { $0.write(" is not in this small build (--no-pictures)") } }
  }
}
