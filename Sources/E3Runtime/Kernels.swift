import CE3Kernels
import E3Format

/// The kernels of one instruction-set tier, in the runtime's own terms. See `e3_kernels.h` for what each computes.
struct Kernels {
  let table: UnsafePointer<e3k_table>
  /// Becomes 1 where a kernel met a number that is not finite, and stays it. Each worker has its own.
  let notFinite: UnsafeMutablePointer<UInt32>
  /// Room for the int8 panels of 4-bit weights; nil where the model has none. Each worker has its own.
  let expanded: UnsafeMutablePointer<UInt8>?

  /// Takes what a kernel says about its numbers.
  private func note(_ isFinite: Int32) {
    if isFinite == 0 { notFinite.pointee = 1 }
  }

  /// output[:, panels] = epilogue(input · layer), for the panels in `panels` only.
  ///
  /// - Parameter next: the weights that this thread multiplies with afterwards, to be fetched meanwhile; a hint.
  func linear(
    _ input: QuantizedRows, _ layer: LinearView, panels: Range<Int>, epilogue: e3k_epilogue, into output: FloatRows,
    next: UnsafePointer<UInt8>? = nil
  ) {
    product(
      input, layer.panels + panels.lowerBound * layer.panelBytes, inputs: layer.inputs, panelCount: panels.count,
      epilogue: epilogue, into: output.columns(from: panels.lowerBound * panelChannels), next: next,
      isInt4: layer.isInt4)
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
    arguments.ranges = UnsafePointer(input.ranges)
    arguments.row_count = input.count
    arguments.inputs = layer.inputs
    arguments.panels = layer.panels + panels.lowerBound * layer.panelBytes
    arguments.panel_count = panels.count
    arguments.out = residual.start + panels.lowerBound * panelChannels
    arguments.out_stride = residual.stride
    arguments.out_rows = rows
    arguments.gates = gates
    arguments.next = next
    arguments.epilogue = E3K_ADD_GATED
    arguments.weights = layer.isInt4 ? E3K_INT4 : E3K_INT8
    arguments.scratch = expanded
    table.pointee.gemm(&arguments)
  }

  /// The same product over panels that were packed at run time (keys, values).
  func product(
    _ input: QuantizedRows, _ panels: UnsafePointer<UInt8>, inputs: Int, panelCount: Int, epilogue: e3k_epilogue,
    into output: FloatRows, next: UnsafePointer<UInt8>? = nil, isInt4: Bool = false
  ) {
    guard input.count > 0, panelCount > 0 else { return }
    var arguments = e3k_gemm()
    arguments.rows = UnsafePointer(input.bytes)
    arguments.row_stride = input.stride
    arguments.ranges = UnsafePointer(input.ranges)
    arguments.row_count = input.count
    arguments.inputs = inputs
    arguments.panels = panels
    arguments.panel_count = panelCount
    arguments.out = output.start
    arguments.out_stride = output.stride
    arguments.next = next
    arguments.epilogue = epilogue
    arguments.weights = isInt4 ? E3K_INT4 : E3K_INT8
    arguments.scratch = expanded
    table.pointee.gemm(&arguments)
  }

  /// output = input · layer (+ bias) in float, for the panels in `panels` only: routers and the head.
  func floatLinear(_ input: FloatRows, _ layer: FloatPanelsView, panels: Range<Int>, into output: FloatRows) {
    guard input.count > 0, !panels.isEmpty else { return }
    let column = panels.lowerBound * panelChannels
    table.pointee.float_gemm(
      input.start, input.stride, input.count, layer.inputs, layer.panels + column * layer.inputs, panels.count,
      layer.bias.map { $0 + column }, output.start + column, output.stride)
  }

  /// Quantises the first `width` columns (a multiple of 16), times `multiplier`.
  func quantize(_ input: FloatRows, width: Int, multiplier: Float = 1, into output: QuantizedRows) {
    note(
      table.pointee.quantize_rows(
        input.start, input.stride, input.count, width, multiplier, output.bytes, output.stride, output.ranges))
  }

  /// Quantises the patches of a prepared image straight into the rows `output`, without a patch matrix between them.
  ///
  /// - Parameter values: [height][width][channels], where patches leave no line and no column over and a line of a
  ///   patch has a multiple of 16 values.
  /// - Returns: whether all values are finite; if not, `output` is of no use.
  func quantizePatches(_ values: UnsafePointer<Float>, shape: ModelShape, into output: QuantizedRows) -> Bool {
    let run = shape.patchWidth * shape.channels
    let lineValues = shape.gridWidth * run
    for patch in 0..<output.count {
      let (row, column) = (patch / shape.gridWidth, patch % shape.gridWidth)
      let isFinite = table.pointee.quantize_patch(
        values + row * shape.patchHeight * lineValues + column * run, lineValues, shape.patchHeight, run,
        output.bytes + patch * output.stride, output.ranges + patch)
      guard isFinite != 0 else { return false }
    }
    return true
  }

  /// Quantises GELU of the first `width` columns (a multiple of 16), which overwrites them.
  func geluQuantize(_ rows: FloatRows, width: Int, form: e3k_gelu_form, into output: QuantizedRows) {
    note(
      table.pointee.gelu_quantize(
        rows.start, rows.stride, rows.count, width, form, output.bytes, output.stride, output.ranges))
  }

  /// LayerNorm; gamma then beta stand `paddedWidth` floats apart at `parameters`.
  func layerNorm(
    _ input: FloatRows, width: Int, parameters: UnsafePointer<Float>, paddedWidth: Int, epsilon: Float,
    normalized: FloatRows? = nil, quantized: QuantizedRows? = nil
  ) {
    note(
      table.pointee.layer_norm(
        input.start, input.stride, input.count, width, parameters, parameters + paddedWidth, epsilon,
        normalized?.start, normalized?.stride ?? 0, quantized?.bytes, quantized?.stride ?? 0, quantized?.ranges))
  }

  /// LayerNorm without bias, in place: the norm of queries and keys.
  func layerNormInPlace(_ rows: FloatRows, width: Int, gamma: UnsafePointer<Float>, epsilon: Float) {
    note(
      table.pointee.layer_norm(
        rows.start, rows.stride, rows.count, width, gamma, nil, epsilon, rows.start, rows.stride, nil, 0, nil))
  }

  /// Keys as the panels of queries · keysᵀ, less their mean, which softmax does not see. Overwrites them.
  func packKeys(_ keys: FloatRows, width: Int, columns: ColumnStatistics, into panels: UnsafeMutablePointer<UInt8>) {
    centre(keys, width: width, columns)
    table.pointee.pack_keys(keys.start, keys.stride, keys.count, width, panels)
  }

  /// Values as the panels of probabilities · values: their differences from their mean, which each product adds, as the
  /// probabilities of a query have the sum 1. Overwrites them.
  func packValues(_ values: FloatRows, width: Int, columns: ColumnStatistics, into panels: UnsafeMutablePointer<UInt8>)
  {
    centre(values, width: width, columns)
    table.pointee.pack_values(
      values.start, values.stride, values.count, width, columns.means, columns.largest, panels)
  }

  /// The same rows as values and as keys.
  func packValuesAndKeys(
    _ rows: FloatRows, width: Int, columns: ColumnStatistics, values: UnsafeMutablePointer<UInt8>,
    keys: UnsafeMutablePointer<UInt8>
  ) {
    packValues(rows, width: width, columns: columns, into: values)
    table.pointee.pack_keys(rows.start, rows.stride, rows.count, width, keys)
  }

  private func centre(_ rows: FloatRows, width: Int, _ columns: ColumnStatistics) {
    note(
      table.pointee.centre_columns(rows.start, rows.stride, rows.count, width, columns.means, columns.largest))
  }

  /// Attention's softmax, to the base 2, of the first `width` scores.
  func softmaxQuantize(_ scores: FloatRows, width: Int, into output: QuantizedRows) {
    note(
      table.pointee.softmax_quantize(
        scores.start, scores.stride, scores.count, width, output.bytes, output.stride, output.ranges))
  }

  /// Softmax of the first `width` values, in place.
  func softmax(_ rows: FloatRows, width: Int) {
    note(table.pointee.softmax(rows.start, rows.stride, rows.count, width))
  }

  /// tanh of `count` values (a multiple of 16), in place.
  func tanh(_ values: UnsafeMutablePointer<Float>, count: Int) { note(table.pointee.tanh(values, count)) }
}
