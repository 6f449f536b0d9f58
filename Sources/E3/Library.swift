import CE3

/// What can be said of the library without a model.
public enum Library {
  /// Version of the C interface, `major << 16 | minor`.
  public static var interfaceVersion: UInt32 { e3_abi_version() }

  /// Version of the library as text, for example `1.0.0`; static storage.
  public static var utf8Version: Span<UInt8> {
    @_lifetime(immortal)
    get { Span(staticText: e3_version_text()) }
  }

  /// Whether threads of this process may be bound to the processor `cpu`, as ``SessionOptions/pin(to:)`` asks for it. The
  /// calling thread is bound to it for a moment.
  public static func canPin(to cpu: UInt16) -> Bool { e3_cpu_available(cpu) == E3_OK }
}

/// An instruction-set tier of the kernels. Each gives the same bits; they differ in speed.
public enum InstructionSet: UInt32, Sendable {
  /// The fastest that this CPU has.
  case automatic = 0
  /// Portable C, the definition of the bits.
  case scalar = 1
  /// x86-64: AVX2.
  case avx2 = 2
  /// x86-64: AVX2 with 256-bit VNNI.
  case avxVNNI = 3
  /// x86-64: AVX-512 F, BW, VL and DQ with VNNI.
  case avx512VNNI = 4
  /// ARM: Advanced SIMD.
  case neon = 5
  /// ARMv8.2: `sdot`.
  case dotProduct = 6
  /// ARMv8.6: `smmla`.
  case int8MatrixMultiply = 7

  /// Whether this build has the tier and this CPU can run it.
  public var isAvailable: Bool { e3_isa_available(rawValue) == E3_OK }

  /// Name as `e3-run --isa` takes it, for example `avx512vnni`; static storage.
  public var utf8Name: Span<UInt8> {
    @_lifetime(immortal)
    get { Span(staticText: e3_isa_name(rawValue)) }
  }
}

#if !hasFeature(Embedded)
  extension Library {
    /// Version of the library, for example `1.0.0`.
    public static var version: String { String(copying: utf8Version) }
  }

  extension InstructionSet: CustomStringConvertible, CaseIterable {
    /// Name as `e3-run --isa` takes it.
    public var description: String { String(copying: utf8Name) }
  }
#endif
