import CE3Kernels

/// A matrix of float activations in the arena: one row per token, 64-byte aligned, padded with zeros to a multiple of
/// 16.
///
/// Rows may be spaced (`stride` larger than the row), which is how "only the class token of every member" and "one
/// head's columns" are said. Invariant: the arena holds `count` rows of `stride` floats from `start` on.
struct FloatRows {
  var start: UnsafeMutablePointer<Float>
  /// Floats from one row to the next.
  var stride: Int
  var count: Int

  func row(_ index: Int) -> UnsafeMutablePointer<Float> { start + index * stride }

  /// Rows `range.lowerBound ..< range.upperBound`.
  func rows(_ range: Range<Int>) -> FloatRows {
    FloatRows(start: row(range.lowerBound), stride: stride, count: range.count)
  }

  /// Every `step`-th row from the first on.
  func every(_ step: Int) -> FloatRows {
    FloatRows(start: start, stride: stride * step, count: (count + step - 1) / step)
  }

  /// The same rows from column `column` on (a multiple of 16).
  func columns(from column: Int) -> FloatRows {
    FloatRows(start: start + column, stride: stride, count: count)
  }
}

/// Quantised activations in the arena: bytes as the tier's kernels write them and the range of each row.
struct QuantizedRows {
  var bytes: UnsafeMutablePointer<UInt8>
  /// Bytes from one row to the next, a multiple of 64.
  var stride: Int
  var ranges: UnsafeMutablePointer<e3k_range>
  var count: Int

  func rows(_ range: Range<Int>) -> QuantizedRows {
    QuantizedRows(
      bytes: bytes + range.lowerBound * stride, stride: stride, ranges: ranges + range.lowerBound, count: range.count)
  }

  /// The same storage, seen as `count` rows of `width` values.
  func reshaped(width: Int, count: Int) -> QuantizedRows {
    QuantizedRows(bytes: bytes, stride: quantizedStride(width), ranges: ranges, count: count)
  }
}

/// What `centre_columns` finds of columns.
struct ColumnStatistics {
  let means: UnsafeMutablePointer<Float>
  let largest: UnsafeMutablePointer<Float>
  private let width: Int

  /// Room for `count` times `width` columns, a multiple of 16.
  init(_ count: Int, width: Int, in arena: inout Arena) {
    self.width = width
    means = arena.take(Float.self, count, times: width)
    largest = arena.take(Float.self, count, times: width)
  }

  private init(_ all: ColumnStatistics, at index: Int) {
    width = all.width
    means = all.means + index * all.width
    largest = all.largest + index * all.width
  }

  subscript(index: Int) -> ColumnStatistics { ColumnStatistics(self, at: index) }
}

extension UnsafeMutablePointer where Pointee: BitwiseCopyable {
  /// Copies `count` elements from `source` in one piece; the two may overlap. In Embedded Swift, compiled for size,
  /// `update(from:count:)` is a loop that calls a function for every element.
  @inline(__always)
  func copy(from source: UnsafePointer<Pointee>, count: Int) {
    UnsafeMutableRawPointer(self).copyMemory(from: source, byteCount: count * MemoryLayout<Pointee>.stride)
  }
}

extension Range<Int> {
  /// The first of the fewest pieces of at most `limit` that the range can be cut into, all of a size or one less.
  func firstPiece(atMost limit: Int) -> Range<Int> {
    let pieces = (count + limit - 1) / limit
    return lowerBound..<lowerBound + (count + pieces - 1) / pieces
  }
}

/// Channels of a panel: what the matrices of weights, keys and values are cut into.
var panelChannels: Int { Int(E3K_PANEL_CHANNELS) }

/// Panels that hold `channels`.
func panelCount(_ channels: Int) -> Int { (channels + panelChannels - 1) / panelChannels }

/// Bytes of one quantised row of `width` values.
func quantizedStride(_ width: Int) -> Int { e3k_odd_lines(width) }

/// Inputs of the product of probabilities and the values of `tokens` tokens, as `pack_values` lays them out.
func valueInputs(_ tokens: Int) -> Int { roundUp(tokens, Int(E3K_PANEL_INPUT_MULTIPLE)) }

/// `value` rounded up to a multiple of `multiple`; both positive and far below the integer limit.
func roundUp(_ value: Int, _ multiple: Int) -> Int { (value + multiple - 1) / multiple * multiple }
