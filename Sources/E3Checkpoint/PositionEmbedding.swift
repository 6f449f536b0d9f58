import E3Host
import Glibc

/// How a learned position embedding is brought to another grid: each library has its own way.
public enum PositionResize: Sendable {
  /// Linear with aligned corners, as `scipy.ndimage.zoom(order=1)`: V-MoE, vit_jax, big_vision.
  case linear
  /// PyTorch's bicubic with antialiasing: timm, Hugging Face's Dinov2WithRegisters.
  case bicubicAntialiased
  /// PyTorch's bicubic: Hugging Face's other models.
  case bicubic
  /// PyTorch's bicubic with aligned corners: torchvision.
  case bicubicAligned
}

/// Resizes a learned position embedding from one grid of patches to another, in float64. Leading vectors (of class
/// token and registers) are copied.
///
/// - Parameters:
///   - values: `[leading + source.height * source.width][hiddenSize]`.
///   - leading: number of vectors that belong to no patch.
/// - Returns: `[leading + target.height * target.width][hiddenSize]`.
/// - Precondition: `values` has exactly that many values, both grids have at least one cell.
///
/// Sources: vmoe/initialization/mapping.py, vit_zoom; vit_jax/checkpoint.py, interpolate_posembed; PyTorch,
/// aten/src/ATen/native/cpu/UpSampleKernel.cpp.
public func resizePositionEmbedding(
  _ values: [Float], hiddenSize: Int, leading: Int, from source: Grid, to target: Grid,
  by method: PositionResize = .linear
) -> [Float] {
  precondition(values.count == (leading + source.count) * hiddenSize && target.height > 0 && target.width > 0)
  guard source != target else { return values }
  let rows = (0..<target.height).map { method.taps($0, inputs: source.height, outputs: target.height) }
  let columns = (0..<target.width).map { method.taps($0, inputs: source.width, outputs: target.width) }
  var result = Array(values[..<(leading * hiddenSize)])
  result.reserveCapacity((leading + target.count) * hiddenSize)
  var vector = [Double](repeating: 0, count: hiddenSize)
  for row in rows {
    for column in columns {
      for i in 0..<hiddenSize { vector[i] = 0 }
      for (y, v) in row {
        for (x, u) in column {
          let start = (leading + y * source.width + x) * hiddenSize
          for i in 0..<hiddenSize { vector[i] += v * u * Double(values[start + i]) }
        }
      }
      result += vector.map(Float.init)
    }
  }
  return result
}

extension PositionResize {
  /// The inputs that output `index` is made of, each with its weight.
  fileprivate func taps(_ index: Int, inputs: Int, outputs: Int) -> [(input: Int, weight: Double)] {
    let scale = Double(inputs) / Double(outputs)
    let aligned = outputs > 1 ? Double(index) * (Double(inputs - 1) / Double(outputs - 1)) : 0
    switch self {
    case .linear:
      let first = min(Int(aligned), inputs - 1)
      return [(first, 1 - (aligned - Double(first))), (min(first + 1, inputs - 1), aligned - Double(first))]
    case .bicubic: return Self.cubicTaps(at: (Double(index) + 0.5) * scale - 0.5, inputs: inputs)
    case .bicubicAligned: return Self.cubicTaps(at: aligned, inputs: inputs)
    case .bicubicAntialiased:
      let width = max(scale, 1)
      let centre = scale * (Double(index) + 0.5)
      let first = max(Int(centre - 2 * width + 0.5), 0)
      let end = min(Int(centre + 2 * width + 0.5), inputs)
      let weights = (first..<end).map { Self.cubic((Double($0) - centre + 0.5) / width, a: -0.5) }
      let sum = weights.reduce(0, +)
      return zip(first..<end, weights).map { ($0, $1 / sum) }
    }
  }

  /// Four inputs around `position`; those beyond the edge are the edge.
  private static func cubicTaps(at position: Double, inputs: Int) -> [(input: Int, weight: Double)] {
    let first = Int(floor(position))
    return (first - 1...first + 2).map { input in
      (min(max(input, 0), inputs - 1), cubic(position - Double(input), a: -0.75))
    }
  }

  /// Keys' cubic convolution.
  private static func cubic(_ x: Double, a: Double) -> Double {
    let x = abs(x)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }
}
