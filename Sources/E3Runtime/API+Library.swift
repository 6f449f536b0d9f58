import CE3
import CE3Kernels
import CE3Threads
import E3Format

// Interface version and instruction sets: the part of e3.h that needs no model. The version's text is in CE3.

@c @implementation
public func e3_abi_version() -> UInt32 {
  UInt32(E3_ABI_VERSION_MAJOR) << 16 | UInt32(E3_ABI_VERSION_MINOR)
}

private func isaName(_ isa: Int) -> StaticString? {
  switch isa {
  case E3_ISA_AUTO: "auto"
  case E3_ISA_SCALAR: "scalar"
  case E3_ISA_AVX2: "avx2"
  case E3_ISA_AVXVNNI: "avxvnni"
  case E3_ISA_AVX512VNNI: "avx512vnni"
  case E3_ISA_NEON: "neon"
  case E3_ISA_DOTPROD: "dotprod"
  case E3_ISA_I8MM: "i8mm"
  default: nil
  }
}

@c @implementation
public func e3_isa_name(_ isa: e3_isa) -> UnsafePointer<CChar>? {
  guard let name = isaName(Int(isa)) else { return nil }
  return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func e3_isa_from_name(_ name: UnsafePointer<CChar>?, _ isa: UnsafeMutablePointer<e3_isa>?) -> e3_status {
  status { () throws(E3Error) in
    guard let name, let isa else { throw .nullArgument }
    for candidate in E3_ISA_AUTO...E3_ISA_I8MM {
      guard let known = isaName(candidate), equal(name, known) else { continue }
      isa.pointee = e3_isa(candidate)
      return
    }
    throw .isaUnknown
  }
}

@c @implementation
public func e3_isa_available(_ isa: e3_isa) -> e3_status {
  status { () throws(E3Error) in
    _ = try SessionOptions(isa: isa).kernelTable()
  }
}

@c @implementation
public func e3_cpu_available(_ cpu: UInt16) -> e3_status {
  var before = ce3_affinity()
  defer { ce3_unbind(&before) }
  return e3_status(ce3_bind_caller(&before, cpu) == 0 ? E3_OK : E3_ERROR_THREAD_AFFINITY)
}

/// Whether a C string has the bytes of `text`.
private func equal(_ string: UnsafePointer<CChar>, _ text: StaticString) -> Bool {
  for index in 0..<text.utf8CodeUnitCount where UInt8(bitPattern: string[index]) != text.utf8Start[index] {
    return false  // also at the string's terminator, which no name contains
  }
  return string[text.utf8CodeUnitCount] == 0
}
