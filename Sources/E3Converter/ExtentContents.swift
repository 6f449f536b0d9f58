import E3Checkpoint
import E3Format
import E3Host
import E3Models

/// Turns the tensors of a model into the bytes of extents, one tensor at a time.
struct ExtentContents {
  let model: SourceModel
  let shape: ModelShape
  /// Of the norms so far, by kind and block.
  private var scales: [Int: ChannelScales] = [:]

  init(model: SourceModel, shape: ModelShape) {
    self.model = model
    self.shape = shape
  }

  /// Writes the extent of `entry`, which the writer has begun. Each may be written at any time.
  mutating func write(_ entry: ExtentPlan.Entry, to writer: ModelFileWriter) throws(FileError) {
    let block = ParameterNames.block(entry.block)
    switch entry.kind {
    case .patchEmbedding: try writeLinear(ParameterNames.embedding, shape.patchInputs, shape.hidden, to: writer)
    case .positionEmbedding: try writer.write(try positionTable())
    case .norm0: try writeNorm(block.norm0, .norm0, entry.block, to: writer)
    case .queryKeyValue:
      for projection in [block.attention.query, block.attention.key, block.attention.value] {
        try writeHeads(projection, scales: channelScales(.norm0, entry.block), to: writer)
      }
    case .queryKeyNorm:
      try writeHeadNorm(block.attention.queryNorm, to: writer)
      try writeHeadNorm(block.attention.keyNorm, to: writer)
    case .attentionOutput: try writeAttentionOutput(block.attention.out, to: writer)
    case .norm1: try writeNorm(block.norm1, .norm1, entry.block, to: writer)
    case .mlp:
      try writeMLP(entry, block.mlp, width: shape.mlp, scales: channelScales(.norm1, entry.block), to: writer)
    case .router: try writeRouter(block.router, scales: channelScales(.norm1, entry.block), to: writer)
    case .expert:
      try writeMLP(
        entry, block.experts, width: shape.expertMLP, at: entry.expert, scales: channelScales(.norm1, entry.block),
        to: writer)
    case .encoderNorm: try writeNorm(ParameterNames.encoderNorm, .encoderNorm, 0, to: writer)
    case .mapQuery: try writer.write(try mapQuery())
    case .mapKeyValue:
      let scales = try channelScales(.encoderNorm, 0)
      try writeHeads(ParameterNames.mapAttention.key, scales: scales, to: writer)
      try writeHeads(ParameterNames.mapAttention.value, scales: scales, to: writer)
    case .mapKeyNorm: try writeHeadNorm(ParameterNames.mapAttention.keyNorm, to: writer)
    case .mapOutput: try writeAttentionOutput(ParameterNames.mapAttention.out, to: writer)
    case .mapNorm: try writeNorm(ParameterNames.mapNorm, .mapNorm, 0, to: writer)
    case .mapMLP:
      try writeMLP(entry, ParameterNames.mapMLP, width: shape.mlp, scales: channelScales(.mapNorm, 0), to: writer)
    case .preLogits: try writeLinear(ParameterNames.preLogits, shape.pooledWidth, shape.representation, to: writer)
    case .head: try writeHead(to: writer)
    default: preconditionFailure("no extent of the plan")
    }
  }

  private func writeLinear(
    _ names: LinearNames, _ inputs: Int, _ outputs: Int, at index: Int? = nil, scales: ChannelScales? = nil,
    to writer: ModelFileWriter
  ) throws(FileError) {
    let weights = try values(names.kernel, at: index)
    let bias = try values(names.bias, at: index)
    try writer.write(
      packedLinear(
        scales?.multiplying(weights) ?? weights, stride: outputs, inputs: inputs, outputs: outputs, bias: bias))
  }

  private func writeMLP(
    _ entry: ExtentPlan.Entry, _ names: MLPNames, width: Int, at index: Int? = nil, scales: ChannelScales?,
    to writer: ModelFileWriter
  ) throws(FileError) {
    guard entry.encoding == .int4 else {
      try writeLinear(names.dense0, shape.hidden, width, at: index, scales: scales, to: writer)
      try writeLinear(names.dense1, width, shape.hidden, at: index, to: writer)
      return
    }
    let weights = try values(names.dense0.kernel, at: index)
    try writer.write(
      Int4Linear(
        rounding: scales?.multiplying(weights) ?? weights, inputs: shape.hidden, outputs: width,
        bias: try values(names.dense0.bias, at: index)
      ).panels())
    try writer.write(
      Int4Linear(
        rounding: try values(names.dense1.kernel, at: index), inputs: width, outputs: shape.hidden,
        bias: try values(names.dense1.bias, at: index)
      ).panels())
  }

  /// A projection `[H, A, D]` to heads, each padded to D16 outputs.
  private func writeHeads(
    _ names: LinearNames, scales: ChannelScales?, to writer: ModelFileWriter
  ) throws(FileError) {
    let source = try model.values(of: names.kernel)
    let weights = scales?.multiplying(source) ?? source
    let bias = try model.values(of: names.bias)
    for head in 0..<shape.headCount {
      let first = head * shape.headSize
      try writer.write(
        packedLinear(
          weights, offset: first, stride: shape.hidden, inputs: shape.hidden, outputs: shape.headSize, bias: bias,
          biasOffset: first))
    }
  }

  /// The output projection `[A, D, H]`, with D16 inputs for each head.
  private func writeAttentionOutput(_ names: LinearNames, to writer: ModelFileWriter) throws(FileError) {
    var weights = try model.values(of: names.kernel)
    let hidden = shape.hidden
    if shape.headSize != shape.headSizePadded {
      var padded = [Float](repeating: 0, count: shape.attentionWidth * hidden)
      for head in 0..<shape.headCount {
        let source = head * shape.headSize * hidden
        let target = head * shape.headSizePadded * hidden
        for i in 0..<(shape.headSize * hidden) { padded[target + i] = weights[source + i] }
      }
      weights = padded
    }
    let bias = try model.values(of: names.bias)
    try writer.write(
      packedLinear(weights, stride: hidden, inputs: shape.attentionWidth, outputs: hidden, bias: bias))
  }

  private mutating func writeNorm(
    _ names: NormNames, _ kind: ExtentKind, _ block: Int, to writer: ModelFileWriter
  ) throws(FileError) {
    let scales = try channelScales(kind, block)
    let (scale, bias) = (try model.values(of: names.scale), try model.values(of: names.bias))
    try writer.write(paddedRows(scales?.dividing(scale) ?? scale, width: shape.hidden))
    try writer.write(paddedRows(scales?.dividing(bias) ?? bias, width: shape.hidden))
  }

  /// The factors between a LayerNorm and the weights that read it; nil where something else reads it, too.
  private mutating func channelScales(_ kind: ExtentKind, _ index: Int) throws(FileError) -> ChannelScales? {
    let key = Int(kind.rawValue) << 8 | index
    if let known = scales[key] { return known }
    let block = ParameterNames.block(index)
    let norm: NormNames
    let kernels: [String]
    var experts: Int?
    switch kind {
    case .norm0:
      norm = block.norm0
      kernels = [block.attention.query.kernel, block.attention.key.kernel, block.attention.value.kernel]
    case .norm1:
      norm = block.norm1
      experts = shape.isMoE(index) ? shape.expertCount : nil
      kernels = [experts == nil ? block.mlp.dense0.kernel : block.experts.dense0.kernel]
    case .mapNorm:
      norm = ParameterNames.mapNorm
      kernels = [ParameterNames.mapMLP.dense0.kernel]
    default:
      guard shape.classifier == .map else { return nil }
      norm = ParameterNames.encoderNorm
      kernels = [ParameterNames.mapAttention.key.kernel, ParameterNames.mapAttention.value.kernel]
    }
    var squares = [Double](repeating: 0, count: shape.hidden)
    for kernel in kernels {
      for expert in 0..<(experts ?? 1) {
        addWeightSquares(of: try values(kernel, at: experts == nil ? nil : expert), to: &squares)
      }
    }
    let found = ChannelScales(
      normScale: try model.values(of: norm.scale), normBias: try model.values(of: norm.bias), weightSquares: squares)
    scales[key] = found
    return found
  }

  private func writeHeadNorm(_ name: String, to writer: ModelFileWriter) throws(FileError) {
    try writer.write(paddedRows(try model.values(of: name), width: shape.headSize))
  }

  /// `[H, M, Em]` as panels of each member.
  private func writeRouter(_ name: String, scales: ChannelScales?, to writer: ModelFileWriter) throws(FileError) {
    let source = try model.values(of: name)
    let weights = scales?.multiplying(source) ?? source
    for member in 0..<shape.memberCount {
      try writer.write(
        floatPanels(
          weights, offset: member * shape.expertsPerMember, stride: shape.expertCount, inputs: shape.hidden,
          outputs: shape.expertsPerMember))
    }
  }

  private func writeHead(to writer: ModelFileWriter) throws(FileError) {
    let weights = try model.values(of: ParameterNames.head.kernel)
    try writer.write(
      floatPanels(weights, stride: shape.classCount, inputs: shape.representation, outputs: shape.classCount))
    try writer.write(paddedRows(try model.values(of: ParameterNames.head.bias), width: shape.classCount))
  }

  private func values(_ name: String, at index: Int?) throws(FileError) -> [Float] {
    if let index { return try model.values(of: name, at: index) }
    return try model.values(of: name)
  }
}
