import CE3

/// How far a scrub of a model has come: see ``ModelFile/scrub(_:bytes:)``.
public struct ScrubPosition: BitwiseCopyable, Sendable {
  /// 0: the table comes next; i + 1: the extent at `i` does.
  public var step: UInt32 = 0
  /// Bytes of the extent that were read; a multiple of 32.
  public var offset: UInt64 = 0
  /// State of the hash of those bytes.
  public var lanes: (UInt64, UInt64, UInt64, UInt64) = XXH64().lanes

  public init() {}

  fileprivate mutating func advance() {
    let next = step + 1
    self = ScrubPosition()
    step = next
  }
}

extension ModelFile {
  /// Checks the next `bytes`, rounded up to 64, against the checksums; the last of the file end the call. The table at
  /// the start of a pass and the gap before an extent are read at once.
  ///
  /// - Throws: `fileChanged`, `fileExtent`, `fileChecksum`; `position` is then behind the damage.
  /// - Returns: whether the whole file has been read.
  public func scrub(_ position: inout ScrubPosition, bytes: UInt64) throws(E3Error) -> Bool {
    var left = bytes > UInt64(size) ? UInt64(size) : ExtentPlan.aligned(max(bytes, 1), to: 64)
    if position.step == 0 {
      position.advance()
      try verifyTable()
    }
    while left > 0, position.step <= UInt32(extentCount) {
      let index = Int(position.step) - 1
      if position.offset == 0 {
        // Its bytes are another extent's, which has the same checksum.
        if try isShared(index) {
          position.advance()
          continue
        }
        let gap = try gap(before: index)
        guard gap.isZero(from: 0, to: gap.count) else {
          position.advance()
          throw .fileExtent
        }
      }
      let extent = self.bytes(at: index)
      let start = min(position.offset, UInt64(extent.count))
      let remaining = UInt64(extent.count) - start
      // The hash is kept in whole blocks: what is left of a call behind an extent of odd length may be less than one.
      let count = remaining <= left ? remaining : left / 64 * 64
      if count == 0, remaining > 0 { return false }
      var hash = XXH64(lanes: position.lanes, length: start)
      hash.update(UnsafeRawBufferPointer(rebasing: extent[Int(start)..<Int(start + count)]))
      left -= min(max(count, 64), left)  // an empty extent, too, takes its time
      if start + count < UInt64(extent.count) {
        (position.offset, position.lanes) = (start + count, hash.lanes)
      } else {
        position.advance()
        guard hash.digest == self.extent(at: index).checksum else { throw .fileChecksum }
      }
    }
    guard position.step > UInt32(extentCount) else { return false }
    position = ScrubPosition()
    return true
  }
}
