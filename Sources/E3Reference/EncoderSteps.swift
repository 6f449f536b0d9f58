import E3Checkpoint
import E3Host

/// The encoder of the float path, step by step: for what gives one block the same rows several times.
public struct EncoderSteps: Sendable {
  private let model: any ModelParameters

  public init(_ model: any ModelParameters) { self.model = model }

  /// `[N*T][H]` what the first block reads.
  ///
  /// - Parameter images: `[N][height][width][channels]` in the model's value range.
  public func embedded(
    _ images: ArraySlice<Float>, count: Int, visitor: (any RowVisitor)? = nil
  ) throws(FileError) -> Matrix {
    let embedding = Embedding(model: model)
    return try embedding.tokens(embedding.patches(images, count: count, visitor: visitor), count: count)
  }

  /// `[N*S*T][H]` output of a block.
  public func block(
    _ index: Int, _ x: Matrix, images: Int, observer: (any ForwardObserver)? = nil, visitor: (any RowVisitor)? = nil
  ) throws(FileError) -> Matrix {
    try EncoderBlock(index: index, model: model)(x, images: images, observer: observer, visitor: visitor)
  }
}
