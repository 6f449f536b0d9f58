import CE3
@_exported import struct E3Format.E3Error

extension E3Error {
  /// What the status means, in one line of English without a trailing period; static storage.
  public var utf8Text: Span<UInt8> {
    @_lifetime(immortal)
    get { Span(staticText: e3_status_text(rawValue)) }
  }

  /// Throws the error that a status of the C interface names.
  static func check(_ status: e3_status) throws(E3Error) {
    guard status == E3_OK else { throw E3Error(rawValue: status) }
  }
}

#if !hasFeature(Embedded)
  extension E3Error: CustomStringConvertible {
    /// The text of the status, as `e3_status_text` gives it.
    public var description: String { String(copying: utf8Text) }
  }
#endif
