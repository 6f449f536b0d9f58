import CE3Kernels
import E3Format

extension Encoder {
  /// rows = rows + Mlp(LN1(rows)): the dense MLP with tanh GELU.
  func mlp(block: Int, rows: FloatRows) {
    let quantized = space.quantized.reshaped(width: shape.hidden, count: rows.count)
    let mine = worker.share(of: rows.count)
    layerNorm(.norm1, block: block, rows.rows(mine), quantized: quantized.rows(mine))
    worker.barrier()
    multiply(model.mlp(block: block), input: quantized, addTo: rows, next: firstPanel(ofBlock: block + 1))
  }

  /// rows = rows + contract(gelu(expand(input))).
  func multiply(
    _ layers: MLPView, input: QuantizedRows, addTo rows: FloatRows, next: UnsafePointer<UInt8>? = nil
  ) {
    let hidden = space.hidden.rows(0..<input.count)
    kernels.linear(
      input, layers.expand, panels: worker.panels(layers.expand.panelCount), epilogue: E3K_STORE, into: hidden,
      next: worker.firstPanel(of: layers.contract))
    worker.barrier()
    let hiddenQuantized = activateHidden(count: input.count)
    kernels.linear(
      hiddenQuantized, layers.contract, panels: worker.panels(layers.contract.panelCount), epilogue: E3K_ADD,
      into: rows, next: next)
    worker.barrier()
  }

  /// The first weights that this worker needs in `block`; nil after the last block.
  func firstPanel(ofBlock block: Int) -> UnsafePointer<UInt8>? {
    block < shape.layerCount ? worker.firstPanel(of: model.linear(.queryKeyValue, block: block)) : nil
  }

  /// GELU of the first `count` hidden rows, quantised; ends with a barrier.
  func activateHidden(count: Int) -> QuantizedRows {
    let quantized = space.hiddenQuantized.rows(0..<count)
    let mine = worker.share(of: count)
    kernels.geluQuantize(space.hidden.rows(mine), width: shape.mlpPadded, into: quantized.rows(mine))
    worker.barrier()
    return quantized
  }
}
