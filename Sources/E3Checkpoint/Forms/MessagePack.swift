import E3Host

/// A bounds-checked cursor over msgpack bytes. Nothing is decoded that was not asked for, so that a gigabyte of array
/// data is passed over without being touched.
///
/// Source: https://github.com/msgpack/msgpack/blob/master/spec.md
struct MessagePackReader {
  /// Header of the next value; the content of arrays and maps follows as values of its own.
  enum Item {
    case `nil`
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(Range<Int>)
    case binary(Range<Int>)
    case array(count: Int)
    case map(count: Int)
    case ext(code: Int8, Range<Int>)
  }

  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private(set) var position: Int
  private let end: Int

  /// Reads `range` of `bytes`, all of it by default. `file` names the bytes in errors. The bytes must outlive the
  /// reader.
  init(_ bytes: UnsafeRawBufferPointer, range: Range<Int>? = nil, file: String) {
    self.bytes = bytes
    self.file = file
    position = range?.lowerBound ?? 0
    end = range?.upperBound ?? bytes.count
  }

  /// Reader of the payload `range` of a `binary` or `ext` item.
  func nested(_ range: Range<Int>) -> MessagePackReader { MessagePackReader(bytes, range: range, file: file) }

  var isAtEnd: Bool { position == end }

  func fault(_ problem: String) -> FileError {
    FileError(file: file, problem: "\(problem) at byte \(position)")
  }

  /// Reads the header of the next value, and its content unless it is an array or a map.
  mutating func next() throws(FileError) -> Item {
    let tag = UInt8(try big(1))
    switch tag {
    case 0x00...0x7F: return .integer(Int(tag))
    case 0x80...0x8F: return .map(count: try children(Int(tag & 0x0F), perChild: 2))
    case 0x90...0x9F: return .array(count: try children(Int(tag & 0x0F), perChild: 1))
    case 0xA0...0xBF: return .string(try payload(Int(tag & 0x1F)))
    case 0xC0: return .nil
    case 0xC2, 0xC3: return .bool(tag == 0xC3)
    case 0xC4, 0xC5, 0xC6: return .binary(try payload(try length(1 << (tag - 0xC4))))
    case 0xC7, 0xC8, 0xC9:
      let size = try length(1 << (tag - 0xC7))
      return .ext(code: Int8(truncatingIfNeeded: try big(1)), try payload(size))
    case 0xCA: return .float(Double(Float(bitPattern: UInt32(try big(4)))))
    case 0xCB: return .float(Double(bitPattern: try big(8)))
    case 0xCC, 0xCD, 0xCE, 0xCF:
      guard let value = Int(exactly: try big(1 << Int(tag - 0xCC))) else { throw fault("an integer beyond 2^63") }
      return .integer(value)
    case 0xD0: return .integer(Int(Int8(truncatingIfNeeded: try big(1))))
    case 0xD1: return .integer(Int(Int16(truncatingIfNeeded: try big(2))))
    case 0xD2: return .integer(Int(Int32(truncatingIfNeeded: try big(4))))
    case 0xD3: return .integer(Int(truncatingIfNeeded: try big(8)))
    case 0xD4...0xD8: return .ext(code: Int8(truncatingIfNeeded: try big(1)), try payload(1 << Int(tag - 0xD4)))
    case 0xD9, 0xDA, 0xDB: return .string(try payload(try length(1 << (tag - 0xD9))))
    case 0xDC, 0xDD: return .array(count: try children(try length(tag == 0xDC ? 2 : 4), perChild: 1))
    case 0xDE, 0xDF: return .map(count: try children(try length(tag == 0xDE ? 2 : 4), perChild: 2))
    case 0xE0...0xFF: return .integer(Int(Int8(bitPattern: tag)))
    default: throw fault("msgpack tag \(tag), which no value has,")
    }
  }

  /// Passes over the next value with all that is inside it. Needs no recursion, whatever the nesting.
  mutating func skip() throws(FileError) {
    var pending = 1
    while pending > 0 {
      pending -= 1
      // Counts are limited by the bytes that are left, so the sum cannot leave Int.
      switch try next() {
      case .array(let count): pending += count
      case .map(let count): pending += 2 * count
      default: break
      }
    }
  }

  mutating func readInteger() throws(FileError) -> Int {
    guard case .integer(let value) = try next() else { throw fault("expected an integer") }
    return value
  }

  mutating func readString() throws(FileError) -> String {
    guard case .string(let range) = try next() else { throw fault("expected a string") }
    guard range.count <= 1024, let text = readableText(bytes[range]) else {
      throw fault("a string that is not UTF-8 or longer than 1024 bytes")
    }
    return text
  }

  mutating func readBinary() throws(FileError) -> Range<Int> {
    guard case .binary(let range) = try next() else { throw fault("expected bytes") }
    return range
  }

  mutating func readArray(count expected: Int? = nil) throws(FileError) -> Int {
    guard case .array(let count) = try next(), expected == nil || count == expected else {
      throw fault("expected an array\(expected.map { " of \($0)" } ?? "")")
    }
    return count
  }

  mutating func readExtension(_ code: Int8) throws(FileError) -> Range<Int> {
    guard case .ext(code, let range) = try next() else { throw fault("expected extension type \(code)") }
    return range
  }

  mutating func readIntegers() throws(FileError) -> [Int] {
    let count = try readArray()
    var values: [Int] = []
    for _ in 0..<count { values.append(try readInteger()) }
    return values
  }

  /// A big-endian unsigned number of `size` bytes.
  private mutating func big(_ size: Int) throws(FileError) -> UInt64 {
    guard end - position >= size else { throw fault("truncated msgpack") }
    var value: UInt64 = 0
    for i in 0..<size { value = value << 8 | UInt64(bytes[position + i]) }
    position += size
    return value
  }

  private mutating func length(_ size: Int) throws(FileError) -> Int { Int(try big(size)) }

  private mutating func payload(_ size: Int) throws(FileError) -> Range<Int> {
    guard size <= end - position else { throw fault("truncated msgpack: \(size) bytes announced,") }
    defer { position += size }
    return position..<position + size
  }

  /// Every child takes at least one byte, which bounds a hostile count.
  private func children(_ count: Int, perChild: Int) throws(FileError) -> Int {
    guard count * perChild <= end - position else { throw fault("truncated msgpack: \(count) elements announced,") }
    return count
  }
}
