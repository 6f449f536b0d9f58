/// Header of a `.npy` file: element type, shape and order.
///
/// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NumpyHeader {
  let elementType: ElementType
  let shape: [Int]
  /// Whether the first axis varies fastest.
  let isFortranOrder: Bool
  /// Bytes before the elements.
  let size: Int

  /// Longest header that is read; numpy itself stops at 10000 characters.
  static let sizeLimit = 1 << 16

  /// Parses the header at the start of `bytes`, which may hold more.
  init(_ bytes: UnsafeRawBufferPointer, file: String, tensor: String? = nil) throws(CheckpointError) {
    func fault(_ problem: String) -> CheckpointError { CheckpointError(file: file, tensor: tensor, problem: problem) }
    guard bytes.count >= 12, bytes.starts(with: [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else {
      throw fault("not a .npy array")
    }
    let start: Int
    let length: Int
    switch bytes[6] {
    case 1: (start, length) = (10, Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))))
    case 2, 3:
      (start, length) = (12, Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))))
    default: throw fault(".npy version \(bytes[6]), expected 1 to 3")
    }
    guard length <= Self.sizeLimit, start + length <= bytes.count else { throw fault("truncated .npy header") }
    size = start + length
    var parser = Parser(text: Array(bytes[start..<size]))
    guard let fields = parser.parse() else { throw fault("malformed .npy header") }
    guard let type = Self.types[fields.descriptor] else {
      throw fault("numpy type '\(fields.descriptor)', expected one of <f4, <f2, |V2 (bfloat16), <f8 or an integer")
    }
    guard
      elementCount(of: fields.shape).flatMap({ checkedProduct($0, type.size) }).flatMap({
        checkedSum($0, start + length)
      })
        != nil
    else { throw fault("shape \(fields.shape) is too large") }
    elementType = type
    shape = fields.shape
    isFortranOrder = fields.isFortranOrder && fields.shape.count > 1
  }

  /// Bytes of header and elements together.
  var totalSize: Int { size + (elementCount(of: shape) ?? 0) * elementType.size }

  private static let types: [String: ElementType] = [
    "<f2": .float16, "|V2": .bfloat16, "<V2": .bfloat16, "<f4": .float32, "<f8": .float64, "|i1": .int8, "|u1": .uint8,
    "<i2": .int16,
    "<u2": .uint16, "<i4": .int32, "<u4": .uint32, "<i8": .int64, "<u8": .uint64,
  ]

  /// Reads the Python dictionary of the header, which always has these three keys:
  /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
  private struct Parser {
    let text: [UInt8]
    var position = 0

    mutating func parse() -> (descriptor: String, isFortranOrder: Bool, shape: [Int])? {
      var descriptor: String?
      var isFortranOrder: Bool?
      var shape: [Int]?
      guard take("{") else { return nil }
      while !take("}") {
        guard let key = string(), take(":") else { return nil }
        switch key {
        case "descr" where descriptor == nil: descriptor = string()
        case "fortran_order" where isFortranOrder == nil:
          isFortranOrder = take("True") ? true : take("False") ? false : nil
        case "shape" where shape == nil: shape = tuple()
        default: return nil
        }
        guard take(",") || peek("}") else { return nil }
      }
      skipSpace()
      guard position == text.count, let descriptor, let isFortranOrder, let shape else { return nil }
      return (descriptor, isFortranOrder, shape)
    }

    private mutating func skipSpace() {
      while position < text.count, text[position] == 0x20 || text[position] == 0x0A { position += 1 }
    }

    private mutating func peek(_ token: StaticString) -> Bool {
      skipSpace()
      let bytes = UnsafeBufferPointer(start: token.utf8Start, count: token.utf8CodeUnitCount)
      return text[position...].starts(with: bytes)
    }

    private mutating func take(_ token: StaticString) -> Bool {
      guard peek(token) else { return false }
      position += token.utf8CodeUnitCount
      return true
    }

    private mutating func string() -> String? {
      guard take("'"), let end = text[position...].firstIndex(of: 0x27), end - position <= 64 else { return nil }
      defer { position = end + 1 }
      return String(validating: text[position..<end], as: UTF8.self)
    }

    private mutating func tuple() -> [Int]? {
      guard take("(") else { return nil }
      var values: [Int] = []
      while !take(")") {
        skipSpace()
        let digits = text[position...].prefix { (0x30...0x39).contains($0) }
        guard values.count < 32, !digits.isEmpty, let value = Int(String(decoding: digits, as: UTF8.self)) else {
          return nil
        }
        position = digits.endIndex
        values.append(value)
        guard take(",") || peek(")") else { return nil }
      }
      return values
    }
  }
}
