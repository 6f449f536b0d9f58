import E3Checkpoint
import E3Format
import E3Host
import E3Models
import E3Reference

/// The weights of a model file in float, in the places of the checkpoint's: what the linear layers, norms and routers of
/// embedding and blocks hold after they were rounded. All others are the checkpoint's.
struct PackedParameters: ModelParameters {
  let source: SourceModel
  let packed: MappedModel
  let network: Int

  var config: ModelConfig { source.config }
  var shape: ModelShape { file.shape }
  private var file: ModelFile { packed.networks[network] }

  func values(of name: String) throws(FileError) -> [Float] {
    switch name {
    case ParameterNames.embedding.kernel: return kernel(file.linear(.patchEmbedding), inputs: shape.patchValueCount)
    case ParameterNames.embedding.bias: return bias(file.linear(.patchEmbedding))
    default: break
    }
    guard let block = block(of: name) else { return try source.values(of: name) }
    let names = ParameterNames.block(block)
    let heads = shape.headCount * shape.headSizePadded
    switch name {
    case names.norm0.scale: return norm(.norm0, block, row: 0)
    case names.norm0.bias: return norm(.norm0, block, row: 1)
    case names.norm1.scale: return norm(.norm1, block, row: 0)
    case names.norm1.bias: return norm(.norm1, block, row: 1)
    case names.router: return router(block)
    case names.mlp.dense0.kernel: return kernel(file.mlp(block: block).expand, inputs: shape.hiddenSize)
    case names.mlp.dense0.bias: return bias(file.mlp(block: block).expand)
    case names.mlp.dense1.kernel: return kernel(file.mlp(block: block).contract, inputs: shape.mlpSize)
    case names.mlp.dense1.bias: return bias(file.mlp(block: block).contract)
    case names.attention.out.kernel:
      let view = file.linear(.attentionOutput, block: block)
      return kernel(view, inputs: heads, period: (shape.headSizePadded, shape.headSize))
    case names.attention.out.bias: return bias(file.linear(.attentionOutput, block: block))
    default: break
    }
    let projections = [names.attention.query, names.attention.key, names.attention.value]
    guard let index = projections.firstIndex(where: { $0.kernel == name || $0.bias == name }) else {
      return try source.values(of: name)
    }
    let view = file.linear(.queryKeyValue, block: block)
    let columns = columns(from: index * heads, count: heads)
    return projections[index].kernel == name
      ? kernel(view, inputs: shape.hiddenSize, columns: columns) : bias(view, columns: columns)
  }

  func values(of name: String, at expert: Int) throws(FileError) -> [Float] {
    guard let block = block(of: name) else { return try source.values(of: name, at: expert) }
    let (names, view) = (ParameterNames.block(block).experts, file.expert(block: block, index: expert))
    switch name {
    case names.dense0.kernel: return kernel(view.expand, inputs: shape.hiddenSize)
    case names.dense0.bias: return bias(view.expand)
    case names.dense1.kernel: return kernel(view.contract, inputs: shape.expertMLPSize)
    case names.dense1.bias: return bias(view.contract)
    default: return try source.values(of: name, at: expert)
    }
  }

  /// The block whose encoder holds the tensor.
  private func block(of name: String) -> Int? {
    (0..<shape.layerCount).first { name.hasPrefix("Encoder/encoderblock_\($0)/") }
  }

  private func norm(_ kind: ExtentKind, _ block: Int, row: Int) -> [Float] {
    let values = file.floats(kind, block: block) + row * shape.hiddenSizePadded
    return Array(UnsafeBufferPointer(start: values, count: shape.hiddenSize))
  }

  /// `[H, M, Em]`
  private func router(_ block: Int) -> [Float] {
    let perMember = shape.expertsPerMember
    let views = (0..<shape.memberCount).map { file.router(block: block, member: $0) }
    return (0..<shape.hiddenSize).flatMap { input in
      views.flatMap { view in
        (0..<perMember).map { view.panels[($0 / 16 * view.inputs + input) * 16 + $0 % 16] }
      }
    }
  }

  /// Stored columns of heads, `count` of them padded.
  private func columns(from first: Int, count: Int) -> [Int] {
    (0..<count).filter { $0 % shape.headSizePadded < shape.headSize }.map { first + $0 }
  }

  /// `[inputs][columns]`; of every `period` inputs only the first `used` are there.
  private func kernel(
    _ view: LinearView, inputs: Int, period: (all: Int, used: Int)? = nil, columns: [Int]? = nil
  ) -> [Float] {
    let columns = columns ?? Array(0..<view.outputs)
    let scales = columns.map { tail(view, $0).load(as: Float.self) }
    var values: [Float] = []
    values.reserveCapacity(inputs * columns.count)
    for input in 0..<inputs where period.map({ input % $0.all < $0.used }) ?? true {
      for (column, scale) in zip(columns, scales) { values.append(scale * Float(weight(view, input, column))) }
    }
    return values
  }

  /// The weight of an input as a multiple of its output's scale: FORMAT.md, "Linear layers".
  private func weight(_ view: LinearView, _ input: Int, _ column: Int) -> Int {
    let (panel, channel) = (UnsafeRawPointer(view.panel(ofColumn: column / 16 * 16)), column % 16)
    guard view.isInt4 else {
      return Int(panel.load(fromByteOffset: input / 4 * 64 + channel * 4 + input % 4, as: Int8.self))
    }
    // Grids, codes of 4 bits, tail.
    let codes = view.panelBytes - LinearLayout.tailBytes - view.inputs * 8
    let grid = Int(panel.load(fromByteOffset: input / 32 * 16 + channel, as: UInt8.self))
    let pair = Int(panel.load(fromByteOffset: codes + input / 8 * 64 + channel * 4 + input % 4, as: UInt8.self))
    return (grid & 15) * ((pair >> (input % 8 / 4 * 4) & 15) - (grid >> 4))
  }

  private func bias(_ view: LinearView, columns: [Int]? = nil) -> [Float] {
    (columns ?? Array(0..<view.outputs)).map { tail(view, $0).load(fromByteOffset: 64, as: Float.self) }
  }

  /// The scale of a column; its bias lies 64 bytes behind.
  private func tail(_ view: LinearView, _ column: Int) -> UnsafeRawPointer {
    let panel = UnsafeRawPointer(view.panel(ofColumn: column / 16 * 16))
    return panel + view.panelBytes - LinearLayout.tailBytes + column % 16 * 4
  }
}
