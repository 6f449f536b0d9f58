extension Span<UInt8> {
  /// The characters of a C string that lives as long as the program; none for null.
  @_lifetime(immortal)
  init(staticText text: UnsafePointer<CChar>?) {
    guard let text else {
      self = Span()
      return
    }
    var count = 0
    while text[count] != 0 { count += 1 }
    let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
    self = _overrideLifetime(Span(_unsafeStart: bytes, count: count), copying: ())
  }
}

#if !hasFeature(Embedded)
  extension String {
    /// The text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD.
    init(copying bytes: Span<UInt8>) {
      self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
  }

  extension Array where Element: BitwiseCopyable {
    /// The elements of a span.
    package init(copying span: Span<Element>) {
      self = span.withUnsafeBufferPointer { Array($0) }
    }
  }
#endif
