/// The 64-bit xxHash of a stream of bytes, seed 0 by default.
///
/// Source: the xxHash specification, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md. Not cryptographic:
/// it finds damage, not forgery.
public struct XXH64: Sendable {
  private var lane0: UInt64
  private var lane1: UInt64
  private var lane2: UInt64
  private var lane3: UInt64
  /// The bytes after the last whole 32-byte stripe.
  private var tail: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private var length: UInt64 = 0
  private let seed: UInt64

  private static var prime1: UInt64 { 0x9E37_79B1_85EB_CA87 }
  private static var prime2: UInt64 { 0xC2B2_AE3D_27D4_EB4F }
  private static var prime3: UInt64 { 0x1656_67B1_9E37_79F9 }
  private static var prime4: UInt64 { 0x85EB_CA77_C2B2_AE63 }
  private static var prime5: UInt64 { 0x27D4_EB2F_1656_67C5 }

  public init(seed: UInt64 = 0) {
    self.seed = seed
    lane0 = seed &+ Self.prime1 &+ Self.prime2
    lane1 = seed &+ Self.prime2
    lane2 = seed
    lane3 = seed &- Self.prime1
  }

  /// Goes on with a stream of seed 0 after `length` bytes, a multiple of 32, which left `lanes`.
  init(lanes: (UInt64, UInt64, UInt64, UInt64), length: UInt64) {
    seed = 0
    (lane0, lane1, lane2, lane3) = lanes
    self.length = length / 32 * 32
  }

  /// What ``init(lanes:length:)`` takes, after a multiple of 32 bytes.
  var lanes: (UInt64, UInt64, UInt64, UInt64) { (lane0, lane1, lane2, lane3) }

  /// The hash of `bytes`.
  public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var state = XXH64(seed: seed)
    state.update(bytes)
    return state.digest
  }

  /// Appends `bytes` to the stream.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard var next = bytes.baseAddress, bytes.count > 0 else { return }
    var left = bytes.count
    let held = Int(length % 32)
    length &+= UInt64(left)
    if held > 0 {
      let taken = min(32 - held, left)
      withUnsafeMutableBytes(of: &tail) { buffer in
        for i in 0..<taken { buffer[held + i] = next.load(fromByteOffset: i, as: UInt8.self) }
      }
      next += taken
      left -= taken
      if held + taken < 32 { return }
      lane0 = Self.round(lane0, tail.0.littleEndian)
      lane1 = Self.round(lane1, tail.1.littleEndian)
      lane2 = Self.round(lane2, tail.2.littleEndian)
      lane3 = Self.round(lane3, tail.3.littleEndian)
    }
    var (a, b, c, d) = (lane0, lane1, lane2, lane3)
    while left >= 32 {
      a = Self.round(a, Self.word(next, 0))
      b = Self.round(b, Self.word(next, 8))
      c = Self.round(c, Self.word(next, 16))
      d = Self.round(d, Self.word(next, 24))
      next += 32
      left -= 32
    }
    (lane0, lane1, lane2, lane3) = (a, b, c, d)
    withUnsafeMutableBytes(of: &tail) { buffer in
      for i in 0..<left { buffer[i] = next.load(fromByteOffset: i, as: UInt8.self) }
    }
  }

  /// The hash of the bytes so far. The stream can be continued.
  public var digest: UInt64 {
    var hash: UInt64
    if length >= 32 {
      hash = Self.rotate(lane0, 1) &+ Self.rotate(lane1, 7) &+ Self.rotate(lane2, 12) &+ Self.rotate(lane3, 18)
      hash = Self.merge(hash, lane0)
      hash = Self.merge(hash, lane1)
      hash = Self.merge(hash, lane2)
      hash = Self.merge(hash, lane3)
    } else {
      hash = seed &+ Self.prime5
    }
    hash &+= length
    hash = withUnsafeBytes(of: tail) { buffer in
      var hash = hash
      var next = 0
      let count = Int(length % 32)
      while next + 8 <= count {
        let word = UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: next, as: UInt64.self))
        hash = Self.rotate(hash ^ Self.round(0, word), 27) &* Self.prime1 &+ Self.prime4
        next += 8
      }
      if next + 4 <= count {
        let word = UInt64(UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: next, as: UInt32.self)))
        hash = Self.rotate(hash ^ (word &* Self.prime1), 23) &* Self.prime2 &+ Self.prime3
        next += 4
      }
      while next < count {
        hash = Self.rotate(hash ^ (UInt64(buffer[next]) &* Self.prime5), 11) &* Self.prime1
        next += 1
      }
      return hash
    }
    hash = (hash ^ (hash >> 33)) &* Self.prime2
    hash = (hash ^ (hash >> 29)) &* Self.prime3
    return hash ^ (hash >> 32)
  }

  @inline(__always)
  private static func word(_ pointer: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: pointer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
    (value &<< bits) | (value &>> (64 &- bits))
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ (word &* prime2), 31) &* prime1
  }

  @inline(__always)
  private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
    (hash ^ round(0, lane)) &* prime1 &+ prime4
  }
}
