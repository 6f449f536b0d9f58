import CE3
import E3Format

/// What a session keeps for learned classes; only where it was created for them.
struct LearnedBuffers {
  /// Room for the features of the finest grid: pooled tokens of the last block's input, then their norm.
  let features: FloatRows
  /// Columns of means of one cell, a row for each line of patches. Each worker has its own.
  let lines: FloatRows
  /// As many zeros as there are features.
  let zeros: UnsafeMutablePointer<Float>
  let quantized: QuantizedRows
  /// [classes]: products of the features with each class's.
  let products: UnsafeMutablePointer<Float>
  /// [classes]: squared distances of a member's representation from each class's mean.
  let squares: UnsafeMutablePointer<Float>
  let state: UnsafeMutablePointer<State>

  /// What is attached, and whether the last run kept features of it.
  struct State {
    var classes: Classes?
    /// Length of the features of the last run; 0: it kept none.
    var length: Float = 0
  }

  private let width: Int
  /// Lines of patches.
  let lineCount: Int

  init(_ shape: ModelShape, threads: Int, in arena: inout Arena) {
    lineCount = shape.gridHeight
    var widest = 16
    for power in 0..<3 {
      if let layout = try? ClassesLayout(shape, capacity: 1, grid: 1 &<< UInt32(power)) {
        widest = max(widest, layout.features)
      }
    }
    width = widest
    features = arena.takeRows(1, width: width)
    lines = arena.takeRows(threads, times: shape.gridHeight, width: shape.hiddenSize)
    zeros = arena.take(Float.self, width)
    quantized = arena.takeQuantizedRows(1, width: width)
    products = arena.take(Float.self, Int(E3_MAX_LEARNED_CLASSES))
    squares = arena.take(Float.self, Int(E3_MAX_LEARNED_CLASSES))
    state = arena.take(State.self, 1)
  }

  func clear() {
    zeros.update(repeating: 0, count: width)
    state.initialize(to: State())
  }

  /// The last run's features are none any more.
  func forget() { state.pointee.length = 0 }
}
