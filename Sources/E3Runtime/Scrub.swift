import CE3
import E3Format

/// The scrub behind `e3_model_scrub`: its position stands in the caller's struct, with a hash by which other bytes are
/// told from one.
enum Scrub {
  /// Checks the next `bytes` of `model`.
  ///
  /// - Throws: `fileChanged`, `fileExtent`, `fileChecksum`.
  static func run(_ model: ModelFile, _ scrub: inout e3_scrub, bytes: UInt64) throws(E3Error) {
    var position = ScrubPosition()
    let opaque = scrub.opaque
    if opaque.6 == hash(scrub, model) {
      position.step = UInt32(truncatingIfNeeded: opaque.5)
      position.offset = opaque.4
      position.lanes = (opaque.0, opaque.1, opaque.2, opaque.3)
    } else {
      scrub.passes = 0
    }
    scrub.extent = max(position.step, 1) - 1
    defer {
      let lanes = position.lanes
      scrub.opaque = (lanes.0, lanes.1, lanes.2, lanes.3, position.offset, UInt64(position.step), 0, 0)
      scrub.opaque.6 = hash(scrub, model)
    }
    do throws(E3Error) {
      if try model.scrub(&position, bytes: bytes) { scrub.passes &+= 1 }
      scrub.extent = max(position.step, 1) - 1
    } catch {
      // The position is behind the damage.
      scrub.extent = max(position.step, 2) - 2
      throw error
    }
  }

  private static func hash(_ scrub: e3_scrub, _ model: ModelFile) -> UInt64 {
    var hash = XXH64(seed: model.checksum)
    hash.add(scrub.passes)
    let opaque = scrub.opaque
    hash.add(opaque.0)
    hash.add(opaque.1)
    hash.add(opaque.2)
    hash.add(opaque.3)
    hash.add(opaque.4)
    hash.add(opaque.5)
    return hash.digest
  }
}

extension XXH64 {
  fileprivate mutating func add(_ word: UInt64) { withUnsafeBytes(of: word) { update($0) } }
}
