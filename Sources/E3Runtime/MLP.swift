import CE3Kernels
import E3Format

extension Encoder {
  /// rows = rows + Mlp(LN1(rows)): the dense MLP.
  func mlp(block: Int, rows: FloatRows) {
    let quantized = space.quantized.reshaped(width: shape.hiddenSize, count: rows.count)
    let mine = worker.share(of: rows.count)
    layerNorm(.norm1, block: block, rows.rows(mine), quantized: quantized.rows(mine))
    worker.barrier()
    multiply(model.mlp(block: block), input: quantized, addTo: rows, next: firstPanel(ofBlock: block + 1))
  }

  /// rows = rows + contract(gelu(expand(input))), for as many rows at a time as `space.hidden` holds.
  func multiply(
    _ layers: MLPView, input: QuantizedRows, addTo rows: FloatRows, next: UnsafePointer<UInt8>? = nil
  ) {
    var left = 0..<input.count
    while !left.isEmpty {
      let piece = left.firstPiece(atMost: space.hidden.count)
      left = piece.upperBound..<left.upperBound
      kernels.linear(
        input.rows(piece), layers.expand, panels: worker.panels(layers.expand.panelCount), epilogue: E3K_STORE,
        into: space.hidden.rows(0..<piece.count), next: worker.firstPanel(of: layers.contract))
      worker.barrier()
      // No barrier after the last product: what it reads is overwritten only after the next piece's first barrier.
      kernels.linear(
        activateHidden(count: piece.count, width: layers.expand.outputs), layers.contract,
        panels: worker.panels(layers.contract.panelCount),
        epilogue: E3K_ADD, into: rows.rows(piece), next: left.isEmpty ? next : worker.firstPanel(of: layers.expand))
    }
    worker.barrier()
  }

  /// The first weights that this worker needs in `block`; nil after the last block.
  func firstPanel(ofBlock block: Int) -> UnsafePointer<UInt8>? {
    block < shape.layerCount ? worker.firstPanel(of: model.linear(.queryKeyValue, block: block)) : nil
  }

  /// GELU of the first `width` values of the first `count` hidden rows, quantised; ends with a barrier.
  func activateHidden(count: Int, width: Int) -> QuantizedRows {
    let quantized = space.hiddenQuantized.rows(0..<count)
    let mine = worker.share(of: count)
    kernels.geluQuantize(
      space.hidden.rows(mine), width: ModelShape.padded(width), form: geluForm, into: quantized.rows(mine))
    worker.barrier()
    return quantized
  }

  /// The activation of the MLPs.
  var geluForm: e3k_gelu_form { shape.activation == .geluErf ? E3K_GELU_ERF : E3K_GELU_TANH }
}
