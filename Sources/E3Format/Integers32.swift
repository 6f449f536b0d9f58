// The 64-bit integers of a 32-bit build.
//
// There the standard library's conversions and shifts of 64-bit integers go through `UInt64.Words`, a collection whose
// conformance knows how to make an array, and `-no-allocations` refuses that. These overloads, which the compiler
// prefers to the generic ones, do the same work, and stop where those would, without it. Each module has this file (the
// others' are links), so that no source file needs an import for it.
#if _pointerBitWidth(_32)
  extension UInt64 {
    @inline(__always)
    init(_ value: UInt) { self.init(_truncatingBits: value) }

    @inline(__always)
    init(_ value: UInt32) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    init(_ value: UInt16) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    init(_ value: UInt8) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    init(_ value: Int) {
      precondition(value >= 0)
      self.init(_truncatingBits: UInt(bitPattern: value))
    }

    @inline(__always)
    init(_ value: Int32) { self.init(Int(value)) }

    /// The bits of `value << distance`; zero from 64 on.
    @inline(__always)
    static func << (value: UInt64, distance: UInt64) -> UInt64 { distance < 64 ? value &<< distance : 0 }

    @inline(__always)
    static func << (value: UInt64, distance: Int) -> UInt64 { value << UInt64(distance) }

    /// The bits of `value >> distance`; zero from 64 on.
    @inline(__always)
    static func >> (value: UInt64, distance: UInt64) -> UInt64 { distance < 64 ? value &>> distance : 0 }

    @inline(__always)
    static func >> (value: UInt64, distance: Int) -> UInt64 { value >> UInt64(distance) }
  }

  extension Int64 {
    @inline(__always)
    init(_ value: UInt32) { self.init(bitPattern: UInt64(value)) }
  }

  extension Double {
    /// The nearest double: the upper 48 bits are exact, so the sum is rounded once.
    @inline(__always)
    init(_ value: UInt64) {
      let upper = Double(Int(truncatingIfNeeded: value &>> 40))
      let middle = Double(Int(truncatingIfNeeded: (value &>> 16) & 0xFF_FFFF))
      let lower = Double(Int(truncatingIfNeeded: value & 0xFFFF))
      self = (upper * 16_777_216 + middle) * 65_536 + lower
    }

    @inline(__always)
    init(_ value: UInt32) { self.init(UInt64(value)) }
  }

  extension Float {
    @inline(__always)
    init(_ value: Int32) { self.init(Int(value)) }

    @inline(__always)
    init(_ value: Int8) { self.init(Int(value)) }

    /// The nearest float: the two halves make an exact double, which is rounded once.
    @inline(__always)
    init(_ value: UInt32) {
      self.init(Double(Int(value >> 16)) * 65536 + Double(Int(value & 0xFFFF)))
    }
  }

  // Beside the shifts of `UInt64`, so that an untyped `1 << 20` stays an `Int`.
  extension Int {
    @inline(__always)
    static func << (value: Int, distance: Int) -> Int {
      precondition(distance >= 0)
      return distance < bitWidth ? value &<< distance : 0
    }

    @inline(__always)
    static func >> (value: Int, distance: Int) -> Int {
      precondition(distance >= 0)
      return value &>> Swift.min(distance, bitWidth - 1)
    }

    @inline(__always)
    init(_ value: UInt64) {
      precondition(value <= UInt64(Int.max))
      self.init(truncatingIfNeeded: value)
    }
  }
#endif
