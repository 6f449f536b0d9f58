import CE3Kernels
import E3Format

/// The kernels of one instruction-set tier, in the runtime's own terms. See `e3_kernels.h` for what each computes.
struct Kernels {
  let table: UnsafePointer<e3k_table>

  init(_ table: UnsafePointer<e3k_table>) { self.table = table }

  /// output[:, 16 * panels] = epilogue(input · layer), for the panels in `panels` only.
  ///
  /// - Parameter next: the weights that this thread multiplies with afterwards, to be fetched meanwhile; a hint.
  func linear(
    _ input: QuantizedRows, _ layer: LinearView, panels: Range<Int>, epilogue: e3k_epilogue, into output: FloatRows,
    next: UnsafePointer<UInt8>? = nil
  ) {
    product(
      input, layer.panels + panels.lowerBound * layer.panelBytes, inputs: layer.inputs, panelCount: panels.count,
      epilogue: epilogue, into: output.columns(from: panels.lowerBound * 16), next: next)
  }

  /// residual[rows[i]] += gates[i] * (input[i] · layer), for the panels in `panels` only.
  func linearGated(
    _ input: QuantizedRows, _ layer: LinearView, panels: Range<Int>, gates: UnsafePointer<Float>,
    rows: UnsafePointer<UInt32>, into residual: FloatRows, next: UnsafePointer<UInt8>?
  ) {
    guard input.count > 0, !panels.isEmpty else { return }
    var arguments = e3k_gemm()
    arguments.rows = UnsafePointer(input.bytes)
    arguments.row_stride = input.stride
    arguments.row_scales = UnsafePointer(input.scales)
    arguments.row_count = input.count
    arguments.inputs = layer.inputs
    arguments.panels = layer.panels + panels.lowerBound * layer.panelBytes
    arguments.panel_count = panels.count
    arguments.out = residual.start + panels.lowerBound * 16
    arguments.out_stride = residual.stride
    arguments.out_rows = rows
    arguments.gates = gates
    arguments.next = next
    arguments.epilogue = E3K_ADD_GATED
    table.pointee.gemm(&arguments)
  }

  /// The same product over panels that were packed at run time (keys, values).
  func product(
    _ input: QuantizedRows, _ panels: UnsafePointer<UInt8>, inputs: Int, panelCount: Int, epilogue: e3k_epilogue,
    into output: FloatRows, next: UnsafePointer<UInt8>? = nil
  ) {
    guard input.count > 0, panelCount > 0 else { return }
    var arguments = e3k_gemm()
    arguments.rows = UnsafePointer(input.bytes)
    arguments.row_stride = input.stride
    arguments.row_scales = UnsafePointer(input.scales)
    arguments.row_count = input.count
    arguments.inputs = inputs
    arguments.panels = panels
    arguments.panel_count = panelCount
    arguments.out = output.start
    arguments.out_stride = output.stride
    arguments.next = next
    arguments.epilogue = epilogue
    table.pointee.gemm(&arguments)
  }

  /// output = input · layer (+ bias) in float, for the panels in `panels` only: routers and the head.
  func floatLinear(_ input: FloatRows, _ layer: FloatPanelsView, panels: Range<Int>, into output: FloatRows) {
    guard input.count > 0, !panels.isEmpty else { return }
    let column = panels.lowerBound * 16
    table.pointee.float_gemm(
      input.start, input.stride, input.count, layer.inputs, layer.panels + column * layer.inputs, panels.count,
      layer.bias.map { $0 + column }, output.start + column, output.stride)
  }

  /// Quantises the first `width` columns (a multiple of 16); the scales are multiplied by `multiplier`.
  func quantize(_ input: FloatRows, width: Int, multiplier: Float = 1, into output: QuantizedRows) {
    table.pointee.quantize_rows(
      input.start, input.stride, input.count, width, multiplier, output.bytes, output.stride, output.scales)
  }

  /// Quantises the patches of a prepared image straight into the rows `output`, without a patch matrix between them.
  ///
  /// - Parameter values: [height][width][channels], where patches leave no line and no column over and a line of a patch
  ///   has a multiple of 16 values.
  /// - Returns: whether all values are finite; if not, `output` is of no use.
  func quantizePatches(_ values: UnsafePointer<Float>, shape: ModelShape, into output: QuantizedRows) -> Bool {
    let run = shape.patchWidth * shape.channels
    let lineValues = shape.gridWidth * run
    for patch in 0..<output.count {
      let (row, column) = (patch / shape.gridWidth, patch % shape.gridWidth)
      let isFinite = table.pointee.quantize_patch(
        values + row * shape.patchHeight * lineValues + column * run, lineValues, shape.patchHeight, run,
        output.bytes + patch * output.stride, output.scales + patch)
      guard isFinite != 0 else { return false }
    }
    return true
  }

  /// Quantises GELU of the first `width` columns (a multiple of 16), which overwrites them.
  func geluQuantize(_ rows: FloatRows, width: Int, into output: QuantizedRows) {
    table.pointee.gelu_quantize(
      rows.start, rows.stride, rows.count, width, output.bytes, output.stride, output.scales)
  }

  /// LayerNorm; gamma then beta stand `paddedWidth` floats apart at `parameters`.
  func layerNorm(
    _ input: FloatRows, width: Int, parameters: UnsafePointer<Float>, paddedWidth: Int, normalized: FloatRows? = nil,
    quantized: QuantizedRows? = nil
  ) {
    table.pointee.layer_norm(
      input.start, input.stride, input.count, width, parameters, parameters + paddedWidth, normalized?.start,
      normalized?.stride ?? 0, quantized?.bytes, quantized?.stride ?? 0, quantized?.scales)
  }

  /// LayerNorm without bias, in place: the norm of queries and keys.
  func layerNormInPlace(_ rows: FloatRows, width: Int, gamma: UnsafePointer<Float>) {
    table.pointee.layer_norm(
      rows.start, rows.stride, rows.count, width, gamma, nil, rows.start, rows.stride, nil, 0, nil)
  }
}
