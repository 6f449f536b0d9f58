import CE3Kernels
import E3Format
import E3Host

/// Quantises a float matrix `[inputs][outputs]` to int8 panels: e3_kernels.h, "packed panels".
///
/// - Parameters:
///   - offset: First value of the matrix in `weights`; row k starts at `offset + k * stride`.
///   - bias: Values for the outputs, from `biasOffset` on.
///   - scales: Scales of the outputs, likewise, where the weights are multiples of them already; nil: they are rounded
///     here.
/// - Returns: the panels of `ceil(outputs / 16)` groups of outputs.
/// - Precondition: `weights` and `bias` hold what is addressed.
func packedLinear(
  _ weights: [Float], offset: Int = 0, stride: Int, inputs: Int, outputs: Int, bias: [Float], scales: [Float]? = nil,
  biasOffset: Int = 0
) -> [UInt8] {
  precondition(inputs > 0 && outputs > 0 && stride >= outputs)
  precondition(offset + (inputs - 1) * stride + outputs <= weights.count && biasOffset + outputs <= bias.count)
  precondition(scales.map { biasOffset + outputs <= $0.count } ?? true)
  let panelBytes = e3k_panel_bytes(inputs)
  let panelCount = (outputs + 15) / 16
  return [UInt8](unsafeUninitializedCapacity: panelBytes * panelCount) { panels, count in
    weights.withUnsafeBufferPointer { weights in
      bias.withUnsafeBufferPointer { bias in
        func pack(_ scales: UnsafePointer<Float>?) {
          e3k_pack_linear(
            weights.baseAddress! + offset, stride, inputs, outputs, scales, bias.baseAddress! + biasOffset,
            panels.baseAddress!)
        }
        if let scales { scales.withUnsafeBufferPointer { pack($0.baseAddress! + biasOffset) } } else { pack(nil) }
      }
    }
    count = panelBytes * panelCount
  }
}

/// Float panels `[ceil(outputs / 16)][inputs][16]` of a matrix `[inputs][outputs]`, zeros past `outputs`.
func floatPanels(_ weights: [Float], offset: Int = 0, stride: Int, inputs: Int, outputs: Int) -> [Float] {
  var panels = [Float](repeating: 0, count: (outputs + 15) / 16 * inputs * 16)
  for input in 0..<inputs {
    for output in 0..<outputs {
      panels[output / 16 * inputs * 16 + input * 16 + output % 16] = weights[offset + input * stride + output]
    }
  }
  return panels
}

/// `values` as rows of `width`, each padded with zeros to a multiple of 16.
func paddedRows(_ values: [Float], width: Int) -> [Float] {
  let padded = ModelShape.padded(width)
  guard padded != width else { return values }
  var rows = [Float](repeating: 0, count: values.count / width * padded)
  for row in 0..<(values.count / width) {
    for column in 0..<width { rows[row * padded + column] = values[row * width + column] }
  }
  return rows
}
