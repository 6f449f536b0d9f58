import CE3Kernels
import E3Format

/// The windows and coefficients of Pillow's resize, in the arena: those of the last frame size, which rarely changes.
struct FilterTables {
  private let columns: Axis
  private let lines: Axis

  /// Room for any frame.
  init(_ shape: ModelShape, in arena: inout Arena) {
    columns = Axis(used: shape.config.image_width, filter: shape.config.resize_filter, in: &arena)
    lines = Axis(used: shape.config.image_height, filter: shape.config.resize_filter, in: &arena)
  }

  /// To be called once, when the memory is there.
  func clear() {
    columns.filled.initialize(to: Resizing())
    lines.filled.initialize(to: Resizing())
  }

  /// The tables for a frame of this geometry, as the kernels take them.
  func fill(_ geometry: ResizeGeometry) -> (columns: e3k_axis, lines: e3k_axis) {
    (
      columns.fill(Resizing(source: geometry.frameWidth, resized: geometry.width, skipped: geometry.cropX)),
      lines.fill(Resizing(source: geometry.frameHeight, resized: geometry.height, skipped: geometry.cropY))
    )
  }
}

/// What one axis of a frame becomes; zeros: nothing yet.
private struct Resizing: BitwiseCopyable, Equatable {
  var (source, resized, skipped): (UInt32, UInt32, UInt32) = (0, 0, 0)

  init() {}

  init(source: Int, resized: Int, skipped: Int) {
    self.source = UInt32(truncatingIfNeeded: source)
    self.resized = UInt32(truncatingIfNeeded: resized)
    self.skipped = UInt32(truncatingIfNeeded: skipped)
  }
}

/// The tables of one axis.
private struct Axis {
  let used: UInt32
  let filter: UInt32
  let windows: UnsafeMutablePointer<e3k_window>
  let coefficients: UnsafeMutablePointer<Int32>
  /// What the tables are for.
  let filled: UnsafeMutablePointer<Resizing>

  init(used: UInt32, filter: UInt32, in arena: inout Arena) {
    (self.used, self.filter) = (used, filter)
    windows = arena.take(e3k_window.self, Int(used))
    coefficients = arena.take(Int32.self, e3k_axis_capacity(filter, used))
    filled = arena.take(Resizing.self, 1)
  }

  func fill(_ resizing: Resizing) -> e3k_axis {
    if filled.pointee != resizing {
      e3k_axis_fill(
        filter, resizing.source, resizing.resized, resizing.skipped, used, windows, coefficients)
      filled.pointee = resizing
    }
    return e3k_axis(windows: windows, coefficients: coefficients)
  }
}
