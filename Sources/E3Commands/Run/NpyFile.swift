import CE3
import CE3System

/// Images in a NumPy file: [N][height][width][channels] or [height][width][channels], C order, little-endian float32 in
/// the model's value range, or bytes, which are camera pixels and go through the preprocessing recipe.
struct NpyFile: ~Copyable {
  enum Element {
    case float32, uint8

    var bytes: Int { self == .float32 ? 4 : 1 }
  }

  let path: UnsafePointer<CChar>
  let element: Element
  let imageCount: Int
  let imageBytes: Int
  private let file: MappedFile
  private let firstImage: Int

  /// Maps the file and checks it against the model's image.
  init(_ path: UnsafePointer<CChar>, _ info: e3_model_info) throws(Failure) {
    let file = try MappedFile(path)
    let header = try NpyHeader(file.bytes, path)
    let image = (Int(info.image_height), Int(info.image_width), Int(info.channels))
    guard header.image == image else {
      throw .report(path, "the shape is ") { errors in
        Self.writeShape(header.imageCount, header.image, to: errors)
        errors.write(", the model takes images of ")
        Self.writeShape(nil, image, to: errors)
      }
    }
    let imageBytes = image.0 * image.1 * image.2 * header.element.bytes
    let imageCount = header.imageCount ?? 1
    let (total, overflow) = imageBytes.multipliedReportingOverflow(by: imageCount)
    guard !overflow, file.bytes.count - header.dataOffset >= total else {
      throw .report(path, "the file is shorter than its header says")
    }
    self.path = path
    self.file = file
    self.imageBytes = imageBytes
    element = header.element
    self.imageCount = imageCount
    firstImage = header.dataOffset
  }

  /// `(images, height, width, channels)`, or without the images.
  private static func writeShape(_ images: Int?, _ image: (Int, Int, Int), to stream: TextStream) {
    stream.write("(")
    if let images {
      stream.write(images)
      stream.write(", ")
    }
    stream.write(image.0)
    stream.write(", ")
    stream.write(image.1)
    stream.write(", ")
    stream.write(image.2)
    stream.write(")")
  }

  /// The bytes of an image, not necessarily aligned.
  func image(_ index: Int) -> UnsafeRawBufferPointer {
    let start = firstImage + index * imageBytes
    return UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + imageBytes])
  }
}

/// The header of a `.npy` file, versions 1 to 3 (numpy.lib.format).
private struct NpyHeader {
  private(set) var element = NpyFile.Element.float32
  private(set) var dataOffset = 0
  /// Up to four dimensions, the last of them at the end.
  private var shape = (1, 1, 1, 1)
  private var dimensions = 0

  /// Nil when the shape is that of one image.
  var imageCount: Int? { dimensions == 4 ? shape.0 : nil }
  var image: (Int, Int, Int) { (shape.1, shape.2, shape.3) }

  init(_ bytes: UnsafeRawBufferPointer, _ path: UnsafePointer<CChar>) throws(Failure) {
    guard bytes.count >= 12, bytes[0] == 0x93, Self.holds(bytes, 1, "NUMPY")
    else { throw .report(path, "not a .npy file") }
    let isLong = bytes[6] >= 2
    var length = Int(bytes[8]) | Int(bytes[9]) << 8
    if isLong { length |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
    let start = isLong ? 12 : 10
    guard (1...3).contains(bytes[6]), bytes.count - start >= length
    else { throw .report(path, "a truncated .npy file, or an unknown version of the format") }
    dataOffset = start + length
    let text = UnsafeRawBufferPointer(rebasing: bytes[start..<dataOffset])

    if Self.value(text, "'descr':", holds: "'<f4'") {
      element = .float32
    } else if Self.value(text, "'descr':", holds: "'|u1'") {
      element = .uint8
    } else {
      throw .report(path, "the elements are neither little-endian float32 ('<f4') nor bytes ('|u1')")
    }
    guard Self.value(text, "'fortran_order':", holds: "False")
    else { throw .report(path, "the array is not in C order") }
    guard readShape(text), dimensions == 3 || dimensions == 4
    else { throw .report(path, "the shape is not [N, height, width, channels] or [height, width, channels]") }
  }

  private mutating func readShape(_ text: UnsafeRawBufferPointer) -> Bool {
    guard var at = Self.position(text, after: "'shape':"), at < text.count, text[at] == UInt8(ascii: "(")
    else { return false }
    at += 1
    while at < text.count, text[at] != UInt8(ascii: ")") {
      var number = 0
      var digits = 0
      while at < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[at]) {
        if digits == 9 { return false }
        number = number * 10 + Int(text[at] - UInt8(ascii: "0"))
        digits += 1
        at += 1
      }
      if digits == 0 || dimensions == 4 { return false }
      shape = (dimensions == 3 ? shape.1 : 1, shape.2, shape.3, number)
      dimensions += 1
      while at < text.count, text[at] == UInt8(ascii: ",") || text[at] == UInt8(ascii: " ") { at += 1 }
    }
    return at < text.count
  }

  /// Position after `key` and spaces.
  private static func position(_ text: UnsafeRawBufferPointer, after key: StaticString) -> Int? {
    guard text.count >= key.utf8CodeUnitCount else { return nil }
    for start in 0...text.count - key.utf8CodeUnitCount where holds(text, start, key) {
      var at = start + key.utf8CodeUnitCount
      while at < text.count, text[at] == UInt8(ascii: " ") { at += 1 }
      return at
    }
    return nil
  }

  /// Whether the value of `key` starts with `value`.
  private static func value(_ text: UnsafeRawBufferPointer, _ key: StaticString, holds value: StaticString) -> Bool {
    guard let at = position(text, after: key) else { return false }
    return holds(text, at, value)
  }

  private static func holds(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ text: StaticString) -> Bool {
    guard bytes.count - start >= text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { text in
      for index in 0..<text.count where bytes[start + index] != text[index] { return false }
      return true
    }
  }
}
