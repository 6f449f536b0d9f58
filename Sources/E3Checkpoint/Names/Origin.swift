/// What the file has for one of V-MoE's tensors, whether it is there or missed.
struct Origin {
  /// How the file lays out a tensor `[inputs…, outputs]` of V-MoE's, heads side by side.
  enum Layout {
    case same
    /// `[outputs, inputs]`
    case linear
    /// `[outputs, channels, height, width]`
    case convolution
    /// So many of `linear` one below the other, as a fused `qkv`.
    case stacked(Int)
    /// One of two heads, `[outputs, inputs]`, each on one half of the inputs.
    case half
    /// One factor for each output.
    case factors
    /// So many of `same`, one for each block.
    case blocks(Int)
  }

  /// What the file calls it.
  let name: String
  /// Its shape in the file; nil where it is not there.
  let shape: [Int]?
  let layout: Layout

  /// The axes of V-MoE's tensor, or what stands for each, in the order of the file's.
  func order<Axis>(_ axes: [Axis]) -> [Axis] {
    switch layout {
    case .same, .blocks: axes
    case .linear, .stacked, .half: axes.reversed()
    case .convolution: axes.count == 4 ? [axes[3], axes[2], axes[0], axes[1]] : axes
    case .factors: axes.suffix(1)
    }
  }

  /// The shape that the file's tensor has where V-MoE's has `shape`.
  func expected(for shape: [Int]) -> [Int] {
    var expected = order(shape)
    switch layout {
    case .stacked(let count): expected[0] *= count
    case .half where expected.count == 2: expected[1] /= 2
    case .blocks(let count): expected.insert(count, at: 0)
    default: break
    }
    return expected
  }
}
