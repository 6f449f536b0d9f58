import CE3Board

/// The options of a command line, one after the other. `Name` has a case for each of `names`, in their order.
struct OptionReader<Name: RawRepresentable<Int32>> {
  /// Long options with spaces between them, those that take an argument with `=` behind them.
  let names: StaticString
  let count: Int32
  let arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  /// Sets of options by their places: those that may be given several times, and those with an argument so far.
  var repeatable: UInt64 = 0
  private var given: UInt64 = 0

  init(names: StaticString, count: Int32, arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
    (self.names, self.count, self.arguments) = (names, count, arguments)
  }

  /// The next option and its argument; nil after the last one. Twice the same is refused where it has an argument: one of
  /// both would be without effect.
  mutating func next() throws(Failure) -> (name: Name, argument: UnsafePointer<CChar>?)? {
    var argument: UnsafePointer<CChar>?
    var typed: UnsafePointer<CChar>?
    let code = names.withUTF8Buffer { names in
      names.withMemoryRebound(to: CChar.self) { e3c_next_option(count, arguments, $0.baseAddress, &typed, &argument) }
    }
    if code == Int32(E3C_OPTIONS_END) { return nil }
    guard code >= 0, let name = Name(rawValue: code) else { throw failure(code, typed) }
    if argument != nil {
      let own = UInt64(1) << UInt64(code)
      if given & ~repeatable & own != 0 { throw .usage("an option is given twice:", typed) }
      given |= own
    }
    return (name, argument)
  }

  /// What is wrong with an option that `e3c_next_option` refused.
  private func failure(_ code: Int32, _ typed: UnsafePointer<CChar>?) -> Failure {
    switch Int(code) {
    case Int(E3C_OPTION_NEEDS_ARGUMENT): .usage("an argument is missing, or empty, after", typed)
    case Int(E3C_OPTION_TAKES_NONE): .usage("no argument is taken by", typed)
    default:
      .usage("unknown option") { errors in
        guard let typed else { return }
        errors.write(quoted: typed)
        let nearest = names.withUTF8Buffer { names in
          names.withMemoryRebound(to: CChar.self) { e3c_nearest_option($0.baseAddress, typed) }
        }
        guard let nearest else { return }
        errors.write(" (did you mean --")
        errors.write(cString: nearest)
        errors.write("?)")
      }
    }
  }
}
