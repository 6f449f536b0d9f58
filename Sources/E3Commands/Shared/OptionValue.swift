import CE3
import CE3Board

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

  /// A number of threads, or `auto`: as many as the process may use processors.
  static func threads(_ argument: UnsafePointer<CChar>?) throws(Failure) -> Int {
    let most = Int(E3_MAX_THREADS)
    if let argument, CString.equal(argument, "auto") { return min(Int(e3c_usable_cpus()), most) }
    return try number(argument, 1...most, "--threads takes 1 to 64 or auto, not")
  }

  /// A number of bytes, as `400M`: K, M and G are 1000, 1000² and 1000³ of them, as in all figures that are printed.
  static func bytes(_ argument: UnsafePointer<CChar>?, _ text: StaticString) throws(Failure) -> UInt64 {
    if let argument {
      let last = UInt8(bitPattern: argument[max(CString.length(argument), 1) - 1])
      let unit: UInt64? =
        switch last {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): 1
        case UInt8(ascii: "K"): 1000
        case UInt8(ascii: "M"): 1_000_000
        case UInt8(ascii: "G"): 1_000_000_000
        default: nil
        }
      if let unit, let number = CString.number(argument, until: unit == 1 ? 0 : last), number.value > 0,
        number.length == CString.length(argument) - (unit == 1 ? 0 : 1)
      {
        return UInt64(number.value) * unit
      }
    }
    throw .usage(text, argument)
  }

  /// The name of an instruction-set tier.
  static func isa(_ argument: UnsafePointer<CChar>?) throws(Failure) -> e3_isa {
    var isa = e3_isa(E3_ISA_AUTO)
    guard let argument, e3_isa_from_name(argument, &isa) == 0
    else { throw .usage("--isa takes scalar, avx2, avxvnni, avx512vnni, neon, dotprod or i8mm, not", argument) }
    return isa
  }
}
