import CE3

/// Arguments of options that several commands have.
enum OptionValue {
  /// A decimal number in `range`; `text` says what was expected.
  static func number(
    _ argument: UnsafePointer<CChar>?, _ range: ClosedRange<Int>, _ text: StaticString
  ) throws(Failure) -> Int {
    guard let argument, let number = CString.number(argument), range.contains(number.value)
    else { throw .usage(text, argument) }
    return number.value
  }

  /// The name of an instruction-set tier.
  static func isa(_ argument: UnsafePointer<CChar>?) throws(Failure) -> e3_isa {
    var isa = e3_isa(E3_ISA_AUTO)
    guard let argument, e3_isa_from_name(argument, &isa) == 0
    else { throw .usage("--isa takes scalar, avx2, avxvnni, avx512vnni, neon, dotprod or i8mm, not", argument) }
    return isa
  }
}
