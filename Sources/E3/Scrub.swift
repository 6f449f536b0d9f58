import CE3

/// Where a repeated check of a model's bytes is. The equivalent of `e3_scrub`.
public struct Scrub: Sendable {
  fileprivate var scrub = e3_scrub()

  /// At the start of the file.
  public init() { scrub.struct_size = UInt32(MemoryLayout<e3_scrub>.size) }

  /// The extent that is read, in the order of the file's table; after an error the damaged one.
  public var extent: Int { Int(scrub.extent) }
  /// How often the whole file was read.
  public var passes: UInt64 { scrub.passes }
}

extension Model {
  /// Checks the next bytes of the file against the stored checksums, and after the last ones starts anew.
  ///
  /// A little of it between frames finds a flipped bit of flash or memory within one pass. After an error the next call
  /// goes on behind the damage.
  ///
  /// - Parameters:
  ///   - scrub: Where the check is; it moves on.
  ///   - byteCount: How many bytes to read, rounded up to 64.
  /// - Throws: `fileChanged`, `fileChecksum`, `fileExtent`.
  public func check(_ scrub: inout Scrub, byteCount: Int) throws(E3Error) {
    let status = withUnsafePointer(to: handle) { e3_model_scrub($0, &scrub.scrub, max(byteCount, 0)) }
    try E3Error.check(status)
  }
}
