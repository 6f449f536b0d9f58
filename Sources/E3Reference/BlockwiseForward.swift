import E3Checkpoint
import E3Host

/// The float32 forward pass over many images, one layer after the other: for what looks at the rows of one layer at a
/// time. The caller takes the steps in the order of the network.
///
/// Memory: about four times the tokens of all images, the rows of some images inside a layer, and the layer.
public struct BlockwiseForward {
  private let reference: ReferenceModel
  private let images: Int
  /// `[N*S*T][H]` output of the last step.
  private var x: Matrix
  private var experts: MoELayer?

  private var config: ModelConfig { reference.config }

  /// Embeds the patches.
  ///
  /// - Parameter values: `[N][height][width][channels]` in the model's value range.
  /// - Throws: as ``ReferenceModel/logits(_:count:observer:visitor:)``, and so do the other steps.
  public init(_ model: SourceModel, images values: [Float], count: Int, visitor: any RowVisitor) throws(FileError) {
    reference = ReferenceModel(model)
    try reference.requireWholeGroups(count)
    images = count
    let embedding = Embedding(model: model)
    let size = values.count / count
    x = Matrix(rows: 0, columns: model.config.hiddenSize, values: [])
    for image in 0..<count {
      let patches = try embedding.patches(values[image * size..<(image + 1) * size], count: 1, visitor: visitor)
      x.append(try embedding.tokens(patches, count: 1))
    }
  }

  /// Attention of a block.
  public mutating func attend(block index: Int, visitor: any RowVisitor) throws(FileError) {
    finishExperts()
    let block = EncoderBlock(index: index, model: reference.model)
    let piece = Self.sequences * config.tokenCount
    var y = Matrix(rows: 0, columns: x.columns, values: [])
    for start in stride(from: 0, to: x.rows, by: piece) {
      y.append(try block.attended(x.rows(start..<min(start + piece, x.rows)), visitor: visitor))
    }
    x = y
  }

  /// The MLP of a block without experts.
  public mutating func mlp(block index: Int, visitor: any RowVisitor) throws(FileError) {
    let block = EncoderBlock(index: index, model: reference.model)
    x += try block.mlp(block.normalised(x), visitor: visitor)
  }

  /// The router of a block with experts, whose steps come next.
  public mutating func route(block index: Int) throws(FileError) {
    guard let experts = config.experts else { preconditionFailure("a model without experts") }
    let block = EncoderBlock(index: index, model: reference.model)
    self.experts = try MoELayer(
      ParameterNames.block(index), experts: experts, tokens: block.perMember(block.normalised(x), images: images),
      block: index, from: reference.model)
    x = block.perMember(x, images: images)
  }

  /// One expert. `visitor` sees `least` rows or more, if there are as many: those that were sent to it, and when they
  /// are too few, others that stand for them.
  public mutating func run(expert: Int, least: Int, visitor: any RowVisitor) throws(FileError) {
    try experts?.run(expert, visitor: visitor)
    try experts?.show(least, of: expert, to: visitor)
  }

  /// What comes after the blocks.
  ///
  /// - Returns: logits, as ``ReferenceModel/logits(_:count:observer:visitor:)``.
  public mutating func finish(visitor: any RowVisitor) throws(FileError) -> Matrix {
    finishExperts()
    return try reference.head(x, images: images, observer: nil, visitor: visitor)
  }

  private mutating func finishExperts() {
    guard let experts else { return }
    x += experts.output
    self.experts = nil
  }

  /// Sequences whose attention is computed at a time.
  private static let sequences = 8
}
