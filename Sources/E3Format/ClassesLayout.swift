import CE3

/// Sizes and places inside learned classes, a .e3c file: CLASSES.md.
public struct ClassesLayout: BitwiseCopyable, Sendable {
  /// Classes that there is room for.
  public let capacity: Int
  /// Cells on a side of the grid, as asked for; there are no more than patches.
  public let grid: Int
  /// Values of a class's features, a multiple of 16.
  public let features: Int
  /// M.
  public let members: Int
  /// R16.
  public let meanWidth: Int

  /// Most values of features: no sum of as many products of int8 overflows an i32.
  static var mostFeatures: Int { 131_072 }

  public static func isGrid(_ value: UInt32) -> Bool { value == 1 || value == 2 || value == 4 }

  /// - Throws: `indexRange` for a capacity or a grid that there is not; `modelTooLarge`.
  public init(_ shape: ModelShape, capacity: UInt32, grid: UInt32) throws(E3Error) {
    guard (1...UInt32(E3_MAX_LEARNED_CLASSES)).contains(capacity), Self.isGrid(grid) else { throw .indexRange }
    let cells = min(Int(grid), shape.gridHeight) * min(Int(grid), shape.gridWidth)
    // With the limits of a shape, no product here overflows 64 bits; on a machine of 32 it may.
    let features = UInt64(Self.sequences(shape)) * UInt64(cells) * UInt64(shape.hiddenSizePadded)
    guard features <= UInt64(Self.mostFeatures),
      UInt64(capacity) * UInt64(shape.memberCount) * UInt64(shape.headInputSizePadded) <= UInt64(Int32.max) / 8
    else { throw .modelTooLarge }
    self.capacity = Int(capacity)
    self.grid = Int(grid)
    self.features = Int(features)
    members = shape.memberCount
    meanWidth = shape.headInputSizePadded
  }

  /// Sequences that enter the last block: members part at the first mixture of experts.
  public static func sequences(_ shape: ModelShape) -> Int {
    guard let first = shape.firstMoEBlock, first < shape.layerCount - 1 else { return 1 }
    return shape.memberCount
  }

  var recordsOffset: Int { MemoryLayout<e3_classes_header>.size }
  var meansOffset: Int { recordsOffset + capacity * MemoryLayout<e3_classes_record>.size }
  /// Floats from one class's mean to the next.
  public var meanFloats: Int { members * meanWidth }
  var panelsOffset: Int { meansOffset + 4 * capacity * meanFloats }
  /// Panels of 16 classes.
  public var panelCount: Int { (capacity + 15) / 16 }
  /// Bytes of a panel: int8 `[features/4][16][4]`, then for each class scale, bias, compensation.
  public var panelBytes: Int { 16 * features + LinearLayout.tailBytes }
  /// Bytes of the whole file.
  public var bytes: Int { panelsOffset + panelCount * panelBytes }
}
