import Glibc

/// The fixed position embedding `sincos2d`, `[height * width][hiddenSize]`: `[sin(x w) | cos(x w) | sin(y w) | cos(y
/// w)]` with `w_i = temperature^(-i / (H/4 - 1))` for the patch in column x and row y.
///
/// - Precondition: `hiddenSize` is a multiple of 4 and at least 8.
///
/// Source: Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers"; vmoe/nn/vit_moe.py.
public func sincos2dPositions(_ grid: Grid, hiddenSize: Int, temperature: Double) -> [Float] {
  precondition(hiddenSize % 4 == 0 && hiddenSize >= 8)
  let quarter = hiddenSize / 4
  let frequencies = (0..<quarter).map { pow(temperature, -Double($0) / Double(quarter - 1)) }
  var values: [Float] = []
  values.reserveCapacity(grid.height * grid.width * hiddenSize)
  for y in 0..<grid.height {
    for x in 0..<grid.width {
      for position in [Double(x), Double(y)] {
        values += frequencies.map { Float(sin(position * $0)) }
        values += frequencies.map { Float(cos(position * $0)) }
      }
    }
  }
  return values
}
