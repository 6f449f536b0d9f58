import CE3Float
import E3Checkpoint
import E3Host

/// The float32 forward pass of ViT, V-MoE and E³, as the reference implementation computes it.
///
/// Weights are read from the checkpoint layer by layer as they are needed and not kept, so that the memory is that of
/// one layer and of the tokens. Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words"; Riquelme et al., "Scaling
/// Vision with Sparse Mixture of Experts"; Allingham et al., "Sparse MoEs meet Efficient Ensembles".
public struct ReferenceModel: Sendable {
  public let model: SourceModel

  public var config: ModelConfig { model.config }

  public init(_ model: SourceModel) { self.model = model }

  /// Member logits of `count` images.
  ///
  /// - Parameters:
  ///   - images: `[N][height][width][channels]` in the model's value range.
  ///   - count: N.
  ///   - observer: sees the values inside.
  ///   - visitor: sees the rows that products read, and may change them.
  /// - Returns: `[N*M][C]`, the members of one image next to each other.
  /// - Throws: unusable weights; a capacity group that does not divide the tokens.
  /// - Precondition: `images` has `N * height * width * channels` values.
  public func logits(
    _ images: ArraySlice<Float>, count: Int, observer: (any ForwardObserver)? = nil, visitor: (any RowVisitor)? = nil
  ) throws(FileError) -> Matrix {
    precondition(images.count == count * config.imageHeight * config.imageWidth * config.channels)
    try requireWholeGroups(count)
    let embedding = Embedding(model: model)
    let patches = try embedding.patches(images, count: count, visitor: visitor)
    observer?.observe(.patchEmbeddings, patches)
    var x = try embedding.tokens(patches, count: count)
    observer?.observe(.embedded, x)
    for index in 0..<config.layerCount {
      x = try EncoderBlock(index: index, model: model)(
        x, images: count, observer: observer, visitor: visitor)
    }
    return try head(x, images: count, observer: observer, visitor: visitor)
  }

  /// Member logits of what the last block gives.
  func head(
    _ x: Matrix, images count: Int, observer: (any ForwardObserver)?, visitor: (any RowVisitor)?
  ) throws(FileError) -> Matrix {
    var x = x
    let norm = try LayerNorm(ParameterNames.encoderNorm, from: model)
    if config.finalNorm == .beforePooling { x = norm(x) }
    observer?.observe(.encoderOutput, x)
    var z = try Pooling(model: model)(x, sequences: count * config.memberCount, visitor: visitor)
    if config.finalNorm == .afterPooling { z = norm(z) }
    observer?.observe(.pooled, z)
    if let size = config.representationSize {
      visitor?.visit(&z, at: .pooled)
      z = try Linear(ParameterNames.preLogits, inputs: config.pooledSize, outputs: size, from: model)(z)
      ce3_tanh(&z.values, z.values.count)
    }
    observer?.observe(.representation, z)
    return try Linear(ParameterNames.head, inputs: z.columns, outputs: config.classCount, from: model)(z)
  }

  func requireWholeGroups(_ count: Int) throws(FileError) {
    guard let size = config.experts?.capacity?.groupSize else { return }
    let tokens = count * config.tokenCount * config.memberCount
    guard tokens.isMultiple(of: size) else {
      throw FileError(
        file: model.checkpoint.path,
        problem:
          "\(tokens) tokens of \(counted(count, "image")) do not divide into groups of \(size): give as many images as "
          + "the group size needs, or one image per group")
    }
  }
}
