/// Encodings of one element in a file. All are little-endian.
public enum ElementType: String, Sendable, CaseIterable {
  case float16, bfloat16, float32, float64
  case int8, uint8, int16, uint16, int32, uint32, int64, uint64

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .int8, .uint8: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Whether weights may be stored so.
  package var isWeight: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// Converts `count` elements at `source` (any alignment) to float32 at `destination`. Exact for the 8- and 16-bit
  /// types and float32, rounded to nearest for the wider ones.
  package func convert(_ source: UnsafeRawPointer, count: Int, to destination: UnsafeMutablePointer<Float>) {
    switch self {
    case .float32: UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: 4 * count)
    case .bfloat16:
      for i in 0..<count {
        let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
        destination[i] = Float(bitPattern: UInt32(bits) << 16)
      }
    case .float16:
      for i in 0..<count {
        let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
        destination[i] = Float(Float16(bitPattern: bits))
      }
    case .float64:
      for i in 0..<count {
        let bits = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self))
        destination[i] = Float(Double(bitPattern: bits))
      }
    case .int8: Self.convertIntegers(source, as: Int8.self, count: count, to: destination)
    case .uint8: Self.convertIntegers(source, as: UInt8.self, count: count, to: destination)
    case .int16: Self.convertIntegers(source, as: Int16.self, count: count, to: destination)
    case .uint16: Self.convertIntegers(source, as: UInt16.self, count: count, to: destination)
    case .int32: Self.convertIntegers(source, as: Int32.self, count: count, to: destination)
    case .uint32: Self.convertIntegers(source, as: UInt32.self, count: count, to: destination)
    case .int64: Self.convertIntegers(source, as: Int64.self, count: count, to: destination)
    case .uint64: Self.convertIntegers(source, as: UInt64.self, count: count, to: destination)
    }
  }

  private static func convertIntegers<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ source: UnsafeRawPointer, as type: Integer.Type, count: Int, to destination: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<count {
      let value = source.loadUnaligned(fromByteOffset: MemoryLayout<Integer>.stride * i, as: Integer.self)
      destination[i] = Float(Integer(littleEndian: value))
    }
  }
}
