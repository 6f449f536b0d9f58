import E3Host

/// A box inside an array: one range per axis. A scalar's region has none.
struct ArrayRegion: Hashable, Sendable, CustomStringConvertible {
  let axes: [Range<Int>]

  var shape: [Int] { axes.map(\.count) }

  /// As Python writes slices: `[0:2, 4:8]`.
  var description: String { "[\(axes.map { "\($0.lowerBound):\($0.upperBound)" }.joined(separator: ", "))]" }

  /// Whether the region lies inside an array of `shape`.
  func fits(in shape: [Int]) -> Bool {
    axes.count == shape.count && zip(axes, shape).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 }
  }

  func overlaps(_ other: ArrayRegion) -> Bool { zip(axes, other.axes).allSatisfy { $0.overlaps($1) } }

  /// Whether `regions`, each inside `shape` and none empty, cover an array of `shape` exactly once.
  static func tile(_ regions: [ArrayRegion], shape: [Int]) -> Bool {
    var covered = 0
    for region in regions {
      guard let count = elementCount(of: region.shape), let sum = checkedSum(covered, count) else { return false }
      covered = sum
    }
    guard covered == elementCount(of: shape) else { return false }
    guard !shape.isEmpty else { return regions.count == 1 }
    // A sweep along an axis compares only regions whose ranges meet there: along that of the most ranges they are fewest.
    let starts = shape.indices.map { axis in Set(regions.map { $0.axes[axis].lowerBound }).count }
    let axis = starts.indices.max { starts[$0] < starts[$1] } ?? 0
    let sorted = regions.sorted { $0.axes[axis].lowerBound < $1.axes[axis].lowerBound }
    for i in sorted.indices {
      for j in sorted.index(after: i)..<sorted.endIndex {
        guard sorted[j].axes[axis].lowerBound < sorted[i].axes[axis].upperBound else { break }
        if sorted[i].overlaps(sorted[j]) { return false }
      }
    }
    return true
  }
}
