// The 64-bit integers of a 32-bit build.
//
// There the standard library's conversions and shifts of 64-bit integers go through `UInt64.Words`, a collection whose
// conformance knows how to make an array, and `-no-allocations` refuses that. These overloads, which the compiler
// prefers to the generic ones, do the same work, and stop where those would, without it.
#if _pointerBitWidth(_32)
  extension UInt64 {
    @inline(__always)
    package init(_ value: UInt) { self.init(_truncatingBits: value) }

    @inline(__always)
    package init(_ value: UInt32) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    package init(_ value: UInt16) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    package init(_ value: UInt8) { self.init(_truncatingBits: UInt(value)) }

    @inline(__always)
    package init(_ value: Int) {
      precondition(value >= 0)
      self.init(_truncatingBits: UInt(bitPattern: value))
    }

    @inline(__always)
    package init(_ value: Int32) { self.init(Int(value)) }

    /// The bits of `value << distance`; zero from 64 on.
    @inline(__always)
    package static func << (value: UInt64, distance: UInt64) -> UInt64 { distance < 64 ? value &<< distance : 0 }

    @inline(__always)
    package static func << (value: UInt64, distance: Int) -> UInt64 { value << UInt64(distance) }

    /// The bits of `value >> distance`; zero from 64 on.
    @inline(__always)
    package static func >> (value: UInt64, distance: UInt64) -> UInt64 { distance < 64 ? value &>> distance : 0 }

    @inline(__always)
    package static func >> (value: UInt64, distance: Int) -> UInt64 { value >> UInt64(distance) }
  }

  extension Int64 {
    @inline(__always)
    package init(_ value: UInt32) { self.init(bitPattern: UInt64(value)) }
  }

  extension Float {
    /// The nearest float: the two halves make an exact double, which is rounded once.
    @inline(__always)
    package init(_ value: UInt32) {
      self.init(Double(Int(value >> 16)) * 65536 + Double(Int(value & 0xFFFF)))
    }
  }

  extension Int {
    @inline(__always)
    package init(_ value: UInt64) {
      precondition(value <= UInt64(Int.max))
      self.init(truncatingIfNeeded: value)
    }
  }
#endif
