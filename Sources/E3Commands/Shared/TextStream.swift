import CE3
import CE3Board
import E3Format

/// Standard output or standard error. Failures of standard output are remembered and come out of `flush`.
struct TextStream {
  let stream: Int32

  static var output: TextStream { TextStream(stream: Int32(E3C_STDOUT)) }
  static var errors: TextStream { TextStream(stream: Int32(E3C_STDERR)) }
  /// The file that `e3c_begin_file` began.
  static var file: TextStream { TextStream(stream: Int32(E3C_FILE)) }

  func write(_ text: StaticString) {
    text.withUTF8Buffer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { e3c_put(stream, $0.baseAddress, $0.count) }
    }
  }

  /// A C string; nothing when it is null.
  func write(cString text: UnsafePointer<CChar>?) {
    guard let text else { return }
    e3c_put(stream, text, CString.length(text))
  }

  /// A path, or what else somebody chose: a question mark for what would break the line or command a terminal.
  func write(path text: UnsafePointer<CChar>) {
    let bytes = CString.bytes(text)
    var index = 0
    while index < bytes.count {
      let length = UTF8Text.sequenceLength(bytes, index)
      if length > 0, UTF8Text.isPrintable(UTF8Text.scalar(bytes, index, length: length)) {
        write(UnsafeRawBufferPointer(rebasing: bytes[index..<index + length]))
      } else if length > 0 || bytes[index] < 0xA0 {
        write("?")
      } else {
        write(byte: bytes[index])  // of another encoding
      }
      index += max(length, 1)
    }
  }

  /// The same behind a space, between quotes.
  func write(quoted text: UnsafePointer<CChar>) {
    write(" '")
    write(path: text)
    write("'")
  }

  func write(_ value: UInt64) { e3c_put_unsigned(stream, value) }

  func write(_ value: UInt32) { e3c_put_unsigned(stream, UInt64(value)) }

  func write(_ value: Int) {
    if value < 0 { write("-") }
    e3c_put_unsigned(stream, UInt64(value.magnitude))
  }

  func write(byte: UInt8) {
    withUnsafePointer(to: CChar(bitPattern: byte)) { e3c_put(stream, $0, 1) }
  }

  func write(_ text: StaticString, times count: Int) {
    for _ in 0..<max(count, 0) { write(text) }
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    e3c_put(stream, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
  }

  /// A number with `decimals` digits after the point, behind spaces that fill `width` characters.
  func write(_ value: Double, decimals: Int32, width: Int32 = 0) { e3c_put_fixed(stream, value, decimals, width) }

  /// A share of 1 in percent.
  func write(percent share: Float, decimals: Int32 = 1, width: Int32 = 0) {
    write(Double(share) * 100, decimals: decimals, width: width)
    write(" %")
  }

  /// A share of 1 that somebody asked for in percent, with as many digits as it takes, at most four behind the point.
  func write(askedPercent share: Float) {
    let percent = Double(share) * 100
    var (scale, decimals) = (1.0, Int32(0))
    // A float of a share is off by less.
    while decimals < 4, abs(Double(Int(percent * scale + 0.5)) / scale - percent) > 1e-5 {
      (scale, decimals) = (scale * 10, decimals + 1)
    }
    write(percent, decimals: decimals)
    write(" %")
  }

  /// `WIDTHxHEIGHT`.
  func write(size: (width: UInt32, height: UInt32)) {
    write(size.width)
    write("x")
    write(size.height)
  }

  /// The command's name and the library's version.
  func writeVersion() {
    write(cString: e3c_name())
    write(" ")
    write(cString: e3_version_text())
    write("\n")
  }

  /// Writes what is buffered; 0, or the errno of the first failure.
  func flush() -> Int32 { e3c_flush() }
}
