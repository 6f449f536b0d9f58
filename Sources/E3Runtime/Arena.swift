import CE3Kernels

/// Hands out pieces of the caller's arena, or only counts them.
///
/// A query and a creation run the same code, one over a placeholder address and one over the arena, so the size that a
/// query gives is exact by construction.
struct Arena {
  /// Every piece starts at a multiple of this: a cache line, and the widest vector.
  static let pieceAlignment = 64

  private let start: UnsafeMutableRawPointer
  private let limit: Int
  /// Bytes handed out, including what alignment skipped.
  private(set) var used = 0
  /// Highest `used` so far; differs from it after ``rewind(to:)``.
  private(set) var bytes = 0
  /// A size did not fit an Int: no machine of this word size can hold the model's activations.
  private(set) var overflowed = false

  /// Counts only. The pointers that `take` gives are placeholders, never to be followed.
  init() {
    start = UnsafeMutableRawPointer(bitPattern: 4096).unsafelyUnwrapped
    limit = Int.max
  }

  /// The arena itself: `count` writable bytes, aligned as `e3_session_query` says.
  init(_ start: UnsafeMutableRawPointer, count: Int) {
    self.start = start
    limit = count
  }

  /// Room for `count` elements, repeated `times` times, uninitialised.
  mutating func take<Element: BitwiseCopyable>(
    _ type: Element.Type, _ count: Int, times: Int = 1, alignment: Int = pieceAlignment
  ) -> UnsafeMutablePointer<Element> {
    let (elements, wideElements) = count.multipliedReportingOverflow(by: times)
    let (size, wideSize) = elements.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    let (padded, widePadded) = used.addingReportingOverflow(alignment - 1)
    let offset = padded / alignment * alignment
    let (end, wideEnd) = offset.addingReportingOverflow(size)
    guard !wideElements, !wideSize, !widePadded, !wideEnd, end <= limit else {
      overflowed = true
      return start.assumingMemoryBound(to: type)
    }
    used = end
    bytes = max(bytes, end)
    return (start + offset).bindMemory(to: type, capacity: elements)
  }

  /// Float rows of `width` columns, padded with zeros to a multiple of 16 and, unused, to an odd number of cache lines.
  mutating func takeRows(_ count: Int, times: Int = 1, width: Int) -> FloatRows {
    let stride = e3k_odd_lines(4 * roundUp(width, 16)) / 4
    let (rows, wide) = count.multipliedReportingOverflow(by: times)
    if wide { overflowed = true }
    return FloatRows(start: take(Float.self, wide ? 0 : rows, times: stride), stride: stride, count: wide ? 0 : rows)
  }

  /// Quantised rows of `width` values with their ranges.
  mutating func takeQuantizedRows(_ count: Int, times: Int = 1, width: Int) -> QuantizedRows {
    let stride = quantizedStride(width)
    let (rows, wide) = count.multipliedReportingOverflow(by: times)
    if wide { overflowed = true }
    return QuantizedRows(
      bytes: take(UInt8.self, wide ? 0 : rows, times: stride), stride: stride,
      ranges: take(e3k_range.self, wide ? 0 : rows), count: wide ? 0 : rows)
  }

  /// Gives back everything that was taken after `mark`, for buffers that are never alive together.
  mutating func rewind(to mark: Int) { used = mark }
}
