import CE3
import E3Format

/// What a model may cost, so that a small file cannot claim hours or gigabytes.
///
/// A real model multiplies each weight with its tokens: some thousands of multiply-accumulates for each byte of its file.
struct WorkLimits {
  /// Multiply-accumulates of a frame; 0: by the size of the file.
  var work: UInt64 = 0
  /// Bytes of the arena; 0: by the size of the file.
  var arena: UInt64 = 0

  /// Without an option: so many multiply-accumulates for each byte of the file, and at least the second number.
  private static var workPerByte: UInt64 { 65_536 }
  private static var leastWork: UInt64 { 40_000_000_000 }
  /// So many bytes of the arena for each byte of the file, beside the second number.
  private static var arenaPerByte: UInt64 { 4 }
  private static var leastArena: UInt64 { 128_000_000 }

  /// Refuses a model whose frames may take more work than is allowed. `bytes` are an opened model's.
  func requireWork(_ bytes: UnsafeRawBufferPointer, _ path: UnsafePointer<CChar>) throws(Failure) {
    var sum = 0.0
    do throws(E3Error) {
      try ModelFile(validating: bytes).forEachNetwork { (network) throws(E3Error) in
        sum += Self.mostWork(network.shape)
      }
    } catch {
      throw .report(path, status: error.rawValue)
    }
    let most = work > 0 ? work : max(Self.leastWork, Self.workPerByte * UInt64(bytes.count))
    guard sum <= Double(most) else {
      throw .report(path, "a frame may take ") { errors in
        errors.write(UInt64(min(sum, 0x1p62)))
        errors.write(" multiply-accumulates, more than ")
        errors.write(most)
        errors.write("; --max-work allows more")
      }
    }
  }

  /// Refuses a model of `bytes` that needs more memory for its arena than is allowed.
  func requireArena(_ arena: Int, bytes: Int, _ path: UnsafePointer<CChar>) throws(Failure) {
    let most = self.arena > 0 ? self.arena : Self.leastArena + Self.arenaPerByte * UInt64(bytes)
    guard UInt64(arena) <= most else {
      throw .report(path, "needs ") { errors in
        errors.write(arena)
        errors.write(" bytes beside its file, more than ")
        errors.write(most)
        errors.write("; --max-arena allows more")
      }
    }
  }

  /// No less than what docs/WORST_CASE.md counts for a network. What is no product counts as well, as many as it may
  /// weigh: an exponential of attention as 64, a GELU as 32, a value of a norm as 64.
  private static func mostWork(_ shape: ModelShape) -> Double {
    let hidden = Double(shape.hiddenSizePadded)
    let tokens = Double(shape.tokenCount)
    func mlp(_ width: Int) -> Double { Double(ModelShape.padded(width)) * (2 * hidden + 32) }
    let attention =
      4 * hidden * Double(shape.attentionWidth)
      + Double(shape.headCount * ModelShape.padded(shape.tokenCount)) * Double(2 * shape.headSizePadded + 64)
    var row = 0.0
    var copies = 1.0
    for block in 0..<shape.layerCount {
      row += copies * (attention + 64 * hidden)
      if shape.isMoE(block) {
        copies = Double(shape.memberCount)
        row += copies * hidden * Double(ModelShape.padded(shape.expertsPerMember))
        row += copies * Double(shape.selectedExperts) * mlp(shape.expertMLPSize)
      } else {
        row += copies * mlp(shape.mlpSize)
      }
    }
    // Attention pooling: keys and values of all tokens.
    row += Double(shape.memberCount) * attention
    let embedding = (Double(shape.imageValues) + 8 * tokens) * hidden
    let representation = Double(shape.headInputSizePadded)
    let head =
      mlp(shape.mlpSize) + Double(ModelShape.padded(shape.pooledSize)) * representation
      + representation * (2 * Double(shape.classCountPadded) + representation + 32)
    return embedding + tokens * row + Double(shape.memberCount) * head
  }
}
