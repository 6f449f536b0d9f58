import CE3Kernels
import E3Format

/// The levels of the weights of up to 32 inputs of one output: `scale * multiplier * (code - zero)`, the scale being the
/// output's.
struct Int4Grid: Equatable {
  /// 0...15.
  let multiplier: UInt8
  /// 0...15; `multiplier * max(zero, 15 - zero)` is at most 127.
  let zero: UInt8

  /// Inputs that share a grid.
  static let inputs = Int(E3_FILE_GRID_INPUTS)

  /// The grid that fits `weights`, up to 32 of one output, with the least weighted squared error.
  ///
  /// - Parameter importance: A factor for each input, such as its mean square; nil: all alike.
  init(
    fitting weights: UnsafeBufferPointer<Float>, scale: Float, importance: UnsafeBufferPointer<Float>? = nil
  ) {
    precondition(
      !weights.isEmpty && weights.count <= Self.inputs && importance?.count ?? weights.count == weights.count)
    var error = 0.0
    let byte = e3k_fit_grid(weights.baseAddress!, 1, weights.count, scale, importance?.baseAddress, &error)
    (multiplier, zero) = (byte & 15, byte >> 4)
  }

  /// The grid's byte in the file.
  var byte: UInt8 { multiplier | zero << 4 }

  /// The code whose level is nearest to `value`, and that level.
  func round(_ value: Float, scale: Float) -> (code: UInt8, value: Float) {
    let step = scale * Float(multiplier)
    guard step > 0 else { return (zero, 0) }
    let level = min(max((value / step).rounded(.toNearestOrEven), -Float(zero)), Float(15 - zero))
    return (UInt8(level + Float(zero)), level * step)
  }
}

/// The scale that all grids of an output share: chosen so that they fit `weights`, its inputs, best.
///
/// - Parameter importance: as for a grid, of all inputs.
func int4Scale(fitting weights: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>? = nil) -> Float {
  e3k_fit_int4_scale(weights.baseAddress!, 1, weights.count, importance?.baseAddress)
}

/// A linear layer of 4-bit weights while it is made. Scales, grids and codes are set in any order; what is not set is 0.
struct Int4Linear {
  let inputs: Int
  let outputs: Int
  private let layout: LinearLayout
  private var bytes: [UInt8]

  /// K inputs, N outputs.
  init(inputs: Int, outputs: Int) {
    (self.inputs, self.outputs) = (inputs, outputs)
    layout = LinearLayout(inputs: inputs, outputs: outputs, encoding: .int4)
    bytes = [UInt8](repeating: 0, count: Int(layout.length))
  }

  mutating func set(scale: Float, bias: Float, output: Int) {
    let tail = panel(of: output) + layout.gridBytes + layout.weightBytes
    store(scale.bitPattern, at: tail + 4 * (output % 16))
    store(bias.bitPattern, at: tail + 64 + 4 * (output % 16))
  }

  /// `group` is the inputs' index divided by 32.
  mutating func set(_ grid: Int4Grid, group: Int, output: Int) {
    bytes[panel(of: output) + 16 * group + output % 16] = grid.byte
  }

  mutating func set(code: UInt8, input: Int, output: Int) {
    let place = panel(of: output) + layout.gridBytes + input / 8 * 64 + output % 16 * 4 + input % 4
    let shift = UInt8(input % 8 / 4 * 4)
    bytes[place] = bytes[place] & ~(15 << shift) | code << shift
  }

  /// The panels as the file has them.
  consuming func panels() -> [UInt8] {
    for output in 0..<outputs {
      let start = panel(of: output)
      var sum: Int32 = 0
      for input in 0..<layout.paddedInputs {
        let grid = bytes[start + 16 * (input / Int4Grid.inputs) + output % 16]
        let place = start + layout.gridBytes + input / 8 * 64 + output % 16 * 4 + input % 4
        if input >= inputs {  // a weight of 0
          set(code: grid >> 4, input: input, output: output)
        } else {
          let code = bytes[place] >> UInt8(input % 8 / 4 * 4) & 15
          sum += Int32(grid & 15) * (Int32(code) - Int32(grid >> 4))
        }
      }
      let tail = start + layout.gridBytes + layout.weightBytes
      store(UInt32(bitPattern: 128 * sum), at: tail + 128 + 4 * (output % 16))
    }
    return bytes
  }

  private func panel(of output: Int) -> Int { output / 16 * layout.panelBytes }

  private mutating func store(_ word: UInt32, at place: Int) {
    for byte in 0..<4 { bytes[place + byte] = UInt8(truncatingIfNeeded: word >> UInt32(8 * byte)) }
  }
}

extension Int4Linear {
  /// Rounds a matrix `[inputs][outputs]` to nearest, with the scales and grids that fit it best.
  ///
  /// - Parameter importance: A factor for each input; nil: all alike.
  init(rounding weights: [Float], inputs: Int, outputs: Int, bias: [Float], importance: [Float]? = nil) {
    precondition(weights.count == inputs * outputs && bias.count == outputs)
    self.init(inputs: inputs, outputs: outputs)
    var column = [Float](repeating: 0, count: inputs)
    for output in 0..<outputs {
      for input in 0..<inputs { column[input] = weights[input * outputs + output] }
      column.withUnsafeBufferPointer { column in
        importance.withBuffer { importance in
          let scale = int4Scale(fitting: column, importance: importance)
          set(scale: scale, bias: bias[output], output: output)
          for first in stride(from: 0, to: inputs, by: Int4Grid.inputs) {
            let range = first..<min(first + Int4Grid.inputs, inputs)
            let grid = Int4Grid(
              fitting: UnsafeBufferPointer(rebasing: column[range]), scale: scale,
              importance: importance.map { UnsafeBufferPointer(rebasing: $0[range]) })
            set(grid, group: first / Int4Grid.inputs, output: output)
            for input in range {
              set(code: grid.round(column[input], scale: scale).code, input: input, output: output)
            }
          }
        }
      }
    }
  }
}

extension [Float]? {
  /// `body` with the array's memory, or nil.
  fileprivate func withBuffer(_ body: (UnsafeBufferPointer<Float>?) -> Void) {
    guard let self else { return body(nil) }
    self.withUnsafeBufferPointer(body)
  }
}
