import E3Checkpoint
import E3Format
import E3Host
import E3Models
import E3Reference

/// Turns the tensors of a model into the bytes of extents, one tensor at a time.
struct ExtentContents {
  let model: SourceModel
  let shape: ModelShape
  /// Rounds against images; nil: every weight to the nearest step.
  private let images: ImageRounding?
  private let weights: WeightBits
  /// Of the norms so far, by kind and block.
  private var scales: [Int: ChannelScales] = [:]

  /// - Parameter images: What weights are rounded against; nil: nothing.
  init(
    model: SourceModel, shape: ModelShape, weights: WeightBits = WeightBits(), images: PreparedImages? = nil,
    source: String = ""
  ) throws(FileError) {
    (self.model, self.shape, self.weights) = (model, shape, weights)
    self.images = try images.map { (images) throws(FileError) in
      try ImageRounding(model, images: images, source: source)
    }
  }

  /// Writes the extent of `entry`, which the writer has begun. With images the linear layers come in the file's order.
  mutating func write(_ entry: ExtentPlan.Entry, to writer: ModelFileWriter) throws(FileError) {
    let block = ParameterNames.block(entry.block)
    switch entry.kind {
    case .patchEmbedding:
      try writeLinear(ParameterNames.embedding, shape.patchValueCount, shape.hiddenSize, reading: .patches, to: writer)
    case .positionEmbedding: try writer.write(try positionTable())
    case .norm0: try writeNorm(block.norm0, .norm0, entry.block, to: writer)
    case .queryKeyValue:
      let scales = try channelScales(.norm0, entry.block)
      let contexts = try contextScales(.contexts(block: entry.block), block.attention.out)
      images?.scale(.norm0(block: entry.block), by: scales)
      images?.scale(.contexts(block: entry.block), by: contexts)
      try images?.attend(block: entry.block)
      let rounding = try images?.rounding(.norm0(block: entry.block))
      for projection in [block.attention.query, block.attention.key] {
        try writeHeads(projection, scales: scales, rounding: rounding, to: writer)
      }
      try writeHeads(block.attention.value, scales: scales, contexts: contexts, rounding: rounding, to: writer)
    case .queryKeyNorm:
      try writeHeadNorm(block.attention.queryNorm, to: writer)
      try writeHeadNorm(block.attention.keyNorm, to: writer)
    case .attentionOutput:
      try writeAttentionOutput(block.attention.out, reading: .contexts(block: entry.block), to: writer)
    case .norm1: try writeNorm(block.norm1, .norm1, entry.block, to: writer)
    case .mlp:
      let scales = try channelScales(.norm1, entry.block)
      images?.scale(.norm1(block: entry.block, expert: nil), by: scales)
      try images?.mlp(block: entry.block)
      try writeMLP(
        entry, block.mlp, width: shape.mlpSize, scales: scales,
        reading: .norm1(block: entry.block, expert: nil), .hidden(block: entry.block, expert: nil), to: writer)
    case .router: try writeRouter(block.router, scales: channelScales(.norm1, entry.block), to: writer)
    case .expert:
      let scales = try channelScales(.norm1, entry.block)
      images?.scale(.norm1(block: entry.block, expert: nil), by: scales)
      try images?.expert(entry.expert, block: entry.block)
      try writeMLP(
        entry, block.experts, width: shape.expertMLPSize, at: entry.expert, scales: scales,
        reading: .norm1(block: entry.block, expert: entry.expert), .hidden(block: entry.block, expert: entry.expert),
        to: writer)
    case .encoderNorm: try writeNorm(ParameterNames.encoderNorm, .encoderNorm, 0, to: writer)
    case .mapQuery: try writer.write(try mapQuery())
    case .mapKeyValue:
      let scales = try channelScales(.encoderNorm, 0)
      let contexts = try contextScales(.mapContexts, ParameterNames.mapAttention.out)
      images?.scale(.mapTokens, by: scales)
      images?.scale(.mapContexts, by: contexts)
      images?.scale(.mapNorm, by: try channelScales(.mapNorm, 0))
      try images?.finish()
      let rounding = try images?.rounding(.mapTokens)
      try writeHeads(ParameterNames.mapAttention.key, scales: scales, rounding: rounding, to: writer)
      try writeHeads(
        ParameterNames.mapAttention.value, scales: scales, contexts: contexts, rounding: rounding, to: writer)
    case .mapKeyNorm: try writeHeadNorm(ParameterNames.mapAttention.keyNorm, to: writer)
    case .mapOutput: try writeAttentionOutput(ParameterNames.mapAttention.out, reading: .mapContexts, to: writer)
    case .mapNorm: try writeNorm(ParameterNames.mapNorm, .mapNorm, 0, to: writer)
    case .mapMLP:
      try writeMLP(
        entry, ParameterNames.mapMLP, width: shape.mlpSize, scales: channelScales(.mapNorm, 0), reading: .mapNorm,
        .mapHidden, to: writer)
    case .preLogits:
      if shape.classifier != .map { try images?.finish() }
      try writeLinear(
        ParameterNames.preLogits, shape.pooledSize, shape.headInputSize, reading: .pooled, to: writer)
    case .head: try writeHead(to: writer)
    default: preconditionFailure("no extent of the plan")
    }
  }

  private func writeLinear(
    _ names: LinearNames, _ inputs: Int, _ outputs: Int, at index: Int? = nil, scales: ChannelScales? = nil,
    reading place: RowPlace, isInt4: Bool = false, to writer: ModelFileWriter
  ) throws(FileError) {
    let source = try values(names.kernel, at: index)
    let weights = scales?.multiplying(source) ?? source
    let stored = try values(names.bias, at: index)
    let bias = scales?.restoring(stored, of: source) ?? stored
    let rounding = try images?.rounding(place)
    guard !isInt4 else {
      try writer.write(
        rounding?.int4(weights, bias: bias)
          ?? Int4Linear(rounding: weights, inputs: inputs, outputs: outputs, bias: bias).panels())
      return
    }
    let rounded = rounding?.rounded(weights, bias: bias)
    try writer.write(
      packedLinear(
        rounded?.weights ?? weights, stride: outputs, inputs: inputs, outputs: outputs, bias: rounded?.bias ?? bias,
        scales: rounded?.scales))
  }

  private func writeMLP(
    _ entry: ExtentPlan.Entry, _ names: MLPNames, width: Int, at index: Int? = nil, scales: ChannelScales?,
    reading input: RowPlace, _ hidden: RowPlace, to writer: ModelFileWriter
  ) throws(FileError) {
    let isInt4 = entry.encoding == .int4
    try writeLinear(
      names.dense0, shape.hiddenSize, width, at: index, scales: scales, reading: input, isInt4: isInt4, to: writer)
    try writeLinear(names.dense1, width, shape.hiddenSize, at: index, reading: hidden, isInt4: isInt4, to: writer)
  }

  /// A projection `[H, A, D]` to heads, each padded to D16 outputs.
  private func writeHeads(
    _ names: LinearNames, scales: ChannelScales?, contexts: ChannelScales? = nil, rounding: WeightRounding?,
    to writer: ModelFileWriter
  ) throws(FileError) {
    var weights = try model.values(of: names.kernel)
    var bias = try model.values(of: names.bias)
    if let scales { (weights, bias) = (scales.multiplying(weights), scales.restoring(bias, of: weights)) }
    if let contexts { (weights, bias) = (contexts.dividing(weights), contexts.shifting(bias)) }
    let rounded = rounding?.rounded(weights, bias: bias)
    for head in 0..<shape.headCount {
      let first = head * shape.headSize
      try writer.write(
        packedLinear(
          rounded?.weights ?? weights, offset: first, stride: shape.hiddenSize, inputs: shape.hiddenSize,
          outputs: shape.headSize, bias: rounded?.bias ?? bias, scales: rounded?.scales, biasOffset: first))
    }
  }

  /// The output projection `[A, D, H]`, with D16 inputs for each head.
  private func writeAttentionOutput(
    _ names: LinearNames, reading place: RowPlace, to writer: ModelFileWriter
  ) throws(FileError) {
    let hidden = shape.hiddenSize
    var weights = try model.values(of: names.kernel)
    var bias = try model.values(of: names.bias)
    let contexts = try contextScales(place, names)
    if let contexts { (weights, bias) = (contexts.multiplying(weights), contexts.restoring(bias, of: weights)) }
    let rounded = try images?.rounding(place).rounded(weights, bias: bias)
    if let rounded { (weights, bias) = (rounded.weights, rounded.bias) }
    if shape.headSize != shape.headSizePadded {
      var padded = [Float](repeating: 0, count: shape.attentionWidth * hidden)
      for head in 0..<shape.headCount {
        let source = head * shape.headSize * hidden
        let target = head * shape.headSizePadded * hidden
        for i in 0..<(shape.headSize * hidden) { padded[target + i] = weights[source + i] }
      }
      weights = padded
    }
    try writer.write(
      packedLinear(
        weights, stride: hidden, inputs: shape.attentionWidth, outputs: hidden, bias: bias, scales: rounded?.scales))
  }

  private mutating func writeNorm(
    _ names: NormNames, _ kind: ExtentKind, _ block: Int, to writer: ModelFileWriter
  ) throws(FileError) {
    let scales = try channelScales(kind, block)
    let (scale, bias) = (try model.values(of: names.scale), try model.values(of: names.bias))
    try writer.write(paddedRows(scales?.dividing(scale) ?? scale, width: shape.hiddenSize))
    try writer.write(paddedRows(scales?.shifting(bias) ?? bias, width: shape.hiddenSize))
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
    var squares = [Double](repeating: 0, count: shape.hiddenSize)
    for kernel in kernels {
      for expert in 0..<(experts ?? 1) {
        addWeightSquares(of: try values(kernel, at: experts == nil ? nil : expert), to: &squares)
      }
    }
    let found =
      if let images {
        ChannelScales(
          images.channels(place(of: kind, block: index), keepsMeans: keepsMeans(kind, index)), weightSquares: squares)
      } else {
        try ChannelScales(
          normScale: model.values(of: norm.scale), normBias: model.values(of: norm.bias), weightSquares: squares)
      }
    scales[key] = found
    return found
  }

  /// The factors between attention's values and its output projection; nil without images, which tell them.
  private func contextScales(_ place: RowPlace, _ names: LinearNames) throws(FileError) -> ChannelScales? {
    guard let images else { return nil }
    var squares = [Double](repeating: 0, count: shape.hiddenSize)
    addWeightSquares(of: try model.values(of: names.kernel), to: &squares)
    return ChannelScales(images.channels(place), weightSquares: squares)
  }

  /// Whether the means of a norm's channels stay in them: a router has no bias to give them back, and with weights of 4
  /// bits factors around them did harm.
  private func keepsMeans(_ kind: ExtentKind, _ block: Int) -> Bool {
    switch kind {
    case .norm1: shape.isMoE(block) || weights.mlp == .four
    case .mapNorm: weights.mlp == .four
    default: false
    }
  }

  /// The rows that a norm makes.
  private func place(of kind: ExtentKind, block: Int) -> RowPlace {
    switch kind {
    case .norm0: .norm0(block: block)
    case .norm1: .norm1(block: block, expert: nil)
    case .mapNorm: .mapNorm
    default: .mapTokens
    }
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
          weights, offset: member * shape.expertsPerMember, stride: shape.expertCount, inputs: shape.hiddenSize,
          outputs: shape.expertsPerMember))
    }
  }

  private func writeHead(to writer: ModelFileWriter) throws(FileError) {
    let weights = try model.values(of: ParameterNames.head.kernel)
    try writer.write(
      floatPanels(weights, stride: shape.classCount, inputs: shape.headInputSize, outputs: shape.classCount))
    try writer.write(paddedRows(try model.values(of: ParameterNames.head.bias), width: shape.classCount))
  }

  private func values(_ name: String, at index: Int?) throws(FileError) -> [Float] {
    if let index { return try model.values(of: name, at: index) }
    return try model.values(of: name)
  }
}
